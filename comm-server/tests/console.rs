//! The console with made-up data in Chromium: what a person does with a page while it refreshes, and what a plot shows.

#[path = "../examples/console/fleet.rs"]
mod fleet;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use platen_comm_server::operators::{self, OperatorState};
use platen_comm_server::store::Store;
use platen_comm_server::store::testing::Database;
use runtime::identity::LiveIdentity;
use runtime::listener::{ClientAuth, ListenerAuth};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A device that was read eight times within a minute.
const MINUTE: &str = "
    INSERT INTO devices (tenant, gateway, device, vendor, model, serial, first_seen_ms)
     VALUES ('default', 'gw-berlin-1', 'ricoh:MINUTE', 'ricoh', 'RICOH IM C3000', 'MINUTE', 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
    INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit)
     SELECT 'default', 'gw-berlin-1', 'ricoh:MINUTE', 'total', 1796000000000 + i * 6000, 500 + i, '1.3', 500 + i, 'impressions'
      FROM n";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_a_page_while_it_refreshes() -> Result<()> {
    let Some(modules) = std::env::var_os("PLATEN_NODE_MODULES").map(PathBuf::from).filter(|p| p.is_dir())
    else {
        eprintln!("skipped: PLATEN_NODE_MODULES names no folder with playwright-core; ./test installs it");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = Store::open_detached(&url).await?;
    fleet::store(&url, 0, Timestamp::now()).await?;
    let database = Database::connect(&url).await?;
    database.execute(MINUTE).await?;
    database.close().await;
    let password = operators::first_login(&store).await?.context("a new store has no users")?;
    let live = LiveIdentity::fixed(identity(dir.path())?);
    let auth = ListenerAuth::new("operators", &live, ClientAuth::None)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let serving =
        tokio::spawn(operators::serve(listener, auth, OperatorState::new(store, None)?, shutdown.clone()));

    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let config = json!({"console": format!("https://{address}"), "user": "admin", "password": password,
        "modules": modules, "screenshots": screenshots});
    let file = dir.path().join("console.json");
    std::fs::write(&file, config.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/console.mjs");
    let output =
        tokio::process::Command::new("node").arg(script).arg(&file).output().await.context("no node")?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    shutdown.cancel();
    serving.await?;
    Ok(())
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
