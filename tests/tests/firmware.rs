//! A failed roll-out reports the reason for each device; one with a tampered image pushes nothing.

use std::path::Path;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{Device, Lan, PATIENCE, Site, SiteSpec, write_image};
use tests::until::until;

/// Orders a version for the device's model; returns the path of the roll-out.
async fn order(operator: &Operator, device: &Device, version: &str) -> Result<String> {
    let order = json!({"vendor": device.vendor, "model": device.model, "version": version});
    let rollout = operator.post("/api/v1/rollouts", &order).await?;
    Ok(format!("/api/v1/rollouts/{}", rollout["rollout"].as_str().context("no id")?))
}

async fn rolled_out(operator: &Operator, device: &Device, version: &str, ends: &[&str]) -> Result<Value> {
    let path = order(operator, device, version).await?;
    until("the roll-out to end", PATIENCE * 4, || async {
        let rollout = operator.get(&path).await?;
        Ok(ends.iter().any(|end| rollout["state"] == *end).then_some(rollout))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn success_and_failure_are_both_reported() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = Site::new(SiteSpec { speedup: 600, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_global_server()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    let [first, second] = [&lan.devices[0], &lan.devices[1]];
    let image = dir.path().join("image.bin");
    write_image(&image, first, "9.02", 3 << 20)?;
    site.publish(&first.vendor, &first.model, "9.02", &image)?;
    // Published for the second device, made for the first one: the device itself rejects it.
    site.publish(&second.vendor, &second.model, "9.03", &image)?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("both devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;

    let done = rolled_out(&operator, first, "9.02", &["done", "failed"]).await?;
    assert_eq!(done["state"], "done", "{done:#}");
    let failed = rolled_out(&operator, second, "9.03", &["done", "failed"]).await?;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let rows = failed["devices"].as_array().context("no rows")?;
    let row = rows.iter().find(|r| r["device"] != "" && r["step"] == "failed").context("no failed device")?;
    assert!(row["detail"].as_str().is_some_and(|d| d.contains("9.03")), "{row:#}");
    // With the text of its own panel.
    assert!(row["panel"].as_str().is_some_and(|p| p.contains("Update refused")), "{row:#}");

    // An image that changed on the global server's disk: the gateway rejects it before any device receives
    // it.
    write_image(&image, first, "9.04", 1 << 20)?;
    site.publish(&first.vendor, &first.model, "9.04", &image)?;
    let images = site.dir("global-server").join("repository/images");
    for entry in std::fs::read_dir(&images)? {
        let path = entry?.path();
        let mut bytes = std::fs::read(&path)?;
        if bytes.windows(12).any(|w| w == b"version=9.04") {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, bytes)?;
        }
    }
    let refused = rolled_out(&operator, first, "9.04", &["done", "failed"]).await?;
    assert_eq!(refused["state"], "failed", "{refused:#}");
    assert!(refused.to_string().contains("digest") || refused.to_string().contains("SHA-256"), "{refused:#}");
    let fleet = operator.list("/api/v1/devices").await?;
    let own = fleet.iter().find(|d| d["serial"] == first.serial.as_str()).context("gone")?;
    assert_eq!(own["firmware"], "9.02", "{own:#}");
    site.stop()
}

/// The device's row in a roll-out, once the condition holds.
async fn row_when(
    operator: &Operator,
    path: &str,
    device: &Device,
    is: impl Fn(&Value) -> bool,
) -> Result<Value> {
    until("the device's row", PATIENCE * 2, || async {
        let rollout = operator.get(path).await?;
        let rows = rollout["devices"].as_array().context("no rows")?;
        let row = rows.iter().find(|r| r["serial"] == device.serial.as_str()).context("no row")?;
        Ok(is(row).then(|| row.clone()))
    })
    .await
}

/// A site whose two devices are in the fleet, with version 9.02 published for the first one.
async fn with_image(dir: &Path, speedup: u32) -> Result<(Site, Lan, Operator)> {
    let mut site = Site::new(SiteSpec { speedup, ..SiteSpec::new(dir.to_owned()) })?;
    site.make_trust_domain()?;
    site.start_global_server()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    let device = &lan.devices[0];
    let image = dir.join("image.bin");
    write_image(&image, device, "9.02", 1 << 20)?;
    site.publish(&device.vendor, &device.model, "9.02", &image)?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("both devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;
    Ok((site, lan, operator))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_device_has_its_reason_and_one_that_refused_connections_is_updated_later() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut site, lan, operator) = with_image(dir.path(), 120).await?;
    let device = &lan.devices[0];
    // A service call, and then a port that refuses connections.
    lan.control(device.number, Method::POST, "faults/sc?code=SC542").await?;
    lan.control(device.number, Method::POST, "faults/firmware_port_closed").await?;
    until("the service call", PATIENCE, || async {
        let calls = operator.list("/api/v1/calls").await?;
        Ok(calls.iter().any(|call| call["kind"] == "service_call").then_some(()))
    })
    .await?;
    let path = order(&operator, device, "9.02").await?;
    let waits = row_when(&operator, &path, device, |row| row["waiting_for"] == "service_call").await?;
    assert!(waits["panel"].as_str().is_some_and(|panel| panel.contains("SC542")), "{waits:#}");

    lan.control(device.number, Method::DELETE, "faults/sc").await?;
    let refused = row_when(&operator, &path, device, |row| row["waiting_for"] == "no_connection").await?;
    assert!(refused["detail"].as_str().is_some_and(|d| d.contains("of 10: ")), "{refused:#}");
    assert_ne!(refused["step"], "failed", "{refused:#}");
    lan.control(device.number, Method::DELETE, "faults/firmware_port_closed").await?;
    let ended = |row: &Value| ["verified", "failed"].iter().any(|step| row["step"] == *step);
    let done = row_when(&operator, &path, device, ended).await?;
    assert_eq!((&done["step"], &done["version_now"]), (&json!("verified"), &json!("9.02")), "{done:#}");
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_before_the_push_stays_cancelled_when_the_gateways_command_ends() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut site, lan, operator) = with_image(dir.path(), 600).await?;
    let device = &lan.devices[0];
    lan.control(device.number, Method::POST, "faults/cover").await?;
    let path = order(&operator, device, "9.02").await?;
    row_when(&operator, &path, device, |row| row["waiting_for"] == "cover_open").await?;
    operator.post(&format!("{path}/cancel"), &json!({})).await?;
    until("the gateway's command to end", PATIENCE * 2, || async {
        let commands = operator.list("/api/v1/commands").await?;
        let own = commands.iter().find(|command| command["kind"] == "firmware_update").context("none")?;
        Ok((own["state"] == "failed").then_some(()))
    })
    .await?;
    let cancelled = operator.get(&path).await?;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled:#}");
    let counts = &cancelled["progress"];
    assert_eq!((&counts["failed"], &counts["cancelled"]), (&json!(0), &json!(1)), "{cancelled:#}");
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_withdrawn_after_it_was_staged_is_not_pushed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut site, lan, operator) = with_image(dir.path(), 600).await?;
    let device = &lan.devices[0];
    lan.control(device.number, Method::POST, "faults/cover").await?;
    let path = order(&operator, device, "9.02").await?;
    row_when(&operator, &path, device, |row| row["waiting_for"] == "cover_open").await?;
    site.withdraw(&device.vendor, &device.model, "9.02")?;
    lan.control(device.number, Method::DELETE, "faults/cover").await?;
    let ended = |row: &Value| ["verified", "failed"].iter().any(|step| row["step"] == *step);
    let failed = row_when(&operator, &path, device, ended).await?;
    assert_eq!(failed["step"], "failed", "{failed:#}");
    let why = failed["detail"].as_str().context("no detail")?;
    assert!(why.starts_with("not pushed: ") && why.contains("withdrawn"), "{why}");
    let fleet = operator.list("/api/v1/devices").await?;
    let own = fleet.iter().find(|d| d["serial"] == device.serial.as_str()).context("gone")?;
    assert_ne!(own["firmware"], "9.02", "{own:#}");
    site.stop()
}
