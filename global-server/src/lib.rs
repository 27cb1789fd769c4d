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
use jiff::Timestamp;
use pki::spiffe::PartyKind;
use runtime::descriptors;
use runtime::identity::LiveIdentity;
use runtime::listener::{self, ClientAuth, Limits, ListenerAuth};
use runtime::local::{self, Health};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use repository::{Due, Lifetimes, Repository, RepositoryError, Verified};

/// How often it is checked whether the timestamp and the snapshot must be signed again.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// How many of these checks are between two warnings.
const WARN_EVERY: u32 = 60;

/// What must be valid before any port is opened.
///
/// # Errors
/// The identity or the repository can't be used.
pub(crate) fn prepare(config: &Config) -> Result<(Arc<LiveIdentity>, Repository)> {
    let identity =
        LiveIdentity::load(&config.identity, config.tolerance).context("the identity can't be used")?;
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
        .with_context(|| format!("{}: can't be created", config.data_dir.display()))?;
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
    local.await?.context("the local port failed")
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address}: can't listen on this address"))
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

/// Signs the timestamp and the snapshot again before they expire, and warns in time of what people must sign.
async fn watch(repository: Repository, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(REFRESH_EVERY);
    let mut rounds = 0_u32;
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let refreshing = repository.clone();
        let refreshed = tokio::task::spawn_blocking(move || refresh(&refreshing));
        let mut whys: Vec<String> = match refreshed.await {
            Ok(Ok(whys)) => whys,
            Ok(Err(error)) => vec![format!("{:#}", anyhow::Error::new(error))],
            Err(error) => vec![error.to_string()],
        };
        if let Err(why) = verify(repository.clone(), measure).await {
            whys.push(why);
        }
        if rounds.is_multiple_of(WARN_EVERY) {
            for why in whys {
                tracing::warn!(why, "the repository's metadata needs attention");
            }
        }
        rounds = rounds.wrapping_add(1);
    }
}

/// Signs what is due, and returns what can't be signed here.
fn refresh(repository: &Repository) -> Result<Vec<String>, RepositoryError> {
    let outcome = repository.refresh(Due::Later, Lifetimes::default(), Timestamp::now())?;
    for signed in &outcome.installed {
        tracing::info!(role = signed.role, version = signed.version, "signed");
    }
    let refreshed = outcome.missing.iter().filter(|missing| missing.file.is_none());
    Ok(refreshed
        .map(|missing| format!("the key of the {} is not here: run `refresh` where it is", missing.role))
        .collect())
}

fn measure(verified: &Verified) -> Result<(), String> {
    let now = Timestamp::now();
    let left = verified.first_expiry().duration_since(now);
    metrics::gauge!("platen_global_metadata_expires_seconds").set(left.as_secs_f64());
    metrics::gauge!("platen_global_metadata_version").set(exact(verified.targets.version.get()));
    let expiring = verified.expiring(now);
    if expiring.is_empty() {
        return Ok(());
    }
    let texts = expiring.iter().map(|(role, expires)| format!("{role} expires at {expires}"));
    Err(format!("{}: run `platen-global-server resign`", texts.collect::<Vec<_>>().join(", ")))
}

/// A version as a gauge shows it; versions stay far below 2^32.
fn exact(version: u64) -> f64 {
    u32::try_from(version).map_or(f64::INFINITY, f64::from)
}
