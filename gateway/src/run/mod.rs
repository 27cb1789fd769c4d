//! Running: opens what is needed, restores what the spool remembers, and lets the engine decide until the program ends.
//!
//! In this order always: persist, then answer, then send.

mod commands;
mod engine;
mod firmware;
mod local;
mod looks;
mod mailing;
mod readings;
mod schedule;
mod searches;
mod targets;
mod waiting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use runtime::local::Health;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Checked, Config};
use crate::profile_files;
use crate::renewal::{Renewal, Shown};
use crate::snmp::{Candidates, Reader};
use crate::spool::{Restored, Spool, SpoolError, SpoolSettings};
use crate::traps::{Gate, Receiver, TrapsError};
use crate::uplink::{CommServer, Link, Uplink, UplinkError};

use engine::{Engine, Event, World};

/// Why the gateway can't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory can't be used.
    #[error("data_dir {path}: can't be used")]
    DataDir {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The local port can't be opened.
    #[error("local.listen {address}: can't be opened")]
    Local {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The spool can't be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The local port can't tell that the gateway waits.
    #[error("the local port can't tell that the gateway waits for room on its disk")]
    Waiting(#[source] std::io::Error),
    /// The client of the communication server can't be made.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    /// The SNMP socket can't be opened.
    #[error(transparent)]
    Snmp(#[from] crate::snmp::TransportError),
    /// A vendor profile can't be used.
    #[error(transparent)]
    Profiles(#[from] profile_files::ProfilesError),
    /// Traps can't be received.
    #[error(transparent)]
    Traps(#[from] TrapsError),
    /// The schedule can't be begun.
    #[error("the schedule can't be begun")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// Runs the gateway until `shutdown`; then what is under way is stored and the spool is closed.
///
/// # Errors
/// Something that is needed can't be opened.
pub async fn run(config: Config, checked: Checked, shutdown: CancellationToken) -> Result<(), RunError> {
    let Some(Begun { listener, listens, spool, restored }) = begin(&config, &shutdown).await? else {
        return Ok(());
    };
    let comm_server = &config.comm_server;
    let server =
        CommServer::new(&comm_server.url, comm_server.proxy.as_deref(), Arc::clone(&checked.identity))?;
    let reader = Reader::new(Arc::new(profile_files::load(None)?)).await?;
    let gate = Gate::default();
    let traps = open_traps(&config, &checked.credentials, gate.clone()).await?;

    let link = Arc::new(Link::default());
    let (deliveries, delivered) = mpsc::unbounded_channel();
    let speedup = config.demonstration.speedup;
    let uplink = Uplink::new(server, spool.clone(), Arc::clone(&link), deliveries, &comm_server.url, speedup);

    let tasks = TaskTracker::new();
    let config = Arc::new(config);
    let certificate = keep_certificate(&config, &checked, &tasks, &shutdown);
    let (mails, queued) = mpsc::unbounded_channel();
    let mails_waiting = Arc::new(AtomicU64::new(0));
    let world = World {
        config: Arc::clone(&config),
        spool: spool.clone(),
        link,
        certificate: Arc::clone(&certificate),
        reader,
        credentials: checked.credentials,
        gate,
        staging: checked.staging.map(Arc::new),
        mails: checked.mailer.is_some().then_some(mails),
        mails_waiting: Arc::clone(&mails_waiting),
        zone: checked.time_zone.clone(),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    let waiting = restored.mails.values().cloned().collect();
    let (engine, board) = Engine::new(world, restored);
    if let Some(mailer) = checked.mailer {
        let (spool, config, zone) = (spool.clone(), Arc::clone(&config), checked.time_zone);
        let post = mailing::Post { mailer, spool, config, zone, count: mails_waiting };
        tasks.spawn(post.run(waiting, queued, shutdown.clone()));
    }
    let schedule = schedule::begin(&config, engine.events()).await?;
    tasks.spawn(uplink.run(shutdown.clone()));
    let (page, health) = (local::router(Arc::clone(&board)), local::health(&board));
    tasks.spawn(serve_local(listener, health, page, shutdown.clone()));
    let mut addresses = BTreeMap::from([("local", listens)]);
    if let Some(traps) = traps {
        addresses.insert("traps", traps.address());
        tasks.spawn(traps.run(shutdown.clone(), hint(&engine)));
    }
    write_addresses(&config.data_dir, &addresses)?;
    tracing::info!(gateway.id = %config.gateway, local = %listens, "the gateway runs");

    engine.run(delivered).await;
    schedule::end(schedule).await;
    tasks.close();
    if tokio::time::timeout(std::time::Duration::from_secs(10), tasks.wait()).await.is_err() {
        tracing::warn!("some work did not end while draining");
    }
    spool.close().await?;
    tracing::info!("the gateway has ended");
    Ok(())
}

/// The local port, and the spool.
struct Begun {
    listener: TcpListener,
    listens: SocketAddr,
    spool: Spool,
    restored: Restored,
}

/// Opens the local port, then the spool; `None` when the program ends before there is room for it.
async fn begin(config: &Config, shutdown: &CancellationToken) -> Result<Option<Begun>, RunError> {
    let data_dir = config.data_dir.clone();
    std::fs::create_dir_all(&data_dir)
        .map_err(|source| RunError::DataDir { path: data_dir.display().to_string(), source })?;
    let address = config.local.listen;
    let local = |source| RunError::Local { address, source };
    let listener = TcpListener::bind(address).await.map_err(local)?;
    let listens = listener.local_addr().map_err(local)?;
    // Metrics are counted from here on.
    runtime::local::install_metrics();
    let settings = SpoolSettings { data_dir, limit_bytes: config.spool.limit_mib << 20 };
    let listener = listener.into_std().map_err(local)?;
    let Some((spool, restored)) = waiting::open_spool(settings, &listener, shutdown).await? else {
        return Ok(None);
    };
    let listener = TcpListener::from_std(listener).map_err(local)?;
    Ok(Some(Begun { listener, listens, spool, restored }))
}

/// Writes down where the gateway listens.
fn write_addresses(data_dir: &Path, addresses: &BTreeMap<&str, SocketAddr>) -> Result<(), RunError> {
    match runtime::addresses::write(data_dir, addresses) {
        Ok(()) => Ok(()),
        // Whoever configured a port knows it without the file.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            tracing::warn!(error = %error, "no room to write where the gateway listens");
            Ok(())
        }
        Err(source) => Err(RunError::DataDir { path: data_dir.display().to_string(), source }),
    }
}

/// Renews the certificate when its time comes and takes in what changed of it on the disk; what is shown of that.
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

/// Tells the engine that a trap came.
fn hint(engine: &Engine) -> impl FnMut(std::net::IpAddr, std::time::Duration) + Send + use<> {
    let events = engine.events();
    move |ip, after| Engine::tell(&events, Event::Hinted(ip, after))
}

/// Opens the port for traps where one is configured, and warns of credentials that are weak.
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
    health: Health,
    extra: axum::Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = runtime::local::serve(listener, health, extra, shutdown).await {
        tracing::error!(error = %error, "the local port ended");
    }
}
