//! Many gateways at once, by the load generator: slow clients displace nobody, and gateways that all
//! reconnect at once are served.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::program;
use tests::site::{Site, SiteSpec};

/// Gateways, each with a certificate of its own.
const GATEWAYS: u64 = 12;

fn load(site: &Site, more: &[&str]) -> Result<Value> {
    let (server, identities) =
        (site.address("comm.gateways")?.to_string(), site.dir("gateways").display().to_string());
    let arguments = [&[&*server, "--identities", &identities, "--json"], more].concat();
    Ok(serde_json::from_slice(&program::run("platen-load", &arguments)?.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_take_nobodys_place_and_a_reconnect_drains() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = Site::new(SiteSpec::new(dir.path().to_owned()))?;
    site.make_trust_domain()?;
    let ca = site.dir("pki").display().to_string();
    for number in 0..GATEWAYS {
        let (name, out) = (format!("gw-{number}"), site.dir("gateways").join(number.to_string()));
        let out = out.display().to_string();
        program::run(
            "platen-pki",
            &["issue", "--dir", &ca, "--profile", "gateway", "--name", &name, "--out", &out],
        )?;
    }
    site.start_comm_server()?;

    let among = load(
        &site,
        &["--seconds", "5", "--at-once", "4", "--slow", "240", "--batch", "5", "--reporting", "50"],
    )?;
    ensure!(among["failed"] == 0 && among["refused"] == 0, "{among}");
    ensure!(among["answered"].as_u64() >= Some(GATEWAYS), "{among}");
    let reported = among["reports"].as_u64().unwrap_or_default();
    ensure!(reported > 0, "{among}");

    let back = load(&site, &["--scenario", "reconnect", "--seconds", "60", "--batch", "5"])?;
    ensure!(back["served"] == GATEWAYS && back["reports"] == 5 * GATEWAYS, "{back}");

    let operator = site.first_log_in().await?;
    let gateways = operator.list("/api/v1/gateways").await?;
    let polled = gateways.iter().filter(|gateway| !gateway["last_poll_at"].is_null()).count();
    ensure!(polled as u64 == GATEWAYS, "{gateways:?}");
    ensure!(operator.list("/api/v1/quarantine").await?.is_empty(), "a load's reports were quarantined");
    site.stop()
}
