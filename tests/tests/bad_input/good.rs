//! A valid client that opens new connections continuously.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use reqwest::Client;
use tests::site::Site;
use tokio::task::JoinHandle;

/// A client with the gateway's certificate for one kind of server. It keeps no connection open and resumes no
/// session.
fn client(site: &Site, of: &str) -> Result<Client> {
    let dir = site.dir("gateway").join("identity");
    let file = |name: &str| dir.join(name);
    let identity = Identity::load(&IdentityConfig {
        certificate: file("cert.pem"),
        key: file("key.pem"),
        root: file("root.pem"),
        crl: None,
    })?;
    let kind = if of.starts_with("global") { PartyKind::GlobalServer } else { PartyKind::CommServer };
    let mut tls = pki::tls::client_config(&identity, kind)?;
    tls.resumption = rustls::client::Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let builder = Client::builder().tls_backend_preconfigured(tls).http1_only().no_proxy();
    Ok(builder.pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build()?)
}

/// Whether a listener serves the gateway: any HTTP response counts.
pub(crate) async fn is_served(site: &Site, of: &str) -> Result<bool> {
    let address = site.address(of)?;
    Ok(client(site, of)?.get(format!("https://{address}/")).send().await.is_ok())
}

/// Clients that send requests until they are stopped.
pub(crate) struct Others {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<(u32, Duration)>>>,
}

impl Others {
    pub(crate) fn start(site: &Site) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for of in ["comm.gateways", "comm.enrollment", "comm.operators", "global.listen"] {
            tasks.push(tokio::spawn(go_on(client(site, of)?, site.address(of)?, Arc::clone(&stop))));
        }
        Ok(Self { stop, tasks })
    }

    /// Stops them; returns how many requests were served, all of them successfully, and the longest latency.
    pub(crate) async fn stop(self) -> Result<(u32, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        let (mut least, mut slowest) = (u32::MAX, Duration::ZERO);
        for task in self.tasks {
            let (served, took) = task.await??;
            least = least.min(served);
            slowest = slowest.max(took);
        }
        Ok((least, slowest))
    }
}

async fn go_on(client: Client, address: SocketAddr, stop: Arc<AtomicBool>) -> Result<(u32, Duration)> {
    let (mut served, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.get(format!("https://{address}/")).send().await.context("another client")?;
        ensure!(answer.status().as_u16() < 500, "another client: {}", answer.status());
        slowest = slowest.max(began.elapsed());
        served += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok((served, slowest))
}
