//! The demonstration: each step is performed from outside, and verified by what the system shows afterwards.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fixtures::mailbox::Mailbox;
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{Device, GATEWAY, Lan, PATIENCE, Site, SiteSpec, write_image};
use tests::until::until;

use crate::narrator::{Narrator, Step};

/// Virtual devices of the demo's LAN.
const DEVICES: u16 = 12;

/// The version that is rolled out.
const NEW_VERSION: &str = "9.01";

/// Bytes of the demo's firmware image.
const IMAGE_BYTES: usize = 24 << 20;

/// Performs all steps.
pub(crate) async fn tell(narrator: &Narrator, dir: PathBuf, speedup: u32, once: bool) -> Result<()> {
    let mailbox = Mailbox::start("127.0.0.1:0".parse()?).await.context("mail receiver")?;
    let spec = SiteSpec { devices: DEVICES, speedup, mail: Some(mailbox.address()), ..SiteSpec::new(dir) };
    let mut site = Site::new(spec)?;
    narrator.say(&format!(
        "Platen demo. Time is compressed: the gateway waits {speedup} times shorter than it would at a customer's.\n\
         What the server decides (a poll each 3600 s, each 60 s during a service call) is unchanged.\n"
    ));
    let (lan, operator) = begin(narrator, &mut site).await?;
    let demo = Demo { lan: &lan, operator: &operator, mailbox: &mailbox };
    read_meters(narrator, &demo).await?;
    call_for_toner(narrator, &demo).await?;
    call_for_service(narrator, &demo, speedup).await?;
    roll_out(narrator, &demo).await?;
    narrator.step("mail_received", "Mail to the administrator", |_| mail(&demo)).await?;
    if !once {
        stay(narrator, &site).await?;
    }
    tokio::task::spawn_blocking(move || site.stop()).await?
}

struct Demo<'a> {
    lan: &'a Lan,
    operator: &'a Operator,
    mailbox: &'a Mailbox,
}

async fn begin(narrator: &Narrator, site: &mut Site) -> Result<(Lan, Operator)> {
    narrator
        .step("pki", "Trust domain", |_| async {
            site.make_trust_domain()?;
            Ok("root, server CA and gateway CA; a certificate for each of 3 parties".to_owned())
        })
        .await?;
    let mut lan = None;
    narrator
        .step("lan", "Virtual printers", |_| async {
            let started = site.start_lan()?;
            let evidence =
                format!("{} devices in {}, SNMP and port 9100", started.devices.len(), site.cidr());
            lan = Some(started);
            Ok(evidence)
        })
        .await?;
    let lan = lan.context("the LAN isn't started")?;
    let mut operator = None;
    narrator
        .step("servers", "Servers", |_| async {
            site.start_global_server()?;
            publish(site, &lan)?;
            site.start_comm_server()?;
            operator = Some(site.first_log_in().await?);
            Ok(format!("communication server {}", site.address("comm.gateways")?))
        })
        .await?;
    let operator = operator.context("nobody is logged in")?;
    narrator
        .step("enrolled", "Gateway's first poll", |_| async {
            site.start_gateway()?;
            let gateway = until("the gateway's first poll", PATIENCE, || async {
                Ok(Some(gateway(&operator).await?).filter(|g| !g["last_poll_at"].is_null()))
            })
            .await?;
            Ok(format!("{GATEWAY} {} over mutual TLS", gateway["version"].as_str().unwrap_or_default()))
        })
        .await?;
    narrator.step("discovered", "Discovery", |step| discovered(&operator, &lan, step)).await?;
    Ok((lan, operator))
}

fn publish(site: &Site, lan: &Lan) -> Result<()> {
    let device = lan.devices.first().context("the LAN is empty")?;
    let image = site.dir("images").join("image.bin");
    std::fs::create_dir_all(site.dir("images"))?;
    write_image(&image, device, NEW_VERSION, IMAGE_BYTES)?;
    site.publish(&device.vendor, &device.model, NEW_VERSION, &image)
}

async fn gateway(operator: &Operator) -> Result<Value> {
    operator.get(&format!("/api/v1/gateways/{GATEWAY}")).await
}

async fn discovered(operator: &Operator, lan: &Lan, step: Step) -> Result<String> {
    let wanted: Vec<&str> = lan.devices.iter().map(|d| d.serial.as_str()).collect();
    until("all devices in the fleet", PATIENCE, || async {
        let fleet = operator.list("/api/v1/devices").await?;
        let found = wanted.iter().filter(|s| fleet.iter().any(|d| d["serial"] == **s)).count();
        step.count(found, wanted.len());
        Ok((found == wanted.len()).then_some(()))
    })
    .await?;
    Ok(format!("all {} serial numbers in the fleet", wanted.len()))
}

