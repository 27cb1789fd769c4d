//! Bytes of what a gateway says to the communication server: handshake, meter report, service call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pki::spiffe::PartyKind;
use reqwest::Method;
use rustls_pki_types::ServerName;
use serde_json::json;
use tests::operator::Operator;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::until::until;
use tokio::net::TcpStream;

use crate::counting_proxy::CountingProxy;
use crate::figures::Figures;
use crate::sizes::float;

/// Prints the bytes of a handshake, of a meter report of 1 and of 100 devices, and of a service call.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let one = exchange(1).await?;
    let hundred = exchange(100).await?;
    let counted = "TCP payload, both directions";
    figures.print("full handshake, mutual, X25519MLKEM768", float(one.full_handshake), "bytes", counted);
    figures.print("resumed handshake", float(one.resumed_handshake), "bytes", counted);
    let parts = "one connection: handshake, poll, batch, response";
    figures.print("daily meter report, 1 device", float(one.meters), "bytes", parts);
    figures.print("daily meter report, 100 devices", float(hundred.meters), "bytes", parts);
    let further = (float(hundred.meters) - float(one.meters)) / 99.0;
    figures.print("  of which each further device", further, "bytes", "");
    let share = 100.0 * float(one.full_handshake) / float(one.meters);
    figures.print("  handshake's share, 1 device", share, "percent", "");
    let resumed = float(one.meters) - float(one.full_handshake) + float(one.resumed_handshake);
    figures.print("  1 device, were the session resumed", resumed, "bytes", "computed from the rows above");
    figures.print(
        "service call",
        float(one.service_call),
        "bytes",
        "the connections until the call is on the page",
    );
    Ok(())
}

/// Without a byte for so long, nothing is under way.
const QUIET: Duration = Duration::from_secs(12);

struct Exchange {
    full_handshake: u64,
    resumed_handshake: u64,
    meters: u64,
    service_call: u64,
}

async fn exchange(devices: u16) -> Result<Exchange> {
    let dir = tempfile::tempdir()?;
    let proxy = CountingProxy::start().await?;
    let spec =
        SiteSpec { devices, uplink_through: Some(proxy.address()), ..SiteSpec::new(dir.path().to_owned()) };
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    proxy.lead_to(site.address("comm.gateways")?);
    let (full_handshake, resumed_handshake) = handshakes(&site, &proxy).await?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    quiet(&operator, &proxy, devices).await?;
    let meters = meters(&operator, &proxy).await?;
    quiet(&operator, &proxy, devices).await?;
    let before = proxy.connections();
    lan.control(0, Method::POST, "faults/sc?code=SC542").await?;
    until("the service call", PATIENCE, || async {
        let calls = operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        Ok((!calls.is_empty()).then_some(()))
    })
    .await?;
    let service_call = proxy.bytes_since(before);
    tokio::task::spawn_blocking(move || site.stop()).await??;
    Ok(Exchange { full_handshake, resumed_handshake, meters, service_call })
}

/// Bytes of a full handshake, and of one that resumes it.
async fn handshakes(site: &Site, proxy: &CountingProxy) -> Result<(u64, u64)> {
    let dir = site.dir("gateway").join("identity");
    let config = pki::IdentityConfig {
        certificate: dir.join("cert.pem"),
        key: dir.join("key.pem"),
        root: dir.join("root.pem"),
        crl: None,
    };
    let identity = pki::Identity::load(&config)?;
    let client = Arc::new(pki::tls::client_config(&identity, PartyKind::CommServer)?);
    let mut bytes = [0; 2];
    for count in &mut bytes {
        let before = proxy.connections();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&client));
        let socket = TcpStream::connect(proxy.address()).await?;
        let mut stream = connector.connect(ServerName::try_from("127.0.0.1")?, socket).await?;
        // The session tickets come behind the handshake: an empty read takes them in.
        let mut nothing = [0; 1];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing);
        drop(tokio::time::timeout(Duration::from_millis(300), read).await);
        *count = proxy.bytes_since(before);
    }
    let [full, resumed] = bytes;
    Ok((full, resumed))
}

/// Waits until all devices are known and nothing more is said for a while.
async fn quiet(operator: &Operator, proxy: &CountingProxy, devices: u16) -> Result<()> {
    until("all devices in the fleet", PATIENCE * 3, || async {
        let fleet = operator.list("/api/v1/devices").await?;
        Ok((fleet.len() == usize::from(devices)).then_some(()))
    })
    .await?;
    until("the gateway to be quiet", PATIENCE * 3, || async {
        let before = proxy.bytes_since(0);
        tokio::time::sleep(QUIET).await;
        Ok((proxy.bytes_since(0) == before).then_some(()))
    })
    .await
}

async fn meters(operator: &Operator, proxy: &CountingProxy) -> Result<u64> {
    let before = proxy.connections();
    let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
    let command = operator.post("/api/v1/commands", &order).await?;
    let id = command["command"].as_str().context("a command without an id")?.to_owned();
    until("the counter request to be done", PATIENCE * 3, || async {
        let commands = operator.list(&format!("/api/v1/commands?gateway={GATEWAY}")).await?;
        Ok(commands.iter().any(|c| c["command"] == id.as_str() && c["state"] == "done").then_some(()))
    })
    .await?;
    Ok(proxy.bytes_since(before))
}
