//! The console with an example fleet, to look at its pages: `cargo run -p platen-comm-server --example console`.
//!
//! `-- LISTEN DEVICES` names the address and how many more devices there are, each 80 behind a gateway of their own.
//! Everything lives in a temporary folder that is gone afterwards.

mod fleet;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use platen_comm_server::operators::{self, OperatorState};
use platen_comm_server::store::Store;
use runtime::identity::LiveIdentity;
use runtime::listener::{ClientAuth, ListenerAuth};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = Store::open_detached(&url).await?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let more = arguments.get(1).map(|text| text.parse()).transpose().context("DEVICES is no number")?;
    fleet::store(&url, more.unwrap_or(0), Timestamp::now()).await?;
    let one_time = operators::first_login(&store).await?.context("a new store has no users")?;
    let live = LiveIdentity::fixed(identity(dir.path())?);
    let auth = ListenerAuth::new("operators", &live, ClientAuth::None)?;
    let listener = TcpListener::bind(arguments.first().map_or("127.0.0.1:0", String::as_str)).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "console: https://{}\nfirst login: admin {one_time}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let shutdown = runtime::shutdown::on_signal();
    let state = OperatorState::new(store, None)?;
    operators::serve(listener, auth, state, shutdown).await;
    Ok(())
}

fn identity(dir: &Path) -> anyhow::Result<Identity> {
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
