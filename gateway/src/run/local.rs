//! The local port: `/status` as JSON and the page for people, from the last published snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use gateway_core::commands::CommandRecord;
use gateway_core::firmware::Update;
use gateway_core::inventory::DeviceRecord;
use gateway_core::outbox::LaneState;
use gateway_core::site::{Moment, State};
use jiff::Timestamp;
use runtime::local::Health;
use tokio::sync::{mpsc, watch};
use wire::report::Lanes;

use super::clock::Clock;
use super::input::{Input, send};
use crate::config::Config;
use crate::local_page;
use crate::spool::Spool;
use crate::status::{
    CommandStatus, DeviceStatus, DeviceStep, FirmwareDeviceStatus, FirmwareStatus, ImageState, LaneStatus,
    OpenCallStatus, SpoolStatus, Status, SupplyStatus,
};
use crate::uplink::UplinkHandle;

const COMMANDS_SHOWN: usize = 50;

/// Time to wait for a new snapshot; then the last one is shown. An engine that waits for the disk publishes none.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);

/// The snapshot for the local port. It is taken only on request, because it is expensive with many devices.
#[derive(Debug)]
pub(super) struct StatusSnapshot {
    gateway: String,
    site: Option<String>,
    clock: Clock,
    sources: Sources,
    inputs: mpsc::UnboundedSender<Input>,
    wanted: AtomicBool,
    shown: watch::Sender<Arc<Shown>>,
}

/// What is shown besides the engine's state.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) spool: Spool,
    pub(super) uplink: Arc<UplinkHandle>,
    pub(super) certificate: Arc<crate::renewal::Shown>,
    pub(super) mails_waiting: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Shown {
    devices: Vec<DeviceStatus>,
    open_calls: Vec<OpenCallStatus>,
    commands: Vec<CommandStatus>,
    firmware: Vec<FirmwareStatus>,
}

impl Shown {
    fn of(known: &State, now: Timestamp) -> Self {
        let mut open_calls: Vec<OpenCallStatus> = known.devices.values().flat_map(open_calls).collect();
        open_calls.sort_by_key(|call| call.since);
        let mut commands: Vec<&CommandRecord> = known.commands.values().collect();
        commands.sort_by_key(|record| std::cmp::Reverse(record.received_at));
        let mut updates: Vec<&Update> = known.updates.values().collect();
        updates.sort_by_key(|update| std::cmp::Reverse(update.received_at));
        Self {
            devices: known.devices.values().map(device).collect(),
            open_calls,
            commands: commands.into_iter().take(COMMANDS_SHOWN).map(command).collect(),
            firmware: updates
                .into_iter()
                .take(COMMANDS_SHOWN)
                .map(|update| firmware(update, known, now))
                .collect(),
        }
    }
}

impl StatusSnapshot {
    pub(super) fn new(
        sources: Sources,
        config: &Config,
        inputs: mpsc::UnboundedSender<Input>,
        clock: Clock,
    ) -> Self {
        Self {
            gateway: config.gateway.to_string(),
            site: config.site_name().map(str::to_owned),
            clock,
            sources,
            inputs,
            wanted: AtomicBool::new(false),
            shown: watch::Sender::default(),
        }
    }

    /// Publishes a snapshot of the state, if one is requested.
    pub(super) fn publish(&self, known: &State, now: Moment) {
        if !self.wanted.swap(false, Ordering::AcqRel) {
            return;
        }
        self.shown.send_replace(Arc::new(Shown::of(known, now.clock)));
    }

    /// The gateway's status, from the engine's state.
    pub(super) fn status_of(&self, known: &State, now: Moment) -> Status {
        self.status_with(&Shown::of(known, now.clock), now)
    }

    /// The gateway's status, from a new snapshot.
    async fn status(&self) -> Status {
        let shown = self.take().await;
        self.status_with(&shown, self.clock.now())
    }

    fn status_with(&self, shown: &Shown, now: Moment) -> Status {
        let spool = self.sources.spool.snapshot();
        Status {
            gateway: self.gateway.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.site.clone(),
            at: now.clock,
            uptime_s: now.elapsed.as_secs(),
            link: self.sources.uplink.status(),
            certificate: self.sources.certificate.status(),
            lanes: Lanes { urgent: lane(&spool.lanes.urgent), bulk: lane(&spool.lanes.bulk) },
            spool: SpoolStatus {
                id: spool.id,
                waiting_bytes: spool.waiting_bytes,
                disk_bytes: spool.disk_bytes,
                limit_bytes: spool.limit_bytes,
                problem: spool.problem,
            },
            devices: shown.devices.clone(),
            open_calls: shown.open_calls.clone(),
            commands: shown.commands.clone(),
            firmware: shown.firmware.clone(),
            mails_waiting: self.sources.mails_waiting.load(Ordering::Relaxed),
        }
    }

