//! The local port: `/status` as JSON and the page for people, from what the engine shows when it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::routing::get;
use axum::{Json, Router};
use gateway_core::commands::CommandRecord;
use gateway_core::firmware::{Image, Update};

use super::firmware::view;
use gateway_core::inventory::DeviceRecord;
use gateway_core::outbox::LaneState;
use jiff::Timestamp;
use runtime::local::Health;
use tokio::sync::{mpsc, watch};
use wire::report::Lanes;

use super::engine::{Engine, Event, Known, World, is_online};
use crate::local_page;
use crate::spool::Spool;
use crate::status::{
    CommandStatus, DeviceStatus, FirmwareDeviceStatus, FirmwareStatus, LaneStatus, OpenCallStatus,
    SpoolStatus, Status, SupplyStatus,
};
use crate::uplink::Link;

/// Commands that are shown.
const COMMANDS_SHOWN: usize = 50;

/// An engine that waits for the disk doesn't answer: then what it showed last is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the engine shows to the local port: made only when somebody looks, as it costs with many devices.
#[derive(Debug)]
pub(super) struct Board {
    gateway: String,
    site: Option<String>,
    began: Instant,
    spool: Spool,
    link: Arc<Link>,
    certificate: Arc<crate::renewal::Shown>,
    mails_waiting: Arc<AtomicU64>,
    events: mpsc::UnboundedSender<Event>,
    asked: AtomicBool,
    shown: watch::Sender<Arc<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    devices: Vec<DeviceStatus>,
    open_calls: Vec<OpenCallStatus>,
    commands: Vec<CommandStatus>,
    firmware: Vec<FirmwareStatus>,
}

impl Shown {
    fn of(known: &Known) -> Self {
        let now = Timestamp::now();
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

impl Board {
    pub(super) fn new(world: &World, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            gateway: world.config.gateway.to_string(),
            site: world.config.site_name().map(str::to_owned),
            began: Instant::now(),
            spool: world.spool.clone(),
            link: Arc::clone(&world.link),
            certificate: Arc::clone(&world.certificate),
            mails_waiting: Arc::clone(&world.mails_waiting),
            events,
            asked: AtomicBool::new(false),
            shown: watch::Sender::default(),
        }
    }

    /// Shows what the gateway knows now, if somebody asked since.
    pub(super) fn publish(&self, known: &Known) {
        if !self.asked.swap(false, Ordering::AcqRel) {
            return;
        }
        self.shown.send_replace(Arc::new(Shown::of(known)));
    }

    /// How the gateway is, from what it knows.
    pub(super) fn status_of(&self, known: &Known) -> Status {
        self.status_with(&Shown::of(known))
    }

    /// How the gateway is; asks the engine what it knows.
    async fn status(&self) -> Status {
        let shown = self.ask().await;
        self.status_with(&shown)
    }

    fn status_with(&self, shown: &Shown) -> Status {
        let spool = self.spool.snapshot();
        Status {
            gateway: self.gateway.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.site.clone(),
            at: Timestamp::now(),
            uptime_s: self.began.elapsed().as_secs(),
            link: self.link.status(),
            certificate: self.certificate.status(),
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
            mails_waiting: self.mails_waiting.load(Ordering::Relaxed),
        }
    }

    async fn ask(&self) -> Arc<Shown> {
        let mut shown = self.shown.subscribe();
        self.asked.store(true, Ordering::Release);
        Engine::tell(&self.events, Event::Asked);
        if tokio::time::timeout(PATIENCE, shown.changed()).await.is_err() {
            tracing::debug!("the engine is busy: what it showed last is shown");
        }
        Arc::clone(&shown.borrow())
    }
}

/// `/status` and the page.
pub(super) fn router(board: Arc<Board>) -> Router {
    let asked = move || {
        let board = Arc::clone(&board);
        async move { board.status().await }
    };
    let page = asked.clone();
    Router::new().route("/status", get(async move || Json(asked().await))).merge(local_page::router(page))
}

/// The gateway is well while its spool stores; a server that is away is not its illness.
pub(super) fn health(board: &Arc<Board>) -> Health {
    let board = Arc::clone(board);
    Health::new(move || {
        let problem = board.spool.snapshot().problem;
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
        online: is_online(record),
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
        state: record.state.name().to_owned(),
        detail: record.detail.clone(),
        received_at: record.received_at,
        waits_for: record.waits_for.len(),
    }
}

fn firmware(update: &Update, known: &Known, now: Timestamp) -> FirmwareStatus {
    let image = match &update.image {
        Image::Wanted { .. } | Image::Staging { .. } => "staging",
        Image::Staged { .. } => "staged",
        Image::Failed { .. } => "failed",
    };
    let one = |device: &gateway_core::firmware::DeviceUpdate| {
        let seen = known.devices.get(&device.device).map(view);
        let wait = update.wait_of(device, seen.as_ref(), now);
        let ended = || match (device.detail.as_str(), device.panel.as_str()) {
            (detail, "") => detail.to_owned(),
            (detail, panel) => format!("{detail}; its panel showed: {panel}"),
        };
        FirmwareDeviceStatus {
            device: device.device.clone(),
            state: device.state.name().to_owned(),
            waiting_for: wait.as_ref().map(|wait| wait.reason),
            detail: wait.map_or_else(ended, |wait| wait.text()),
        }
    };
    FirmwareStatus {
        rollout: update.order.rollout,
        target: update.order.target.clone(),
        version: update.order.version.clone(),
        not_before: update.order.not_before,
        image: image.to_owned(),
        image_detail: update.staging(),
        devices: update.devices.iter().map(one).collect(),
    }
}
