//! CPU, requests and memory of a gateway that reads many virtual devices.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

use crate::figures::Figures;
use crate::process::{self, Memory};

/// Devices of a small site, to measure what the gateway needs regardless of their number.
const FEW: u16 = 50;

/// Prints the cost of finding and reading the devices, and then of watching them for this many minutes.
pub(crate) async fn measure(devices: u16, watch: Duration, figures: &mut Figures) -> Result<()> {
    let few = if devices > FEW { Some(resident_with_few().await?) } else { None };
    let dir = tempfile::tempdir()?;
    let mut site = started(devices, dir.path())?;
    let pid = site.gateway.as_ref().context("the gateway isn't started")?.id();
    let known = whole_round(&site, devices).await?;
    let cpu = process::cpu_s(pid)?;
    let each = f64::from(devices);
    figures.print("devices found and read", each, "devices", "virtual devices, whole readings");
    let first = readings(&known).next().and_then(|r| r["address"].as_str()).context("no address")?;
    let read = tests::program::run("platen-gateway", &["read", first, "--json"])?;
    let reading: Value = serde_json::from_slice(&read.stdout).context("a reading")?;
    let requests = reading["requests"].as_f64().context("no requests")?;
    figures.print("requests of one whole reading", requests, "requests", "");
    let note = "sweep, spool and reports included";
    figures.print("CPU for each device found and read", 1000.0 * cpu / each, "ms", note);
    let round = memory(pid, "after the first round", figures)?;
    if let Some(few) = few {
        let grows = 1024.0 * (round - few) / (each - f64::from(FEW));
        figures.print(
            "  of which each device",
            grows,
            "KiB",
            &format!("beside a gateway with {FEW} devices"),
        );
    }
    let (cpu, begun) = (process::cpu_s(pid)?, std::time::Instant::now());
    tokio::time::sleep(watch).await;
    let share = 100.0 * (process::cpu_s(pid)? - cpu) / begun.elapsed().as_secs_f64();
    figures.print("CPU share at a status each minute", share, "percent", "of one core");
    let minutes = watch.as_secs_f64() / 60.0;
    memory(pid, &format!("after {minutes:.0} minutes more"), figures)?;
    tokio::task::spawn_blocking(move || site.stop()).await?
}

/// A site whose gateway has begun to search.
fn started(devices: u16, dir: &std::path::Path) -> Result<Site> {
    let mut site = Site::new(SiteSpec { devices, speedup: 1, ..SiteSpec::new(dir.to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    site.start_lan()?;
    site.start_gateway()?;
    Ok(site)
}

async fn resident_with_few() -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let mut site = started(FEW, dir.path())?;
    let pid = site.gateway.as_ref().context("the gateway isn't started")?.id();
    whole_round(&site, FEW).await?;
    let resident = process::memory(pid)?.resident;
    tokio::task::spawn_blocking(move || site.stop()).await??;
    Ok(resident)
}

/// Waits until every device has a full reading and the first of them are reported, which may take half a
/// minute.
async fn whole_round(site: &Site, devices: u16) -> Result<Value> {
    let status = format!("http://{}/status", site.address("gateway.local")?);
    until("all devices to be read, and a report", PATIENCE * 5, || async {
        let known = status_of(&status).await?;
        let reported = known["lanes"]["bulk"]["acknowledged"].as_u64() > Some(0);
        Ok((count(&known) >= u64::from(devices) && reported).then_some(known))
    })
    .await
}

fn memory(pid: u32, when: &str, figures: &mut Figures) -> Result<f64> {
    let Memory { resident, own, highest } = process::memory(pid)?;
    let note = format!("{own:.1} its own, the rest pages of the program's file; highest so far {highest:.1}");
    figures.print(&format!("memory {when}, resident"), resident, "MiB", &note);
    Ok(resident)
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