async fn read_meters(narrator: &Narrator, demo: &Demo<'_>) -> Result<()> {
    narrator
        .step("meter_read", "Meter read", |step| async move {
            let order = json!({"gateway": GATEWAY, "order": {"kind": "counter_request"}});
            let command = demo.operator.post("/api/v1/commands", &order).await?;
            let id = command["command"].as_str().context("a command without an id")?.to_owned();
            until("the counter request to be done", PATIENCE * 2, || async {
                let commands = demo.operator.list(&format!("/api/v1/commands?gateway={GATEWAY}")).await?;
                let own = commands.into_iter().find(|c| c["command"] == id.as_str());
                let state = own.map(|c| c["state"].clone()).unwrap_or_default();
                step.progress(format!("command {}", state.as_str().unwrap_or("not seen")));
                Ok((state == "done").then_some(()))
            })
            .await?;
            let (read, pages) = until("a meter of every device", PATIENCE, || async {
                let fleet = demo.operator.list("/api/v1/devices").await?;
                let totals: Vec<u64> = fleet.iter().filter_map(|d| d["total"].as_u64()).collect();
                step.count(totals.len(), demo.lan.devices.len());
                Ok((totals.len() == demo.lan.devices.len())
                    .then(|| (totals.len(), totals.iter().sum::<u64>())))
            })
            .await?;
            Ok(format!("{read} devices, {pages} pages in all, each with its OID as evidence"))
        })
        .await
}

async fn call(demo: &Demo<'_>, device: &Device, kind: &str, state: &str) -> Result<Option<Value>> {
    let calls = demo.operator.list(&format!("/api/v1/calls?kind={kind}&state={state}")).await?;
    Ok(calls.into_iter().find(|c| c["device"].as_str().is_some_and(|id| id.ends_with(&device.serial))))
}

async fn call_for_toner(narrator: &Narrator, demo: &Demo<'_>) -> Result<()> {
    narrator
        .step("toner_near_end", "Toner near end", |_| async move {
            let device = demo.lan.devices.get(1).context("the LAN has one device only")?;
            demo.lan
                .control(device.number, reqwest::Method::POST, "faults/toner_near_end?color=cyan")
                .await?;
            let call = until("the call", PATIENCE, || call(demo, device, "supply_near_end", "open")).await?;
            let percent = until("the level", PATIENCE, || level(demo, &call, "cyan", 10.0)).await?;
            let detail = call["detail"].as_str().unwrap_or_default();
            Ok(format!("{} {}: {detail}; the console shows {percent:.0} %", device.model, device.serial))
        })
        .await
}

/// The level that the console shows for a supply of the device with the call, once it is low enough.
async fn level(demo: &Demo<'_>, call: &Value, color: &str, at_most: f64) -> Result<Option<f64>> {
    let name = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v1/gateways/{}/devices/{}", name("gateway"), name("device"));
    let device = demo.operator.get(&path).await?;
    let supply = |supply: &Value| (supply["color"] == color).then(|| supply["percent"].as_f64())?;
    let levels = device["reading"]["supplies"].as_array().and_then(|all| all.iter().find_map(supply));
    Ok(levels.filter(|percent| *percent <= at_most))
}

async fn call_for_service(narrator: &Narrator, demo: &Demo<'_>, speedup: u32) -> Result<()> {
    let device = demo.lan.devices.get(2).context("the LAN has two devices only")?;
    narrator
        .step("service_call", "Service call", |_| async move {
            demo.lan.control(device.number, reqwest::Method::POST, "faults/sc?code=SC542").await?;
            let call = until("the call", PATIENCE, || call(demo, device, "service_call", "open")).await?;
            Ok(format!("{} {}: {}", device.model, device.serial, call["detail"].as_str().unwrap_or_default()))
        })
        .await?;
    narrator
        .step("polling_every_minute", "Polling each minute", |step| async move {
            let polls = polls_at(demo, 60, 3, &step).await?;
            Ok(format!(
                "next poll in 60 s, {polls} polls seen (here each {:.1} s)",
                60.0 / f64::from(speedup)
            ))
        })
        .await?;
    narrator
        .step("sc_reset", "SC reset", |_| async move {
            demo.lan.control(device.number, reqwest::Method::DELETE, "faults/sc").await?;
            let closed = until("the end of the call", PATIENCE, || async {
                let still_open = call(demo, device, "service_call", "open").await?;
                Ok(call(demo, device, "service_call", "closed").await?.filter(|_| still_open.is_none()))
            })
            .await?;
            Ok(format!("closed at {}", closed["cleared_at"].as_str().unwrap_or_default()))
        })
        .await?;
    narrator
        .step("polling_hourly", "Polling each hour", |step| async move {
            polls_at(demo, 3600, 1, &step).await?;
            Ok("next poll in 3600 s".to_owned())
        })
        .await
}

