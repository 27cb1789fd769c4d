//! Bytes that a gateway exchanges with the communication server: handshake, meter report, service call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pki::spiffe::PartyKind;
use reqwest::Method;
use rustls_pki_types::ServerName;
use serde_json::json;
use tests::operator::Operator;
use tests::site::{GATEWAY, Lan, PATIENCE, Site, SiteSpec};
use tests::until::until;
use tokio::net::TcpStream;

use crate::counting_proxy::{CountingProxy, Talk};
use crate::figures::Figures;
use crate::sizes::float;

/// Prints the bytes of a handshake, of a meter report of 1 and of 100 devices, and of a service call.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let one = exchange(1).await?;
    let hundred = exchange(100).await?;
    let counted = "TCP payload, both directions";
    figures.print("full handshake, mutual, X25519MLKEM768", float(one.full_handshake), "bytes", counted);
    figures.print("resumed handshake", float(one.resumed_handshake), "bytes", counted);
    for (session, handshake, meters, more, call) in [
        ("full handshake", one.full_handshake, one.meters_full, hundred.meters_full, one.service_call_full),
        ("session resumed", one.resumed_handshake, one.meters, hundred.meters, one.service_call),
    ] {
        let mut print = |what: &str, talk: Talk| {
            let note = format!("connections: {} in full, {} resumed", talk.full, talk.resumed);
            figures.print(&format!("{what}, {session}"), float(talk.bytes), "bytes", &note);
            let share = 100.0 * float(handshake) / float(talk.bytes);
            figures.print("  of which one handshake", share, "percent", "");
        };
        print("daily meter report, 1 device", meters);
        print("daily meter report, 100 devices", more);
        print("service call", call);
        let further = (float(more.bytes) - float(meters.bytes)) / 99.0;
        figures.print(&format!("each further device, {session}"), further, "bytes", "");
    }
    Ok(())
}

/// Without a byte for this long, no exchange is in progress.
const QUIET: Duration = Duration::from_secs(12);

struct Exchange {
    full_handshake: u64,
    resumed_handshake: u64,
    meters: Talk,
    meters_full: Talk,
    service_call: Talk,
    service_call_full: Talk,
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
    let meters = report_meters(&mut site, &operator, &proxy, Session::Resumed).await?;
    quiet(&operator, &proxy, devices).await?;
    let meters_full = report_meters(&mut site, &operator, &proxy, Session::Full).await?;
    quiet(&operator, &proxy, devices).await?;
    let service_call = raise_service_call(&mut site, &lan, &operator, &proxy, Session::Resumed).await?;
    lan.control(0, Method::DELETE, "faults/sc").await?;
    quiet(&operator, &proxy, devices).await?;
    let service_call_full = raise_service_call(&mut site, &lan, &operator, &proxy, Session::Full).await?;
    tokio::task::spawn_blocking(move || site.stop()).await??;
    Ok(Exchange { full_handshake, resumed_handshake, meters, meters_full, service_call, service_call_full })
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
        // The session tickets follow the handshake: an empty read processes them.
        let mut nothing = [0; 1];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing);
        drop(tokio::time::timeout(Duration::from_millis(300), read).await);
        *count = proxy.bytes_since(before);
    }
    let [full, resumed] = bytes;
    Ok((full, resumed))
}

/// Waits until all devices are known and nothing has been sent for a while.
async fn quiet(operator: &Operator, proxy: &CountingProxy, devices: u16) -> Result<()> {
    until("all devices in the fleet", PATIENCE * 3, || async {
        let fleet = operator.list("/api/v1/devices").await?;
        Ok((fleet.len() == usize::from(devices)).then_some(()))
    })
    .await?;
    silence(proxy).await
}

async fn silence(proxy: &CountingProxy) -> Result<()> {
    until("the gateway to be quiet", PATIENCE * 3, || async {
        let before = proxy.bytes_since(0);
        tokio::time::sleep(QUIET).await;
        Ok((proxy.bytes_since(0) == before).then_some(()))
    })
    .await
}

/// How the gateway's first connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// The gateway keeps running and has a ticket.
    Resumed,
    /// The gateway is restarted: tickets are kept in memory only.
    Full,
}

impl Session {
    /// Runs `between`, with the gateway stopped if its session must be new; returns the number of earlier
    /// connections.
    async fn begin<T>(
        self,
        site: &mut Site,
        proxy: &CountingProxy,
        between: impl Future<Output = Result<T>>,
    ) -> Result<(usize, T)> {
        if self == Self::Full {
            let gateway = site.gateway.take().context("the gateway isn't started")?;
            tokio::task::spawn_blocking(move || gateway.stop()).await??;
        }
        let before = proxy.connections();
        let done = between.await?;
        if self == Self::Full {
            site.start_gateway()?;
        }
        Ok((before, done))
    }
}

/// Requests the meters; returns the bytes from the poll that delivers the command to the final response.
async fn report_meters(
    site: &mut Site,
    operator: &Operator,
    proxy: &CountingProxy,
    session: Session,
) -> Result<Talk> {
    let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
    let (before, command) =
        session.begin(site, proxy, async { operator.post("/api/v1/commands", &order).await }).await?;
    let id = command["command"].as_str().context("a command without an id")?.to_owned();
    until("the counter request to be done", PATIENCE * 3, || async {
        let commands = operator.list(&format!("/api/v1/commands?gateway={GATEWAY}")).await?;
        Ok(commands.iter().any(|c| c["command"] == id.as_str() && c["state"] == "done").then_some(()))
    })
    .await?;
    silence(proxy).await?;
    Ok(proxy.talk_since(before))
}

/// Raises a service call: the bytes until it is on the page.
async fn raise_service_call(
    site: &mut Site,
    lan: &Lan,
    operator: &Operator,
    proxy: &CountingProxy,
    session: Session,
) -> Result<Talk> {
    let fault = async { lan.control(0, Method::POST, "faults/sc?code=SC542").await };
    let (before, ()) = session.begin(site, proxy, fault).await?;
    until("the service call", PATIENCE * 3, || async {
        let calls = operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        Ok((!calls.is_empty()).then_some(()))
    })
    .await?;
    Ok(proxy.talk_since(before))
}
