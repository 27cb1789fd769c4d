//! A gateway whose disk is full reports it, waits, continues automatically, and every report arrives once.
//! One whose spool was damaged or restored from a copy loses only the spool's contents, and reports the loss.

#![expect(clippy::print_stderr, reason = "what could not be tested")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::operator::{Operator, plain_client};
use tests::program;
use tests::site::{GATEWAY, Lan, PATIENCE, Site, SiteSpec};
use tests::until::until;

const DEVICES: u16 = 20;

async fn begin(dir: &Path, mib: Option<u32>) -> Result<Option<(Site, Operator, Lan)>> {
    let mut site = Site::new(SiteSpec {
        devices: DEVICES,
        speedup: 240,
        gateway: json!({"spool": {"limit_mib": 16}}),
        ..SiteSpec::new(dir.to_owned())
    })?;
    if let Some(mib) = mib
        && !site.mount_small_disk(mib)?
    {
        eprintln!("skipped: this user may not mount a disk of its own");
        return Ok(None);
    }
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("all devices in the fleet", PATIENCE * 2, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == usize::from(DEVICES)).then_some(()))
    })
    .await?;
    Ok(Some((site, operator, lan)))
}

async fn all_devices(lan: &Lan, method: Method, path: &str) -> Result<()> {
    for device in 0..usize::from(DEVICES) {
        lan.control(device, method.clone(), path).await?;
    }
    Ok(())
}

