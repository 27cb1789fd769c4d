//! A call shows the device as it is at the time of the call, not as it was at the last poll.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

/// The percentage that the console shows for a supply.
fn percent(device: &Value, color: &str) -> Option<f64> {
    let supplies = device["reading"]["supplies"].as_array()?;
    supplies.iter().find(|supply| supply["color"] == color)?["percent"].as_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_the_reading_along() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Only the call makes the gateway send: polls are an hour apart, and so are full readings.
    let gateway =
        json!({"sensing": {"status_s": 1, "idle_s": 1, "reading_s": 604_800, "discovery_s": 2_592_000}});
    let mut site =
        Site::new(SiteSpec { gateway, devices: 1, speedup: 1, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    let device = async || {
        let devices = operator.list("/api/v1/devices").await?;
        Ok(devices.into_iter().find(|device| device["vendor"] != ""))
    };
    let found = until("the device", PATIENCE, device).await?;
    let path = format!(
        "/api/v1/gateways/{}/devices/{}",
        found["gateway"].as_str().unwrap_or_default(),
        found["device"].as_str().unwrap_or_default()
    );
    let before = operator.get(&path).await?;
    assert!(percent(&before, "cyan").is_some_and(|cyan| cyan > 20.0), "{before}");
    until("the first request for meters to be done", PATIENCE, || async {
        let commands = operator.list("/api/v1/commands").await?;
        Ok(commands.iter().all(|command| command["state"] == "done").then_some(()))
    })
    .await?;

    lan.control(0, Method::POST, "faults/toner_near_end?color=cyan").await?;
    let open =
        async || Ok(operator.list("/api/v1/calls?kind=supply_near_end&state=open").await?.into_iter().next());
    until("the call", PATIENCE, open).await?;
    let level = async || Ok(percent(&operator.get(&path).await?, "cyan").filter(|cyan| *cyan <= 10.0));
    until("the level at the call", PATIENCE, level).await?;
    site.stop()
}
