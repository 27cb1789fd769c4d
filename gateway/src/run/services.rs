//! Performs effects: each is a task that returns its result as an input.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::firmware::{PushFailure, Reach};
use gateway_core::mail_queue::QueuedMail;
use gateway_core::reading::{CompletedReading, ReadScope};
use gateway_core::search::{Sweep, judge_announced};
use gateway_core::site::{
    Effect, Event, Moment, PushOrder, ReadFailure, ReadRequest, SearchEnd, SearchRequest, StagingFailure,
    State,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::command::FirmwareUpdate;
use wire::ids::CommandId;
use wire::reading::Reading;

use super::input::{Input, send};
use super::local::StatusSnapshot;
use crate::config::Config;
use crate::discovery::{self, Found, Search, announcements};
use crate::push::{self, PushError, PushLimits};
use crate::snmp::{Candidates, ReadError, Reader, Target};
use crate::spool::Spool;
use crate::staging::{self, StagingClient};
use crate::uplink::UplinkHandle;

/// Why firmware can't be staged or pushed without `global_server`.
const NO_GLOBAL_SERVER: &str = "this gateway is configured without a global server";

/// What effects need.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) config: Arc<Config>,
    pub(super) spool: Spool,
    pub(super) uplink: Arc<UplinkHandle>,
    pub(super) reader: Reader,
    pub(super) credentials: Candidates,
    /// Credentials of single devices, by their resolved address.
    pub(super) own_credentials: BTreeMap<SocketAddr, Candidates>,
    pub(super) staging: Option<Arc<StagingClient>>,
    pub(super) mails: Option<mpsc::UnboundedSender<QueuedMail>>,
    pub(super) snapshot: Arc<StatusSnapshot>,
    pub(super) inputs: mpsc::UnboundedSender<Input>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

impl Services {
    /// Starts an effect; never waits.
    pub(super) fn perform(&self, effect: Effect, state: &State, now: Moment) {
        match effect {
            Effect::Read(request) => self.read(request),
            Effect::Search(request) => self.search(request, now),
            Effect::ResolveNames => self.resolve_names(),
            Effect::SendUrgent => self.uplink.urgent_made(),
            Effect::SendReading => self.uplink.reading_made(),
            Effect::CommandDone => self.uplink.command_done(),
            Effect::Respond(id) => {
                let response = state.commands.get(&id).and_then(|record| record.unsent.clone());
                if let Some(response) = response {
                    self.uplink.respond(id, response);
                }
            }
            Effect::Diagnose(id) => self.diagnose(id, state, now),
            Effect::Mail(mail) => {
                if let Some(mails) = &self.mails
                    && mails.send(*mail).is_err()
                {
                    tracing::debug!("shutting down: a mail stays in the spool");
                }
            }
            Effect::Stage(order) => self.stage(*order, now),
            Effect::Push(order) => self.push(*order, now),
            Effect::RetainImages(keep) => self.retain_images(&keep),
            Effect::CompactSpool => self.compact_spool(),
        }
    }

    /// Sets the credentials of the device at an address; `None` for the common ones.
    pub(super) fn use_credentials(&mut self, address: SocketAddr, own: Option<Candidates>) {
        match own {
            Some(own) => self.own_credentials.insert(address, own),
            None => self.own_credentials.remove(&address),
        };
    }

    /// The event for a read that ended.
    pub(super) fn read_completed(
        &self,
        address: SocketAddr,
        scope: ReadScope,
        result: Result<Box<CompletedReading>, ReadError>,
    ) -> Event {
        metrics::counter!("platen_gateway_reads_total").increment(1);
        let access = self.reader.access(address);
        let result = result.map_err(|error| {
            metrics::counter!("platen_gateway_read_failures_total").increment(1);
            if error.is_silence() {
                ReadFailure::NoResponse
            } else {
                ReadFailure::Unreadable(error.to_string())
            }
        });
        Event::ReadCompleted { address, scope, access, result }
    }

    /// The event for a device that a search found.
    pub(super) fn found(&self, address: SocketAddr, reading: Box<Reading>) -> Event {
        Event::Found { address, access: self.reader.access(address), reading }
    }

    fn read(&self, request: ReadRequest) {
        let ReadRequest { address, scope, retries } = request;
        let credentials = self.own_credentials.get(&address).unwrap_or(&self.credentials).clone();
        let timeout = Duration::from_millis(self.config.sensing.timeout_ms.into());
        let target = Target { address, credentials, timeout, retries };
        let (reader, inputs) = (self.reader.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let result = reader.read_completed(&target, scope).await.map(Box::new);
            send(&inputs, Input::Read(address, scope, result));
        });
    }

    fn search(&self, request: SearchRequest, now: Moment) {
        let SearchRequest { skip, until } = request;
        let began = Instant::now();
        let left = until.map(|until| Duration::try_from(until.duration_since(now.clock)).unwrap_or_default());
        let closes = left.map(|left| began + left);
        let config = Arc::clone(&self.config);
        let credentials = self.credentials.clone();
        let mut search = Search { sweep: config.sweep(), announced: Vec::new(), credentials, skip };
        let (reader, inputs, shutdown) = (self.reader.clone(), self.inputs.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let (mut found, mut covered) = (0, skip);
            let mut on_address = |at: Found| {
                covered += 1;
                if let Found::Device(address, reading) = at {
                    found += 1;
                    send(&inputs, Input::Found(address, reading));
                }
            };
            if config.discovery.mdns {
                search.announced = announced(&search.sweep).await;
            }
            let cut = tokio::select! {
                () = discovery::discover(&reader, &search, config.search_pace(), &mut on_address) => false,
                () = tokio::time::sleep_until(closes.unwrap_or(began)), if closes.is_some() => true,
                () = shutdown.cancelled() => return,
            };
            let end = SearchEnd { found, cut_after: cut.then_some(covered) };
            send(&inputs, Input::SearchEnded(end, began.elapsed()));
        });
    }

    /// Resolves the devices that are configured by a DNS name.
    fn resolve_names(&self) {
        for named in self.config.named_devices() {
            let inputs = self.inputs.clone();
            self.tasks.spawn(async move {
                let addresses = tokio::net::lookup_host((named.host.as_str(), named.port)).await;
                match addresses.map(|mut addresses| addresses.next()) {
                    Ok(None) => {}
                    Ok(Some(address)) => send(&inputs, Input::Resolved(Box::new(named), address)),
                    Err(error) => {
                        metrics::counter!("platen_gateway_name_failures_total").increment(1);
                        tracing::warn!(name = named.host, error = %error, "the name of a device can't be resolved");
                    }
                }
            });
        }
    }

    fn diagnose(&self, id: CommandId, state: &State, now: Moment) {
        let status = serde_json::to_value(self.snapshot.status_of(state, now));
        let status =
            status.inspect_err(|error| tracing::error!(error = %error, "the status can't be encoded"));
        send(&self.inputs, Input::Site(Event::Diagnosed(id, status.ok())));
    }

    fn images(&self) -> PathBuf {
        self.config.data_dir.join("images")
    }

    fn stage(&self, order: FirmwareUpdate, now: Moment) {
        let (client, dir, inputs) = (self.staging.clone(), self.images(), self.inputs.clone());
        let (shutdown, rollout) = (self.shutdown.clone(), order.rollout);
        self.tasks.spawn(async move {
            let Some(client) = client else {
                let why = NO_GLOBAL_SERVER.to_owned();
                let failure = StagingFailure { why, retry: false };
                return send(&inputs, Input::Site(Event::Staged(rollout, Err(failure))));
            };
            let mut shown = 0;
            let progress_to = inputs.clone();
            let progress = move |here: u64, all: u64| {
                tracing::trace!(%rollout, here, all, "staging");
                let percent = here.saturating_mul(100).checked_div(all).unwrap_or(0);
                if percent > shown {
                    shown = percent;
                    send(&progress_to, Input::Site(Event::StagingProgress(rollout, here, all)));
                }
            };
            let staged = tokio::select! {
                staged = staging::stage(&client, &order, &dir, now.clock, progress) => staged,
                () = shutdown.cancelled() => return,
            };
            let staged = staged.map_err(|error| StagingFailure {
                why: runtime::error::chain(&error),
                retry: !error.is_final(),
            });
            send(&inputs, Input::Site(Event::Staged(rollout, staged)));
        });
    }

    fn push(&self, push: PushOrder, now: Moment) {
        let (client, dir, inputs) = (self.staging.clone(), self.images(), self.inputs.clone());
        self.tasks.spawn(async move {
            let PushOrder { order, device, address, sha256, transport } = push;
            let path = staging::image_file(&dir, &sha256);
            let rollout = order.rollout;
            if let Err(failure) = confirm(client.as_deref(), &order, &sha256, &dir, now).await {
                return send(&inputs, Input::Site(Event::PushEnded(rollout, device, Err(failure))));
            }
            let progress = |sent: u64, all: u64| tracing::trace!(sent, all, "pushing");
            let pushed = push::push(&transport, address.ip(), &path, &PushLimits::default(), progress).await;
            let pushed = pushed.map(|pushed| {
                tracing::info!(%rollout, device = %device, bytes = pushed.bytes, closed = pushed.closed, "firmware image pushed");
            });
            let failure = |error: PushError| PushFailure {
                why: runtime::error::chain(&error),
                reach: error.reach(),
            };
            send(&inputs, Input::Site(Event::PushEnded(rollout, device, pushed.map_err(failure))));
        });
    }

    fn retain_images(&self, keep: &BTreeSet<String>) {
        let dir = self.images();
        if !dir.is_dir() {
            return;
        }
        match staging::retain(&dir, keep) {
            Ok(freed) => tracing::debug!(freed, "unused images were removed"),
            Err(error) => tracing::warn!(error = %error, "unused images can't be removed"),
        }
    }

    fn compact_spool(&self) {
        let spool = self.spool.clone();
        self.tasks.spawn(async move {
            if let Err(error) = spool.upkeep().await {
                tracing::warn!(error = %error, "spool maintenance failed");
            }
        });
    }
}

