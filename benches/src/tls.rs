//! The cost of TLS in our listener, compared with nginx and a bare rustls server with the same certificates
//! and the same group, in the same run: CPU of the server's process alone, as counted by the kernel.

mod client;
mod enrollment;
mod extra;
mod servers;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use rustls::ClientConfig;
use serde_json::json;
use tests::site::{Site, SiteSpec};
use tests::trust;

use crate::figures::Figures;
use crate::process;
use client::Kind;

/// Connections that are kept open to measure the memory of one, and their gateways.
const IDLE: u32 = 1_500;
const IDLE_GATEWAYS: u32 = 100;

/// Rounds, in which the servers take turns, so that a slow minute of the machine affects all of them.
const ROUNDS: u32 = 4;

/// A server that is measured.
struct Measured {
    name: &'static str,
    pid: u32,
    address: std::net::SocketAddr,
    full_cpu_s: f64,
    resumed_cpu_s: f64,
}

/// Prints figures of handshakes, checks, enrollments and memory.
pub(crate) async fn measure(handshakes: u32, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    let tls = tls(&site, "gateway")?;
    let pid = site.comm_server.as_ref().context("it runs")?.id();
    let measured = |name, pid, address| Measured { name, pid, address, full_cpu_s: 0.0, resumed_cpu_s: 0.0 };
    let bare = servers::Server::bare(&site, dir.path()).await?;
    let mut all = vec![
        measured("Platen's listener", pid, site.address("comm.gateways")?),
        measured("a bare rustls server", bare.id(), bare.address),
    ];
    let nginx = servers::Server::nginx(&site, dir.path()).await?;
    match &nginx {
        Some(nginx) => all.push(measured("nginx", nginx.id(), nginx.address)),
        None => figures.skip("nginx"),
    }
    for server in &all {
        client::drive(server.address, &tls, Kind::Full, 50).await.context(server.name)?;
    }
    let each = handshakes / ROUNDS;
    for _ in 0..ROUNDS {
        for server in &mut all {
            for (kind, sum) in
                [(Kind::Full, &mut server.full_cpu_s), (Kind::Resumed, &mut server.resumed_cpu_s)]
            {
                let before = process::cpu_s(server.pid)?;
                client::drive(server.address, &tls, kind, each).await.context(server.name)?;
                *sum += process::cpu_s(server.pid)? - before;
            }
        }
    }
    print(&all, f64::from(each * ROUNDS), figures);
    let own_us = 1e6 * all[0].full_cpu_s / f64::from(each * ROUNDS);
    extra::measure(&site, own_us, figures)?;
    memory(&site, &all[0], figures).await?;
    enrollment::measure(&site, pid, figures).await?;
    drop((bare, nginx));
    site.stop()
}

fn print(all: &[Measured], handshakes: f64, figures: &mut Figures) {
    let rate = |cpu_s: f64| handshakes / cpu_s;
    for server in all {
        let name = server.name;
        figures.print(
            &format!("full mutual handshakes, {name}"),
            rate(server.full_cpu_s),
            "each CPU s",
            "X25519, ECDSA P-256",
        );
        figures.print(&format!("resumed handshakes, {name}"), rate(server.resumed_cpu_s), "each CPU s", "");
    }
    let Some((own, peers)) = all.split_first() else { return };
    for peer in peers {
        let name = peer.name;
        let hundredth = |ratio: f64| 100.0 * ratio;
        figures.print(
            &format!("  Platen's of {name}'s, full"),
            hundredth(peer.full_cpu_s / own.full_cpu_s),
            "percent",
            "",
        );
        figures.print(
            &format!("  Platen's of {name}'s, resumed"),
            hundredth(peer.resumed_cpu_s / own.resumed_cpu_s),
            "percent",
            "",
        );
    }
}

async fn memory(site: &Site, server: &Measured, figures: &mut Figures) -> Result<()> {
    let mut gateways = Vec::new();
    for number in 0..IDLE_GATEWAYS {
        let name = format!("gw-idle-{number}");
        site.issue("gateway", &name, &site.dir(&name))?;
        gateways.push(tls(site, &name)?);
    }
    let before = process::memory(server.pid)?.resident;
    let began = Instant::now();
    let mut open = Vec::new();
    for tls in gateways.iter().cycle().zip(0..IDLE).map(|(tls, _)| tls) {
        open.push(client::connect(server.address, tls).await?);
    }
    let took = began.elapsed().as_secs_f64();
    let each = 1024.0 * (process::memory(server.pid)?.resident - before) / f64::from(IDLE);
    figures.print("memory of an idle connection", each, "KiB", &format!("{IDLE} opened in {took:.1} s"));
    Ok(())
}

fn site(dir: &Path) -> Result<Site> {
    let mut spec = SiteSpec { log: "error".to_owned(), ..SiteSpec::new(dir.to_owned()) };
    spec.comm_server = json!({
        "enrollment": trust::enrollment(dir), "identity": trust::identity_with_lists(dir, "comm-server"),
    });
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    trust::bring_authority(&site)?;
    trust::publish(&site)?;
    site.start_comm_server()?;
    Ok(site)
}

/// The gateway's side, with the one group that all three support.
fn tls(site: &Site, gateway: &str) -> Result<Arc<ClientConfig>> {
    let dir = site.dir(gateway).join("identity");
    let file = |name: &str| dir.join(name);
    let (certificate, key, root) = (file("cert.pem"), file("key.pem"), file("root.pem"));
    let identity = Identity::load(&IdentityConfig { certificate, key, root, crl: None })?;
    client::config(&identity, PartyKind::CommServer)
}
