//! Runs the server: store, listeners, jobs, and an orderly shutdown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pki::spiffe::PartyKind;
use runtime::descriptors::{self, TooFew};
use runtime::identity::LiveIdentity;
use runtime::listener::{ClientAuth, Limits, ListenerAuth};
use runtime::local::Health;
use runtime::output::OutputReader;
use runtime::public_certificate::{CertificateError, PublicCertificate};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateways::est::{CannotIssue, Enrollment};
use crate::gateways::{self, GatewayState};
use crate::operators::{self, OperatorState};
use crate::schedule;
use crate::services::{FirstLoginError, HashError, Images, ImagesError, Services, Users};
use crate::store::{Store, StoreError};

/// Why the server can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The data directory can't be used.
    #[error("data_dir {} can't be used", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The store can't be opened.
    #[error("the store can't be opened")]
    Store(#[from] StoreError),
    /// The identity can't be used.
    #[error("the identity can't be used")]
    Identity(#[from] pki::IdentityError),
    /// The operators' certificate can't be used.
    #[error("operators.certificate can't be used")]
    Certificate(#[from] CertificateError),
    /// TLS can't be configured.
    #[error("TLS can't be configured")]
    Tls(#[from] pki::tls::TlsError),
    /// The limit of open files is too low.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// Certificates for gateways can't be issued.
    #[error("the enrollment of gateways can't be set up")]
    Enrollment(#[from] CannotIssue),
    /// A port can't be opened.
    #[error("{what} can't listen on {address}")]
    Listen {
        /// Key of the configuration.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The operators' listener can't be set up.
    #[error("the operators' listener can't be set up")]
    Operators(#[from] HashError),
    /// The list of published images can't be read.
    #[error("the published images can't be listed")]
    Images(#[from] ImagesError),
    /// The first login can't be created.
    #[error("the first login can't be created")]
    FirstLogin(#[from] FirstLoginError),
    /// The scheduler can't be started.
    #[error("the scheduler can't be started")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// Descriptors for the database (readers, writer and replica, three files each with SQLite), requests for the list of
/// images, and the authority's files.
const DESCRIPTORS: usize = 128;

struct Listeners {
    gateways: TcpListener,
    operators: TcpListener,
    local: TcpListener,
    enrollment: Option<TcpListener>,
}

/// Client authentication and limits of each listener.
struct ListenerRules {
    gateways: ListenerAuth,
    operators: ListenerAuth,
    enrollment: ListenerAuth,
}

impl ListenerRules {
    fn new(
        identity: &LiveIdentity,
        config: &Config,
        public: Option<&Arc<PublicCertificate>>,
    ) -> Result<Self, RunError> {
        const GATEWAYS: &[PartyKind] = &[PartyKind::Gateway];
        let enrollment = usize::from(config.enrollment.is_some());
        let shares = descriptors::share(descriptors::raise(), DESCRIPTORS, [4, 2, enrollment])?;
        let [gateways, operators, enrollment] =
            shares.map(|connections| Limits { connections, deadlines: config.deadlines });
        tracing::debug!(?gateways, ?operators, ?enrollment, "limits of the listeners");
        Ok(Self {
            gateways: ListenerAuth::new("gateways", identity, ClientAuth::Required(GATEWAYS))?
                .with_limits(gateways),
            operators: match public {
                Some(certificate) => ListenerAuth::public("operators", identity, Arc::clone(certificate))?,
                None => ListenerAuth::new("operators", identity, ClientAuth::None)?,
            }
            .with_limits(operators),
            // libest compares header names by case.
            enrollment: ListenerAuth::new("enrollment", identity, ClientAuth::Optional(GATEWAYS))?
                .with_title_case()
                .with_limits(enrollment),
        })
    }
}

/// Runs the server until `shutdown`.
///
/// # Errors
/// The server can't start.
pub(crate) async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    runtime::local::install_metrics();
    let identity = LiveIdentity::load(&config.identity, config.tolerance)?;
    let data_dir = |source| RunError::DataDir { path: config.data_dir.clone(), source };
    std::fs::create_dir_all(&config.data_dir).map_err(data_dir)?;
    let (mut store, writer) = Store::open(&config.database_url()).await?;
    if let Some(replica) = &config.database_replica {
        let behind = std::time::Duration::from_secs(config.database_replica_behind_s.into());
        store = store.with_replica(replica, behind)?;
    }
    let public = config.operators.files().map(|files| PublicCertificate::load(&files)).transpose()?;
    let rules = ListenerRules::new(&identity, &config, public.as_ref())?;
    let images = config.global_server.as_ref().map(|global| Images::new(Arc::clone(&identity), &global.url));
    let leaked_hashes = config.passwords.leaked_hashes.clone();
    let users = Users::with_leaked_hashes(&store, leaked_hashes)?;
    let services = Services::with_users(&store, config.cadence, images.transpose()?, users);
    let enrollment = config.enrollment.as_ref();
    let enrollment =
        enrollment.map(|it| Enrollment::new(store.clone(), config.cadence, &it.authority, &identity.now()));
    let enrollment = enrollment.transpose()?;
    let (listeners, addresses) = listen(&config).await?;
    print_first_login(&services.users).await?;
    let mut scheduler = schedule::start(&store, config.retention).await?;
    runtime::addresses::write(&config.data_dir, &addresses).map_err(data_dir)?;
    tracing::info!(name = config.name, ?addresses, "listening");

    let health = health(&store);
    let state = GatewayState::new(store.clone(), config.cadence);
    let renewal = enrollment.as_ref().map(Enrollment::renewal);
    let end = || shutdown.clone();
    let (_, _, _, _, _, local) = tokio::join!(
        gateways::serve(listeners.gateways, rules.gateways, state, renewal, end()),
        operators::serve(listeners.operators, rules.operators, OperatorState::new(services), end()),
        gateways::est::serve(listeners.enrollment.zip(enrollment), rules.enrollment, end()),
        identity.watch_files(end()),
        watch_files(public, end()),
        runtime::local::serve(listeners.local, config.local.hosts, health, axum::Router::new(), end()),
    );
    if let Err(error) = local {
        tracing::error!(error = %error, "the local port failed");
    }
    if let Err(error) = scheduler.shutdown().await {
        tracing::warn!(error = %error, "the scheduler did not shut down cleanly");
    }
    store.close();
    if tokio::time::timeout(std::time::Duration::from_secs(10), writer).await.is_err() {
        tracing::warn!("the store's writer did not finish within 10 s");
    }
    Ok(())
}

async fn watch_files(certificate: Option<Arc<PublicCertificate>>, shutdown: CancellationToken) {
    if let Some(certificate) = certificate {
        certificate.watch_files(shutdown).await;
    }
}

async fn listen(config: &Config) -> Result<(Listeners, BTreeMap<&'static str, SocketAddr>), RunError> {
    let mut addresses = BTreeMap::new();
    let mut bound = BTreeMap::new();
    let enrollment = config.enrollment.as_ref().map(|enrollment| ("enrollment", enrollment.listen));
    let always = [
        ("gateways", config.gateways.listen),
        ("operators", config.operators.listen),
        ("local", config.local.listen),
    ];
    for (what, address) in always.into_iter().chain(enrollment) {
        let refused = |source| RunError::Listen { what, address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        addresses.insert(what, listener.local_addr().map_err(refused)?);
        bound.insert(what, listener);
    }
    let mut take = |what| bound.remove(what).expect("it was bound above");
    let (gateways, operators, local) = (take("gateways"), take("operators"), take("local"));
    Ok((Listeners { gateways, operators, local, enrollment: bound.remove("enrollment") }, addresses))
}

/// Prints the first one-time password, to standard output only.
async fn print_first_login(users: &Users) -> Result<(), RunError> {
    if let Some(one_time) = users.first_login().await? {
        match runtime::output::line(&format!("first login: admin {one_time}")) {
            Ok(OutputReader::Present) => {}
            Ok(OutputReader::Gone) | Err(_) => tracing::warn!(
                "the first one-time password can't be printed: make another one with `platen-comm-server password reset admin`"
            ),
        }
    }
    Ok(())
}

/// The server is healthy if its database reads and commits. A replica that isn't used is only noted.
fn health(store: &Store) -> Health {
    let store = store.clone();
    Health::with_note(move || {
        let store = store.clone();
        async move {
            store.check().await.map_err(|error| error.to_string())?;
            Ok(store.replica_unread().map(|why| format!("the replica is not used: {why}")))
        }
    })
}