/// Confirms that a staged image is still published. Nothing is pushed without it: an image is withdrawn because it harms
/// devices.
async fn confirm(
    client: Option<&StagingClient>,
    order: &FirmwareUpdate,
    sha256: &str,
    images: &Path,
    now: Moment,
) -> Result<(), PushFailure> {
    let Some(client) = client else {
        let why = NO_GLOBAL_SERVER.to_owned();
        return Err(PushFailure { why, reach: Reach::Unconfirmed });
    };
    staging::confirm(client, order, sha256, images, now.clock).await.map_err(|error| PushFailure {
        why: runtime::error::chain(&error),
        reach: if error.is_withdrawal() { Reach::Withdrawn } else { Reach::Unconfirmed },
    })
}

/// Addresses of a configured network that announce themselves by mDNS.
async fn announced(sweep: &Sweep) -> Vec<SocketAddr> {
    let heard = match announcements::listen(announcements::LISTEN).await {
        Ok(heard) => heard,
        Err(error) => {
            tracing::warn!(error = %error, "mDNS announcements can't be received");
            return Vec::new();
        }
    };
    let decided = judge_announced(sweep, &heard);
    let passed_over = u64::try_from(decided.passed_over.len()).unwrap_or(u64::MAX);
    metrics::counter!("platen_gateway_announcements_passed_over_total").increment(passed_over);
    if passed_over > 0 {
        tracing::info!(passed_over, "devices outside of the configured networks announce themselves");
    }
    decided.ask.into_iter().map(|(_, address)| address).collect()
}
