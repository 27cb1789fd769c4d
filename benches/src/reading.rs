//! CPU, requests and memory of a gateway that reads many virtual devices.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

use crate::figures::Figures;
use crate::process;

/// How long the gateway is watched at its alert cadence.
const WATCH: Duration = Duration::from_secs(60);

/// Prints the cost of finding and reading the devices, and then of watching them each minute.
pub(crate) async fn measure(devices: u16, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spec = SiteSpec { devices, speedup: 1, ..SiteSpec::new(dir.path().to_owned()) };
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    site.start_lan()?;
    site.start_gateway()?;
    let pid = site.gateway.as_ref().context("the gateway isn't started")?.id();
    let status = format!("http://{}/status", site.address("gateway.local")?);
    let known = until("all devices to be read", PATIENCE * 5, || async {
        let known = status_of(&status).await?;
        Ok((count(&known) >= u64::from(devices)).then_some(known))
    })
    .await?;
    let cpu = process::cpu_s(pid)?;
    let each = f64::from(devices);
    figures.print("devices found and read", each, "devices", "virtual devices, whole readings");
    let first = readings(&known).next().and_then(|r| r["address"].as_str()).context("no address")?;
    let read = tests::program::run("platen-gateway", &["read", first, "--json"])?;
    let reading: Value = serde_json::from_slice(&read.stdout).context("a reading")?;
    let requests = reading["requests"].as_f64().context("no requests")?;
    figures.print("requests of one whole reading", requests, "requests", "");
    figures.print(
        "CPU for each device found and read",
        1000.0 * cpu / each,
        "ms",
        "sweep, spool and reports included",
    );
    tokio::time::sleep(WATCH).await;
    let watched = process::cpu_s(pid)? - cpu;
    figures.print(
        "CPU share at a status each minute",
        100.0 * watched / WATCH.as_secs_f64(),
        "percent",
        "of one core",
    );
    let (now, highest) = process::memory_mib(pid)?;
    figures.print("memory of the gateway, resident", now, "MiB", "");
    figures.print("memory of the gateway, highest", highest, "MiB", "");
    tokio::task::spawn_blocking(move || site.stop()).await?
}

async fn status_of(url: &str) -> Result<Value> {
    let text = tests::operator::plain_client()?.get(url).send().await?.error_for_status()?.text().await?;
    serde_json::from_str(&text).context("status")
}

fn readings(status: &Value) -> impl Iterator<Item = &Value> {
    status["devices"].as_array().into_iter().flatten()
}

fn count(status: &Value) -> u64 {
    u64::try_from(readings(status).count()).unwrap_or(0)
}