    async fn take(&self) -> Arc<Shown> {
        let mut shown = self.shown.subscribe();
        self.wanted.store(true, Ordering::Release);
        send(&self.inputs, Input::SnapshotWanted);
        if tokio::time::timeout(SNAPSHOT_TIMEOUT, shown.changed()).await.is_err() {
            tracing::debug!("the engine is busy: its last snapshot is shown");
        }
        Arc::clone(&shown.borrow())
    }
}

/// `/status` and the page.
pub(super) fn router(snapshot: Arc<StatusSnapshot>) -> Router {
    let asked = move || {
        let snapshot = Arc::clone(&snapshot);
        async move { snapshot.status().await }
    };
    let page = asked.clone();
    Router::new().route("/status", get(async move || Json(asked().await))).merge(local_page::router(page))
}

/// The gateway is healthy while its spool can store; an unreachable server does not make it unhealthy.
pub(super) fn health(snapshot: &Arc<StatusSnapshot>) -> Health {
    let snapshot = Arc::clone(snapshot);
    Health::new(move || {
        let problem = snapshot.sources.spool.snapshot().problem;
        std::future::ready(problem.map_or(Ok(()), |problem| Err(format!("the spool can't store: {problem}"))))
    })
}

fn lane(state: &LaneState) -> LaneStatus {
    LaneStatus {
        made: state.made_number(),
        acknowledged: state.acknowledged_number(),
        waiting: state.waiting(),
    }
}

fn device(record: &DeviceRecord) -> DeviceStatus {
    let reading = record.reading.whole();
    let identity = reading.identity;
    let supply = |supply: &wire::reading::Supply| SupplyStatus {
        index: supply.index.clone(),
        is_receptacle: supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled")),
        name: gateway_core::calls::supply_name(supply),
        supply_type: supply.supply_type.clone(),
        color: supply.color.clone(),
        percent: supply.percent,
        level_state: supply.level_state,
    };
    DeviceStatus {
        device: record.device.clone(),
        address: reading.address,
        firmware: identity.firmware_version().map(str::to_owned),
        vendor: identity.vendor,
        model: identity.model,
        serial: identity.serial,
        name: identity.name,
        online: record.is_online(),
        read_at: record.answered_at,
        printer: reading.status.printer,
        detected_errors: reading.status.detected_errors.iter().map(ToString::to_string).collect(),
        console: reading.status.console,
        total: record.reading.total(),
        supplies: reading.supplies.iter().map(supply).collect(),
        notes: record
            .findings
            .iter()
            .map(|noted| format!("{}, {:.0}", noted.finding.detail, noted.at))
            .collect(),
    }
}

fn open_calls(record: &DeviceRecord) -> Vec<OpenCallStatus> {
    let one = |open: &gateway_core::calls::OpenCall| OpenCallStatus {
        device: record.device.clone(),
        call: open.call,
        subject: open.subject.clone(),
        detail: open.detail.clone(),
        since: open.since,
    };
    record.calls.open.iter().map(one).collect()
}

fn command(record: &CommandRecord) -> CommandStatus {
    CommandStatus {
        command: record.id,
        order: record.name().to_owned(),
        state: record.state,
        detail: record.detail.clone(),
        received_at: record.received_at,
        waits_for: record.waits_for.len(),
    }
}

fn firmware(update: &Update, known: &State, now: Timestamp) -> FirmwareStatus {
    let one = |device: &gateway_core::firmware::DeviceUpdate| {
        let seen = known.devices.get(&device.device).map(DeviceRecord::view);
        let wait = update.wait_of(device, seen.as_ref(), now);
        let ended = || match (device.detail.as_str(), device.panel.as_str()) {
            (detail, "") => detail.to_owned(),
            (detail, panel) => format!("{detail}; its panel showed: {panel}"),
        };
        FirmwareDeviceStatus {
            device: device.device.clone(),
            state: DeviceStep::from(&device.state),
            waiting_for: wait.as_ref().map(|wait| wait.reason),
            detail: wait.map_or_else(ended, |wait| wait.text()),
        }
    };
    FirmwareStatus {
        rollout: update.order.rollout,
        target: update.order.target.clone(),
        version: update.order.version.clone(),
        not_before: update.order.not_before,
        image: ImageState::from(&update.image),
        image_detail: update.staging(),
        devices: update.devices.iter().map(one).collect(),
    }
}
