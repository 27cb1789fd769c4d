//! Runs the gateway: opens what is needed, restores the state from the spool, and runs the engine until the program
//! ends.
//!
//! The order is always: persist, then acknowledge, then send.

mod clock;
mod engine;
mod input;
mod local;
mod mailing;
mod notices;
mod records;
mod schedule;
mod services;
mod waiting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use gateway_core::mail_queue::{MailQueue, QueuedMail};
use gateway_core::reading::profiles::Profiles;
use gateway_core::site::{Event, Site, SiteRules, State};
use runtime::local::{Health, Host};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Checked, CommServerConfig, Config};
use crate::profile_files;
use crate::renewal::{Renewal, Shown};
use crate::snmp::{Candidates, Reader};
use crate::spool::{Restored, Spool, SpoolError, SpoolSettings};
use crate::traps::{Gate, Receiver, TrapsError};
use crate::uplink::{CommServer, SetupError, Uplink, UplinkEvent, UplinkHandle};

use clock::Clock;
use engine::Engine;
use input::{Input, send};
use local::{Sources, StatusSnapshot};
use mailing::MailSender;
use services::Services;

/// How long the shutdown waits for tasks in progress.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Why the gateway can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The data directory can't be used.
    #[error("data_dir {path}: can't be used")]
    DataDir {
        /// The directory.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The local port can't be opened.
    #[error("local.listen {address}: can't be opened")]
    Local {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The spool can't be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The local port can't be opened while the gateway waits for disk space.
    #[error("the local port can't be opened while the gateway waits for disk space")]
    Waiting(#[source] std::io::Error),
    /// The client of the communication server can't be created.
    #[error(transparent)]
    Uplink(#[from] SetupError),
    /// The SNMP socket can't be opened.
    #[error(transparent)]
    Snmp(#[from] crate::snmp::TransportError),
    /// A vendor profile is invalid.
    #[error(transparent)]
    Profiles(#[from] profile_files::ProfilesError),
    /// Traps can't be received.
    #[error(transparent)]
    Traps(#[from] TrapsError),
    /// The schedule can't be started.
    #[error("the schedule can't be started")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// Runs the gateway until `shutdown`, then stores what is in progress and closes the spool.
///
/// # Errors
/// Something that is needed can't be opened.
pub(crate) async fn run(
    config: Config,
    checked: Checked,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let Some(Begun { listener, listens, spool, restored }) = begin(&config, &shutdown).await? else {
        return Ok(());
    };
    let clock = Clock::begin();
    let profiles = Arc::new(profile_files::load(None)?);
    let gate = Gate::default();
    let traps = open_traps(&config, &checked.credentials, gate.clone()).await?;

    let handle = Arc::new(UplinkHandle::default());
    let (uplink, delivered) = connect(&config, &checked, &spool, &handle)?;
    let tasks = TaskTracker::new();
    let config = Arc::new(config);
    let sources = Sources {
        spool: spool.clone(),
        uplink: Arc::clone(&handle),
        certificate: keep_certificate(&config, &checked, &tasks, &shutdown),
        mails_waiting: Arc::default(),
    };
    let mails = send_mails(&config, &checked, (&sources, clock), restored.mails.clone(), &tasks, &shutdown);
    let (inputs, received) = mpsc::unbounded_channel();
    let snapshot = Arc::new(StatusSnapshot::new(sources, &config, inputs.clone(), clock));
    let reader = Reader::new(Arc::clone(&profiles)).await?;
    let services = Services {
        config: Arc::clone(&config),
        spool: spool.clone(),
        uplink: Arc::clone(&handle),
        reader,
        credentials: checked.credentials,
        own_credentials: BTreeMap::new(),
        staging: checked.staging.map(Arc::new),
        mails,
        snapshot: Arc::clone(&snapshot),
        inputs: inputs.clone(),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    let rules = config.site_rules(checked.time_zone, services.mails.is_some());
    let site = restore(rules, profiles, restored, &services, clock);
    let engine = Engine {
        site,
        services,
        spool: spool.clone(),
        uplink: handle,
        gate: config.traps.is_some().then_some(gate),
        snapshot: Arc::clone(&snapshot),
        inputs: received,
        clock,
        shutdown: shutdown.clone(),
    };
    let schedule = schedule::begin(&config, inputs.clone()).await?;
    tasks.spawn(uplink.run(shutdown.clone()));
    let mut addresses = BTreeMap::from([("local", listens)]);
    let (page, health) = (local::router(Arc::clone(&snapshot)), local::health(&snapshot));
    tasks.spawn(serve_local(listener, config.local.hosts.clone(), health, page, shutdown.clone()));
    if let Some(traps) = traps {
        addresses.insert("traps", traps.address());
        tasks.spawn(traps.run(shutdown.clone(), trap_input(inputs)));
    }
    write_addresses(&config.data_dir, &addresses)?;
    tracing::info!(gateway.id = %config.gateway, local = %listens, "gateway started");

    engine.run(delivered).await;
    schedule::end(schedule).await;
    drain(&tasks).await;
    spool.close().await?;
    tracing::info!("gateway stopped");
    Ok(())
}

/// The uplink to the communication server, and its events.
fn connect(
    config: &Config,
    checked: &Checked,
    spool: &Spool,
    handle: &Arc<UplinkHandle>,
) -> Result<(Uplink, mpsc::UnboundedReceiver<UplinkEvent>), SetupError> {
    let CommServerConfig { url, proxy, .. } = &config.comm_server;
    let server = CommServer::new(url, proxy.as_deref(), Arc::clone(&checked.identity))?;
    let (deliveries, delivered) = mpsc::unbounded_channel();
    let speedup = config.demonstration.speedup;
    Ok((Uplink::new(server, spool.clone(), Arc::clone(handle), deliveries, url, speedup), delivered))
}

/// Waits for the tasks in progress.
async fn drain(tasks: &TaskTracker) {
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end before the shutdown deadline");
    }
}

/// The local port and the spool.
struct Begun {
    listener: TcpListener,
    listens: SocketAddr,
    spool: Spool,
    restored: Restored,
}

/// Opens the local port, then the spool; `None` if the program ends before there is room for it.
async fn begin(config: &Config, shutdown: &CancellationToken) -> Result<Option<Begun>, RunError> {
    let data_dir = config.data_dir.clone();
    std::fs::create_dir_all(&data_dir)
        .map_err(|source| RunError::DataDir { path: data_dir.display().to_string(), source })?;
    let address = config.local.listen;
    let local = |source| RunError::Local { address, source };
    let listener = TcpListener::bind(address).await.map_err(local)?;
    let listens = listener.local_addr().map_err(local)?;
    // Metrics must be installed before the first one is recorded.
    runtime::local::install_metrics();
    let settings = SpoolSettings { data_dir, limit_bytes: config.spool.limit_mib << 20 };
    let listener = listener.into_std().map_err(local)?;
    let Some((spool, restored)) =
        waiting::open_spool(settings, (&listener, &config.local.hosts), shutdown).await?
    else {
        return Ok(None);
    };
    let listener = TcpListener::from_std(listener).map_err(local)?;
    Ok(Some(Begun { listener, listens, spool, restored }))
}

/// Writes the addresses on which the gateway listens to a file.
fn write_addresses(data_dir: &Path, addresses: &BTreeMap<&str, SocketAddr>) -> Result<(), RunError> {
    match runtime::addresses::write(data_dir, addresses) {
        Ok(()) => Ok(()),
        // The file is only needed for ports that were not configured.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            tracing::warn!(error = %error, "the file with the local address can't be written");
            Ok(())
        }
        Err(source) => Err(RunError::DataDir { path: data_dir.display().to_string(), source }),
    }
}

/// Starts the renewal of the certificate, and watches its files. Returns the certificate's status.
fn keep_certificate(
    config: &Arc<Config>,
    checked: &Checked,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Arc<Shown> {
    let shown = Arc::new(Shown::default());
    let renewal = Renewal {
        live: Arc::clone(&checked.identity),
        config: Arc::clone(config),
        mailer: checked.mailer.clone(),
        shown: Arc::clone(&shown),
    };
    tasks.spawn(Arc::clone(&checked.identity).watch_files(shutdown.clone()));
    tasks.spawn(renewal.run(shutdown.clone()));
    shown
}

/// The site with the state from the spool.
fn restore(
    rules: SiteRules,
    profiles: Arc<Profiles>,
    restored: Restored,
    services: &Services,
    clock: Clock,
) -> Site {
    let Restored { devices, commands, updates, schedule, mails: _, damage } = restored;
    for record in devices.values() {
        if let Some(access) = record.access.clone().filter(|_| rules.holds(record.address)) {
            services.reader.remember(record.address, access);
        }
    }
    if !damage.is_empty() {
        send(&services.inputs, Input::Site(Event::SequenceMismatch));
    }
    let state = State { devices, commands, updates, schedule };
    Site::new(rules, profiles, state, clock.now(), rand::random())
}

/// Starts sending mails if mail is configured. Returns the queue's input.
fn send_mails(
    config: &Arc<Config>,
    checked: &Checked,
    (sources, clock): (&Sources, Clock),
    waiting: BTreeMap<uuid::Uuid, QueuedMail>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Option<mpsc::UnboundedSender<QueuedMail>> {
    let mailer = checked.mailer.clone()?;
    let (mails, queued) = mpsc::unbounded_channel();
    let sender = MailSender {
        queue: MailQueue::new(waiting.into_values()),
        mailer,
        spool: sources.spool.clone(),
        config: Arc::clone(config),
        zone: checked.time_zone.clone(),
        clock,
        waiting: Arc::clone(&sources.mails_waiting),
    };
    tasks.spawn(sender.run(queued, shutdown.clone()));
    Some(mails)
}

/// Passes traps to the engine.
fn trap_input(
    inputs: mpsc::UnboundedSender<Input>,
) -> impl FnMut(std::net::IpAddr, std::time::Duration) + Send + use<> {
    move |ip, after| send(&inputs, Input::Site(Event::TrapReceived(ip, after)))
}

/// Opens the port for traps if one is configured, and warns about weak credentials.
async fn open_traps(
    config: &Config,
    credentials: &Candidates,
    gate: Gate,
) -> Result<Option<Receiver>, TrapsError> {
    for weakness in credentials.weaknesses() {
        tracing::warn!("{weakness}");
    }
    let Some(traps) = &config.traps else { return Ok(None) };
    Receiver::open(traps, credentials, &config.data_dir, gate).await.map(Some)
}

async fn serve_local(
    listener: TcpListener,
    hosts: Vec<Host>,
    health: Health,
    extra: axum::Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = runtime::local::serve(listener, hosts, health, extra, shutdown).await {
        tracing::error!(error = %error, "the local port stopped");
    }
}
