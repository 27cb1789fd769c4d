//! The global server: a firmware repository with signed metadata, and its delivery to gateways.
//!
//! Trust comes from the signatures, not from this server: a gateway rejects what the repository's keys did not sign.

pub mod commands;
mod config;
pub mod repository;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use pki::spiffe::PartyKind;
use runtime::descriptors;
use runtime::identity::LiveIdentity;
use runtime::listener::{self, ClientAuth, Limits, ListenerAuth};
use runtime::local::{self, Health};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use repository::{Repository, Verified};

/// How often the metadata's expiry is checked.
const WATCH_EVERY: Duration = Duration::from_secs(600);

/// Before the expiry, the log warns for this long.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What must be valid before any port is opened.
///
/// # Errors
/// The identity or the repository can't be used.
pub(crate) fn prepare(config: &Config) -> Result<(Arc<LiveIdentity>, Repository)> {
    let identity = LiveIdentity::load(&config.identity, config.tolerance).context("identity")?;
    let own = identity.now();
    let certified = own.id().party.name();
    ensure!(certified == config.name, "name is {:?}, but the certificate names {certified:?}", config.name);
    let repository = Repository::open(&config.repository)?;
    Ok((identity, repository))
}

/// Serves until `shutdown`.
///
/// # Errors
/// The configuration can't be used, or a port can't be opened.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<()> {
    let (identity, repository) = prepare(&config)?;
    local::install_metrics();
    // A download has its file open, and a file is opened before it is known whether it is sent.
    let [connections] = descriptors::share(descriptors::raise(), server::MAX_DOWNLOADS, [1])?;
    let auth = ListenerAuth::new(
        "listen",
        &identity,
        ClientAuth::Required(&[PartyKind::Gateway, PartyKind::CommServer]),
    )?
    .with_limits(Limits { connections, deadlines: config.deadlines });
    let public = bind(config.listen).await?;
    let own = bind(config.local.listen).await?;
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("{}: can't be made", config.data_dir.display()))?;
    let addresses = BTreeMap::from([("listen", public.local_addr()?), ("local", own.local_addr()?)]);
    runtime::addresses::write(&config.data_dir, &addresses)
        .with_context(|| format!("{}: can't be written", config.data_dir.display()))?;
    tracing::info!(listen = %addresses["listen"], local = %addresses["local"], "the global server listens");

    let watched = repository.clone();
    let health = Health::new(move || verify(watched.clone(), |_| Ok(())));
    let watch = tokio::spawn(watch(repository.clone(), shutdown.clone()));
    let hosts = config.local.hosts.clone();
    let local = tokio::spawn(local::serve(own, hosts, health, axum::Router::new(), shutdown.clone()));
    let current = tokio::spawn(identity.watch_files(shutdown.clone()));
    listener::serve(public, auth, server::router(repository), shutdown).await;
    watch.await?;
    current.await?;
    local.await?.context("the local port")
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address}: can't be listened at"))
}

/// Reads and verifies the metadata as a gateway would; the error says why it isn't trusted.
async fn verify(
    repository: Repository,
    look: impl FnOnce(&Verified) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let verified = tokio::task::spawn_blocking(move || repository.verified(Timestamp::now()));
    match verified.await {
        Ok(Ok(verified)) => look(&verified),
        Ok(Err(error)) => Err(format!("{:#}", anyhow::Error::new(error))),
        Err(error) => Err(error.to_string()),
    }
}

/// Warns in time that the metadata must be signed again.
async fn watch(repository: Repository, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let looked = verify(repository.clone(), |verified| {
            let left = verified.expires_in(Timestamp::now());
            metrics::gauge!("platen_global_metadata_expires_seconds").set(left.as_secs_f64());
            metrics::gauge!("platen_global_metadata_version").set(exact(verified.targets.version));
            if left < WARN_BEFORE {
                return Err(format!(
                    "expires in {} hours: run `platen-global-server resign`",
                    left.as_hours()
                ));
            }
            Ok(())
        });
        if let Err(why) = looked.await {
            tracing::warn!(why, "the repository's metadata needs attention");
        }
    }
}

/// A version as a gauge shows it; versions stay far below 2^32.
fn exact(version: u64) -> f64 {
    u32::try_from(version).map_or(f64::INFINITY, f64::from)
}
