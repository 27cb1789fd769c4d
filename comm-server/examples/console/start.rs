//! A console on a store of its own, at one address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result};
use comm_server_core::cadence::Cadence;
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use platen_comm_server::Services;
use platen_comm_server::operators::{self, OperatorState};
use platen_comm_server::store::Store;
use runtime::identity::LiveIdentity;
use runtime::listener::{ClientAuth, ListenerAuth};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A console that listens but isn't served yet.
pub(crate) struct Console {
    pub(crate) address: SocketAddr,
    /// The one-time password of `admin`.
    pub(crate) one_time: String,
    listener: TcpListener,
    auth: ListenerAuth,
    state: OperatorState,
}

impl Console {
    /// A console on the database at `url`, which has no users, with a certificate made in `dir`.
    pub(crate) async fn listen(dir: &Path, url: &str, address: &str) -> Result<Self> {
        let services = Services::new(&Store::open_detached(url).await?, Cadence::default(), None)?;
        let one_time = services.users.first_login().await?.context("a new store has no users")?;
        let auth = ListenerAuth::new("operators", &LiveIdentity::fixed(identity(dir)?), ClientAuth::None)?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, one_time, listener, auth, state: OperatorState::new(services) })
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, shutdown: CancellationToken) {
        operators::serve(self.listener, self.auth, self.state, shutdown).await;
    }
}

fn identity(dir: &Path) -> Result<Identity> {
    let (domain, now) = ("example.test".parse()?, Timestamp::now());
    let authority = Authority::init(&dir.join("pki"), &domain, &Passphrase::InsecureNone, now)?;
    let request = Request {
        profile: PartyKind::CommServer,
        name: "comm-1".to_owned(),
        dns: vec!["localhost".to_owned()],
        ips: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
    };
    let out = dir.join("identity");
    authority.issue(&request, now)?.write(&out)?;
    let config = IdentityConfig {
        certificate: out.join("cert.pem"),
        key: out.join("key.pem"),
        root: out.join("root.pem"),
        crl: None,
    };
    Ok(Identity::load(&config)?)
}
