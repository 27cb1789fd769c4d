//! Programs are killed while calls are under way: nothing is lost, nothing is there twice.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::site::{GATEWAY, Lan, PATIENCE, Site, SiteSpec};
use tests::until::until;

const DEVICES: usize = 5;

async fn fault(lan: &Lan, device: usize, fault: &str) -> Result<()> {
    let url = format!("http://{}/devices/{device}/faults/{fault}", lan.control);
    reqwest::Client::new().post(url).send().await?.error_for_status()?;
    Ok(())
}

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
        fault(&lan, device, "sc?code=SC542").await?;
        // Each device meets another moment: at once, while the server is away, while the gateway is away, both.
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

    // Everything made is acknowledged, and nothing had to be put aside.
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
    let dir = tempfile::tempdir()?;
    let (mut site, operator) = Site::start(SiteSpec::new(dir.path().to_owned())).await?;
    until("all devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
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
    let device = operator.list("/api/v1/devices").await?[0].clone();
    let id = device["device"].as_str().context("no device id")?.replace(':', "%3A").replace('/', "%2F");
    let series =
        operator.get(&format!("/api/v1/gateways/{GATEWAY}/devices/{id}/counters?counter=total")).await?;
    let points = series["items"].as_array().or(series["points"].as_array()).context("no series")?;
    assert_eq!(points.len(), 1, "{series:#}");
    site.stop()
}