async fn local(site: &Site, path: &str) -> Result<(u16, String)> {
    let url = format!("http://{}{path}", site.address("gateway.local")?);
    let answer = plain_client()?.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The output of `platen-gateway status`, and whether it succeeds.
fn status(site: &Site) -> Result<(bool, String)> {
    let config = site.dir("gateway").join("config.yaml").display().to_string();
    // An administrator of the gateway's machine sees its disk.
    let program = program::path("platen-gateway")?;
    let mut command =
        site.small_disk.as_ref().map_or_else(|| Command::new(&program), |disk| disk.command(&program));
    let output = command.args(["--config", &config, "status"]).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

fn log(site: &Site) -> Result<String> {
    Ok(site.gateway.as_ref().context("no gateway")?.log())
}

/// One open service call per device, and nothing waiting or in quarantine.
async fn all_arrived(operator: &Operator) -> Result<()> {
    until("a service call of each device", PATIENCE * 2, || async {
        let open = operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        let mut devices: Vec<&str> = open.iter().filter_map(|call| call["device"].as_str()).collect();
        devices.sort_unstable();
        devices.dedup();
        let all = usize::from(DEVICES);
        ensure!((open.len(), devices.len()) == (all, all), "{} of {} devices", open.len(), devices.len());
        Ok(Some(()))
    })
    .await?;
    until("all reports to be acknowledged", PATIENCE * 2, || async {
        let gateway = operator.get(&format!("/api/v1/gateways/{GATEWAY}")).await?;
        let lanes = gateway["lanes"].as_array().context("no lanes")?;
        let drained = lanes.len() == 2 && lanes.iter().all(|lane| lane["made"] == lane["acknowledged"]);
        Ok(drained.then_some(()))
    })
    .await?;
    ensure!(operator.list("/api/v1/quarantine").await? == Vec::<Value>::new(), "reports were quarantined");
    Ok(())
}

/// While its disk is full, the gateway polls; the server knows the reason, and a command waits, neither
/// rejected nor started.
async fn polls_and_takes_no_command(operator: &Operator) -> Result<()> {
    let path = format!("/api/v1/gateways/{GATEWAY}");
    let told = until("the server to be told", PATIENCE, || async {
        let gateway = operator.get(&path).await?;
        let problem = gateway["storage_problem"].as_str().context("no storage_problem")?;
        Ok((!problem.is_empty()).then(|| gateway.clone()))
    })
    .await?;
    let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
    let made = operator.post("/api/v1/commands", &order).await?;
    let id = made["command"].as_str().context("a command without an id")?.to_owned();
    let command = until("another poll that takes the command along", PATIENCE * 2, || async {
        let gateway = operator.get(&path).await?;
        let commands = operator.list("/api/v1/commands").await?;
        let command = commands.into_iter().find(|command| command["command"] == id.as_str());
        let command = command.context("no such command")?;
        let polled = gateway["last_poll_at"] != told["last_poll_at"] && gateway["storage_problem"] != "";
        Ok((polled && command["state"] != "queued").then_some(command))
    })
    .await?;
    ensure!(command["state"] == "delivered", "{command}");
    Ok(())
}

/// The result of a query on the database.
fn asked(database: &Path, question: &str) -> Result<String> {
    let output =
        Command::new("sqlite3").arg(database).arg(question).output().context("sqlite3 isn't installed")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The accepted reports: in each lane from the first to the last, each once.
fn check_books(database: &Path) -> Result<()> {
    let question = "select lane from reports group by lane \
        having count(*) <> max(seq) or count(distinct seq) <> count(*) or min(seq) <> 1";
    ensure!(asked(database, question)?.is_empty(), "a lane isn't whole");
    ensure!(asked(database, "select count(*) from reports")?.parse::<u64>()? > u64::from(DEVICES));
    Ok(())
}

fn database(site: &Site) -> PathBuf {
    site.dir("comm-server").join("platen.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_every_report_arrives_once_there_is_room() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((mut site, operator, lan)) = begin(dir.path(), Some(24)).await? else { return Ok(()) };
    let disk = site.small_disk.as_ref().context("no disk")?;
    assert!(status(&site)?.0);
    let ballast = disk.fill()?;
    // The store has some free space of its own: work until it is used up.
    let mut round = 0;
    let problem = until("the gateway to be out of room", PATIENCE * 4, || {
        round += 1;
        let lan = &lan;
        let site = &site;
        async move {
            let method = if round % 2 == 0 { Method::DELETE } else { Method::POST };
            let path = if round % 2 == 0 { "faults/sc" } else { "faults/sc?code=SC542" };
            all_devices(lan, method, path).await?;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let status: Value = serde_json::from_str(&local(site, "/status").await?.1)?;
            Ok(status["spool"]["problem"].as_str().map(str::to_owned))
        }
    })
    .await?;
    // Every interface reports it.
    let (well, said) = status(&site)?;
    assert!(well && said.contains(&problem), "{said}");
    let (code, page) = local(&site, "/").await?;
    assert!(code == 200 && page.contains("Nothing can be stored"), "{code} {page}");
    let (code, health) = local(&site, "/healthz").await?;
    assert!(code == 503 && health.contains("the spool can't store"), "{code} {health}");
    assert!(local(&site, "/metrics").await?.1.contains("platen_gateway_spool_stores 0"));
    assert!(log(&site)?.contains("reports wait until it can"));
    polls_and_takes_no_command(&operator).await?;
    // Events during that time are not lost: each device ends with a service call.
    all_devices(&lan, Method::DELETE, "faults/sc").await?;
    all_devices(&lan, Method::POST, "faults/sc?code=SC542").await?;
    drop(ballast);
    all_arrived(&operator).await?;
    let (_, said) = status(&site)?;
    assert!(!said.contains(&problem), "{said}");
    until("the server to hear that there is room, and the command to be done", PATIENCE * 2, || async {
        let gateway = operator.get(&format!("/api/v1/gateways/{GATEWAY}")).await?;
        let commands = operator.list("/api/v1/commands").await?;
        let open: Vec<_> = commands.iter().filter(|command| command["state"] != "done").collect();
        ensure!(gateway["storage_problem"] == "" && open.is_empty(), "{gateway} {open:?}");
        Ok(Some(()))
    })
    .await?;
    assert_eq!(local(&site, "/healthz").await?.0, 200);
    assert!(local(&site, "/metrics").await?.1.contains("platen_gateway_spool_stores 1"));
    let log = log(&site)?;
    assert!(log.contains("the spool can store again") && !log.contains("damaged"), "{log}");
    let database = database(&site);
    site.stop()?;
    check_books(&database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_without_room_reports_it_and_begins_when_there_is_some() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((mut site, operator, lan)) = begin(dir.path(), Some(24)).await? else { return Ok(()) };
    all_devices(&lan, Method::POST, "faults/sc?code=SC542").await?;
    site.gateway.take().context("no gateway")?.kill()?;
    // Other files take all the space, including the spool's reserve.
    let disk = site.small_disk.as_ref().context("no disk")?;
    std::fs::remove_file(disk.seen(&dir.path().join("small-disk/spool.reserve")))?;
    let ballast = disk.fill()?;
    site.begin_gateway()?;
    until("the gateway to say that it waits", PATIENCE, || async {
        let (well, said) = status(&site)?;
        ensure!(!well && said.contains("The gateway waits") && said.contains("make room"), "{said}");
        Ok(Some(()))
    })
    .await?;
    let (code, health) = local(&site, "/healthz").await?;
    assert!(code == 503 && health.contains("no room on the disk"), "{code} {health}");
    assert_eq!(local(&site, "/").await?.0, 503);
    assert!(log(&site)?.contains("waits until there is room"));
    drop(ballast);
    site.await_gateway()?;
    all_arrived(&operator).await?;
    assert!(status(&site)?.0);
    assert!(!log(&site)?.contains("damaged"));
    let database = database(&site);
    site.stop()?;
    check_books(&database)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    ensure!(Command::new("cp").arg("-a").arg(from).arg(to).status()?.success(), "cp failed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_went_back_takes_no_number_twice() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((mut site, operator, lan)) = begin(dir.path(), None).await? else { return Ok(()) };
    let own = site.dir("gateway");
    let kept: Vec<PathBuf> = ["spool", "spool.mark"].iter().map(|name| own.join(name)).collect();
    // A copy is made, and the gateway continues.
    site.gateway.take().context("no gateway")?.kill()?;
    std::fs::create_dir(dir.path().join("old"))?;
    kept.iter().try_for_each(|part| copy(part, &dir.path().join("old")))?;
    site.start_gateway()?;
    all_devices(&lan, Method::POST, "faults/sc?code=SC542").await?;
    all_arrived(&operator).await?;
    all_devices(&lan, Method::DELETE, "faults/sc").await?;
    until("no open call", PATIENCE * 2, || async {
        let open = operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        Ok(open.is_empty().then_some(()))
    })
    .await?;
    // The store goes back, its mark doesn't. Zeroes at the end of its file would not do: that isn't always
    // the end of its log.
    site.gateway.take().context("no gateway")?.kill()?;
    std::fs::remove_dir_all(own.join("spool"))?;
    copy(&dir.path().join("old/spool"), &own)?;
    site.start_gateway()?;
    all_devices(&lan, Method::POST, "faults/sc?code=SC542").await?;
    all_arrived(&operator).await?;
    let log = log(&site)?;
    assert!(log.contains("continues from the mark") || log.contains("the spool is damaged"), "{log}");
    // The old copy is restored.
    site.gateway.take().context("no gateway")?.kill()?;
    std::fs::remove_dir_all(own.join("spool"))?;
    std::fs::remove_file(own.join("spool.mark"))?;
    for name in ["spool", "spool.mark"] {
        copy(&dir.path().join("old").join(name), &own)?;
    }
    all_devices(&lan, Method::DELETE, "faults/sc").await?;
    site.start_gateway()?;
    all_devices(&lan, Method::POST, "faults/sc?code=SC542").await?;
    all_arrived(&operator).await?;
    let database = database(&site);
    site.stop()?;
    check_books(&database)?;
    let told = asked(&database, "select count(*) from reports where kind = 'loss'")?;
    assert!(told.parse::<u64>()? >= 2, "{told} losses were told");
    Ok(())
}
