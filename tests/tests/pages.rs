//! Every page of a running site in Chromium, at desktop and phone width, light and dark.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{GATEWAY, Lan, PATIENCE, Site, SiteSpec, write_image};
use tests::until::until;

#[tokio::test(flavor = "multi_thread")]
async fn pages_work_at_both_widths() -> Result<()> {
    let Some(modules) = std::env::var_os("PLATEN_NODE_MODULES").map(PathBuf::from).filter(|p| p.is_dir())
    else {
        eprintln!("skipped: PLATEN_NODE_MODULES names no folder with playwright-core; ./test installs it");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut site = Site::new(SiteSpec { devices: 6, speedup: 300, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_global_server()?;
    let lan = site.start_lan()?;
    let image = dir.path().join("image.bin");
    write_image(&image, &lan.devices[0], "9.02", 1 << 20)?;
    site.publish(&lan.devices[0].vendor, &lan.devices[0].model, "9.02", &image)?;
    // Published for another maker's devices, which reject it.
    let other = &lan.devices[5];
    site.publish(&other.vendor, &other.model, "9.03", &image)?;
    site.start_comm_server()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    raise_faults(&lan, &operator).await?;
    let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
    operator.post("/api/v1/commands", &order).await?;
    let order = json!({"vendor": lan.devices[0].vendor, "model": lan.devices[0].model, "version": "9.02"});
    let rollout = operator.post("/api/v1/rollouts", &order).await?;
    let rollout = rollout["rollout"].as_str().context("no id")?.to_owned();
    let order = json!({"vendor": other.vendor, "model": other.model, "version": "9.03"});
    let refused = operator.post("/api/v1/rollouts", &order).await?;
    let refused = refused["rollout"].as_str().context("no id")?.to_owned();
    let fleet = until("calls of every kind", PATIENCE * 2, || async {
        let calls = operator.list("/api/v1/calls?state=open").await?;
        let fleet = operator.list("/api/v1/devices").await?;
        Ok((calls.len() >= 4).then_some(fleet))
    })
    .await?;
    until("the roll-out to fail", PATIENCE * 3, || async {
        let rollout = operator.get(&format!("/api/v1/rollouts/{refused}")).await?;
        Ok((rollout["state"] == "failed").then_some(()))
    })
    .await?;
    let [customer, place, asset] = tree(&operator, &fleet[0]["device"]).await?;
    let device = fleet[0]["device"].as_str().context("no id")?.replace(':', "%3A").replace('/', "%2F");

    let config = json!({
        "console": format!("https://{}", site.address("comm.operators")?),
        "gateway": format!("http://{}", site.address("gateway.local")?),
        "user": "admin", "password": site.password(), "modules": modules,
        "screenshots": screenshots()?,
        "pages": [
            ["fleet", "/"], ["gateways", "/gateways"], ["calls", "/calls"], ["rollouts", "/rollouts"],
            ["rollout", format!("/rollouts/{rollout}")], ["rollout-failed", format!("/rollouts/{refused}")],
            ["device", format!("/devices/{GATEWAY}/{device}")],
            ["second-factor", "/second-factor"], ["settings", "/settings"], ["tokens", "/tokens"],
            ["customers", "/customers"], ["customer", format!("/customers/{customer}")],
            ["site", format!("/sites/{place}")], ["assets", "/assets"], ["asset", format!("/assets/{asset}")],
            ["unassigned", "/unassigned"], ["not-read", "/not-read"], ["users", "/users"],
            ["commands", "/commands"], ["quarantine", "/quarantine"], ["audit", "/audit"],
        ],
    });
    let file = dir.path().join("pages.json");
    std::fs::write(&file, config.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/pages.mjs");
    let output = Command::new("node").arg(script).arg(&file).output().context("node isn't installed")?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    site.stop()
}

/// Raises a fault of each kind; the last device goes offline once all are known.
async fn raise_faults(lan: &Lan, operator: &Operator) -> Result<()> {
    for (device, fault) in
        [(1, "toner_near_end?color=cyan"), (2, "sc?code=SC542"), (3, "jam"), (4, "offline")]
    {
        if device == 4 {
            until("all devices in the fleet", PATIENCE, || async {
                Ok((operator.list("/api/v1/devices").await?.len() == 6).then_some(()))
            })
            .await?;
        }
        lan.control(device, Method::POST, &format!("faults/{fault}")).await?;
    }
    Ok(())
}

/// A customer with a site and an asset, over this device: their ids.
async fn tree(operator: &Operator, device: &Value) -> Result<[String; 3]> {
    let made = async |path: &str, field: &str, body: Value| -> Result<String> {
        let answer = operator.post(path, &body).await?;
        Ok(answer[field].as_str().with_context(|| format!("no {field} in {answer}"))?.to_owned())
    };
    let customer = made("/api/v1/customers", "customer", json!({"name": "Example Ltd"})).await?;
    let site = json!({"customer": customer, "name": "Head office"});
    let site = made("/api/v1/sites", "site", site).await?;
    let asset = json!({"name": "Copier in the hall", "site": site, "device": device});
    let asset = made("/api/v1/assets", "asset", asset).await?;
    Ok([customer, site, asset])
}

/// The folder of the screenshots.
fn screenshots() -> Result<PathBuf> {
    Ok(tests::program::folder()?.join("../screenshots"))
}
