//! Programs are killed while calls are in progress: nothing is lost or duplicated.

use std::process::Command;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::until::until;

const DEVICES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_kill_9_of_gateway_and_server() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site =
        Site::new(SiteSpec { devices: DEVICES.try_into()?, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("all devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == DEVICES).then_some(()))
    })
    .await?;

    for device in 0..DEVICES {
        lan.control(device, Method::POST, "faults/sc?code=SC542").await?;
        // Each device covers a different moment: at once, while the server is down, while the gateway is
        // down, both.
        if device % 2 == 1 {
            site.comm_server.take().context("no server")?.kill()?;
        }
        if device >= 2 {
            site.gateway.take().context("no gateway")?.kill()?;
            site.start_gateway()?;
        }
        if site.comm_server.is_none() {
            site.start_comm_server()?;
        }
    }

    let open = until("a service call of each device", PATIENCE * 2, || async {
        let open = operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        Ok((open.len() >= DEVICES).then_some(open))
    })
    .await?;
    let mut devices: Vec<&str> = open.iter().filter_map(|c| c["device"].as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    assert_eq!((open.len(), devices.len()), (DEVICES, DEVICES), "{open:#?}");

    // Everything made is acknowledged, and nothing was quarantined.
    until("all reports to be acknowledged", PATIENCE * 2, || async {
        let gateway = operator.get(&format!("/api/v1/gateways/{GATEWAY}")).await?;
        Ok(gateway["lanes"]
            .as_array()
            .is_some_and(|lanes| !lanes.is_empty() && lanes.iter().all(drained))
            .then_some(()))
    })
    .await?;
    assert_eq!(operator.list("/api/v1/quarantine").await?, Vec::<Value>::new());
    let all = operator.list("/api/v1/calls?kind=service_call").await?;
    assert_eq!(all.len(), DEVICES, "{all:#?}");
    site.stop()
}

fn drained(lane: &Value) -> bool {
    lane["made"] == lane["acknowledged"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_executed_once_although_the_gateway_is_killed() -> Result<()> {
    const DEVICES: usize = 2;
    let dir = tempfile::tempdir()?;
    // An hour is three minutes here, so that no other reading happens in between.
    let mut site = Site::new(SiteSpec { speedup: 20, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    // A service call causes a poll each minute: three seconds here.
    lan.control(0, Method::POST, "faults/sc?code=SC542").await?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("all devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == DEVICES).then_some(()))
    })
    .await?;
    let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
    let id =
        operator.post("/api/v1/commands", &order).await?["command"].as_str().context("no id")?.to_owned();
    let state = || async {
        let commands = operator.list(&format!("/api/v1/commands?gateway={GATEWAY}")).await?;
        let own =
            commands.into_iter().find(|c| c["command"] == id.as_str()).context("the command is gone")?;
        Ok::<_, anyhow::Error>(own["state"].as_str().unwrap_or_default().to_owned())
    };
    until("the command to leave the queue", PATIENCE * 2, || async {
        Ok((state().await? != "queued").then_some(()))
    })
    .await?;
    site.gateway.take().context("no gateway")?.kill()?;
    site.start_gateway()?;
    until("the command to be done", PATIENCE * 2, || async { Ok((state().await? == "done").then_some(())) })
        .await?;
    site.stop()?;

    // The accepted reports: one counter set per device for this command.
    let question = format!(
        "select count(*), count(distinct device) from reports where kind = 'counter_set' and body like '%{id}%'"
    );
    let database = site.dir("comm-server").join("platen.db");
    let output =
        Command::new("sqlite3").arg(database).arg(question).output().context("sqlite3 isn't installed")?;
    let answer = String::from_utf8(output.stdout)?;
    assert_eq!(answer.trim(), format!("{DEVICES}|{DEVICES}"), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