/// Waits for `polls` different polls whose response had `next_poll_s`.
async fn polls_at(demo: &Demo<'_>, next_poll_s: u64, polls: usize, step: &Step) -> Result<usize> {
    let mut seen: Vec<String> = Vec::new();
    let limit = PATIENCE * 2;
    let began = std::time::Instant::now();
    while seen.len() < polls {
        if began.elapsed() > limit {
            bail!("waited {} s for {polls} polls at {next_poll_s} s, saw {seen:?}", limit.as_secs());
        }
        let gateway = gateway(demo.operator).await?;
        let at = gateway["last_poll_at"].as_str().unwrap_or_default().to_owned();
        if gateway["next_poll_s"].as_u64() == Some(next_poll_s) && !seen.contains(&at) {
            seen.push(at);
            step.count(seen.len(), polls);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(seen.len())
}

async fn roll_out(narrator: &Narrator, demo: &Demo<'_>) -> Result<()> {
    let model = demo.lan.devices.first().context("the LAN is empty")?;
    let order = json!({"vendor": model.vendor, "model": model.model, "version": NEW_VERSION});
    let rollout = demo.operator.post("/api/v1/rollouts", &order).await?;
    let path =
        format!("/api/v1/rollouts/{}", rollout["rollout"].as_str().context("a roll-out without an id")?);
    let titles = [
        ("firmware_staged", "Firmware staged", "staged"),
        ("firmware_pushed", "Firmware pushed", "pushed"),
        ("firmware_verified", "Firmware read back", "verified"),
    ];
    for (step, title, reached) in titles {
        let path = &path;
        let told = narrator.step(step, title, |step| {
            step.progress("the gateway receives it with its next poll".to_owned());
            reach(demo, path, reached, step)
        });
        told.await?;
    }
    Ok(())
}

/// Waits until each row of a roll-out has reached the step `reached`.
async fn reach(demo: &Demo<'_>, path: &str, reached: &str, step: Step) -> Result<String> {
    const STEPS: [&str; 4] = ["pending", "staged", "pushed", "verified"];
    let rank = |step: &str| STEPS.iter().position(|s| *s == step);
    let wanted = rank(reached);
    let limit = PATIENCE * 3;
    until(reached, limit, || async {
        let rollout = demo.operator.get(path).await?;
        let rows = rollout["devices"].as_array().context("a roll-out without devices")?.clone();
        let of_device: Vec<&Value> = rows.iter().filter(|r| r["device"] != "").collect();
        if let Some(failed) = rows.iter().find(|r| r["step"] == "failed") {
            bail!("{} failed: {}", failed["device"], failed["detail"]);
        }
        // Staging is one row for the whole gateway.
        let staged =
            rows.iter().any(|r| r["device"] == "" && rank(r["step"].as_str().unwrap_or("")) >= Some(1));
        let there = if reached == "staged" && staged {
            of_device.len()
        } else {
            of_device.iter().filter(|r| rank(r["step"].as_str().unwrap_or("")) >= wanted).count()
        };
        step.count(there, of_device.len());
        Ok((!of_device.is_empty() && there == of_device.len()).then(|| {
            let (of, mib) = (of_device.len(), IMAGE_BYTES >> 20);
            let versions = of_device.iter().filter(|r| r["version_now"] == NEW_VERSION).count();
            match reached {
                "verified" => format!("{versions} devices of {of} show {NEW_VERSION}"),
                "pushed" => format!("{mib} MiB to port 9100 of {there} devices"),
                _ => format!("{mib} MiB once for {of} devices, signature and digest checked by the gateway"),
            }
        }))
    })
    .await
}

async fn mail(demo: &Demo<'_>) -> Result<String> {
    until("mail about the service call", PATIENCE, || async {
        let messages = demo.mailbox.messages();
        let service = messages.iter().find(|m| {
            let text = String::from_utf8_lossy(&m.bytes);
            text.lines().any(|l| l.starts_with("Subject:") && l.contains("SC542"))
        });
        let Some(service) = service else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&service.bytes).into_owned();
        let subject = text.lines().find(|l| l.starts_with("Subject:")).unwrap_or_default().to_owned();
        Ok(Some(format!("{} messages, one with \"{subject}\"", messages.len())))
    })
    .await
}

async fn stay(narrator: &Narrator, site: &Site) -> Result<()> {
    narrator.say(&format!(
        "\nIt all goes on until Ctrl-C. Open in a browser:\n  \
         console  https://{}  (user admin, password {}; the certificate is the demo's own, accept it)\n  \
         gateway  http://{}\n  \
         files    {}\n",
        site.address("comm.operators")?,
        site.password(),
        site.address("gateway.local")?,
        site.dir("").display(),
    ));
    tokio::signal::ctrl_c().await.context("Ctrl-C")
}
