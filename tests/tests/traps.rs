//! Traps and informs from net-snmp's own senders: a trap makes the gateway read the device, and nothing more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;
use tests::site::{Device, PATIENCE, Site, SiteSpec};
use tests::until::until;

/// `printerV2Alert` of the Printer MIB with a critical alert about a jam.
const ALERT: [&str; 10] = [
    "",
    "1.3.6.1.2.1.43.18.2.0.1",
    "1.3.6.1.2.1.43.18.1.1.1.1.1",
    "i",
    "1",
    "1.3.6.1.2.1.43.18.1.1.2.1.1",
    "i",
    "3",
    "1.3.6.1.2.1.43.18.1.1.7.1.1",
    "i",
];

const USER: [&str; 11] = [
    "-v3",
    "-utrapper",
    "-lauthPriv",
    "-aSHA-256",
    "-Acorrect horse",
    "-xAES",
    "-Xbattery staple",
    "-r1",
    "-t2",
    "-e",
    "0x80001f8880e338413f4277026b",
];

struct Senders {
    to: SocketAddr,
}

impl Senders {
    /// Runs a sender with the source address of a device; returns whether it succeeded.
    fn send(&self, program: &str, from: IpAddr, with: &[&str], what: &[&str]) -> Result<bool> {
        let output = Command::new(program)
            .args(with)
            .arg(format!("--clientaddr={from}"))
            .arg(self.to.to_string())
            .args(what)
            .env("MIBS", "")
            .output()
            .with_context(|| format!("{program} isn't installed: ./test installs it"))?;
        Ok(output.status.success())
    }
}

fn alert() -> Vec<&'static str> {
    ALERT.into_iter().chain(["8"]).collect()
}

/// The gateway's counters by name and labels.
async fn counters(site: &Site) -> Result<BTreeMap<String, u64>> {
    let text =
        reqwest::get(format!("http://{}/metrics", site.address("gateway.local")?)).await?.text().await?;
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

async fn counter(site: &Site, name: &str) -> Result<u64> {
    Ok(counters(site).await?.get(name).copied().unwrap_or_default())
}

async fn until_counted(site: &Site, name: &str, at_least: u64) -> Result<()> {
    until(name, PATIENCE, || async { Ok((counter(site, name).await? >= at_least).then_some(())) }).await
}

fn verdict(verdict: &str, class: &str) -> String {
    // Labels are in the order in which they were recorded.
    format!("platen_gateway_traps_total{{verdict=\"{verdict}\",class=\"{class}\"}}")
}

async fn begin(
    dir: &std::path::Path,
) -> Result<(Site, tests::operator::Operator, Vec<Device>, SocketAddr, Senders)> {
    let (auth, privacy) = (dir.join("auth"), dir.join("priv"));
    std::fs::write(&auth, "correct horse")?;
    std::fs::write(&privacy, "battery staple")?;
    let gateway = json!({
        // Only a trap makes the gateway read.
        "sensing": {"status_s": 86_400, "reading_s": 604_800, "discovery_s": 2_592_000},
        "traps": {"listen": "127.0.0.1:0"},
        "credentials": [{
            "name": "trapper", "user": "trapper", "auth": {"protocol": "sha256", "password_file": auth},
            "priv": {"protocol": "aes128", "password_file": privacy},
        }],
    });
    let mut site = Site::new(SiteSpec { gateway, ..SiteSpec::new(dir.join("site")) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("both devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;
    let to = site.address("gateway.traps")?;
    Ok((site, operator, lan.devices, lan.control, Senders { to }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_causes_a_look_and_never_a_call() -> Result<()> {
    const READS: &str = "platen_gateway_reads_total";
    let dir = tempfile::tempdir()?;
    let (mut site, operator, devices, control, senders) = begin(dir.path()).await?;
    let (first, second) = (devices[0].address, devices[1].address);
    let v2c = ["-v2c", "-cany"];
    let jams = || operator.list("/api/v1/calls?kind=jam");

    // From an address that no device has: nothing is read.
    let reads = counter(&site, READS).await?;
    assert!(senders.send("snmptrap", IpAddr::from([127, 0, 0, 1]), &v2c, &alert())?);
    until_counted(&site, &verdict("stranger", "trap"), 1).await?;
    assert!(!senders.send(
        "snmpinform",
        IpAddr::from([127, 0, 0, 1]),
        &["-v2c", "-cany", "-r0", "-t1"],
        &alert()
    )?);
    assert_eq!(counter(&site, READS).await?, reads);

    // A forged alert about a jam: the device is read and reports none, and there is no call.
    assert!(senders.send("snmptrap", first, &v2c, &alert())?);
    until_counted(&site, &verdict("look", "trap"), 1).await?;
    until_counted(&site, READS, reads + 1).await?;
    assert!(jams().await?.is_empty());

    // A jam, and the same trap by SNMP v1 (enterprise-specific 1 of printerMIB): the reading raises the call.
    let jam = format!("http://{control}/devices/0/faults/jam");
    reqwest::Client::new().post(jam).send().await?.error_for_status()?;
    let v1 = ["1.3.6.1.2.1.43.18.2", "", "6", "1", ""];
    assert!(senders.send("snmptrap", first, &["-v1", "-cany"], &v1)?);
    let call = until("the jam's call", PATIENCE, || async { Ok(jams().await?.into_iter().next()) }).await?;
    assert!(call["device"].as_str().is_some_and(|id| id.ends_with(&devices[0].serial)), "{call}");

    // SNMP v3, from the other device; and informs, which are acknowledged.
    let reads = counter(&site, READS).await?;
    assert!(senders.send("snmptrap", second, &USER, &alert())?);
    until_counted(&site, READS, reads + 1).await?;
    assert!(senders.send("snmpinform", second, &["-v2c", "-cany", "-r1", "-t2"], &alert())?);
    assert!(senders.send("snmpinform", second, &USER[..9], &alert())?);
    let mut forger = USER;
    forger[4] = "-Atr0ub4dor&3";
    assert!(!senders.send("snmpinform", second, &forger[..9], &alert())?);
    assert_eq!(
        counter(&site, &verdict("planned", "inform")).await?
            + counter(&site, &verdict("look", "inform")).await?,
        2
    );

    // A flood causes no more reads than a few traps do.
    for _ in 0..40 {
        assert!(senders.send("snmptrap", second, &v2c, &alert())?);
    }
    until_counted(&site, &verdict("too_many", "trap"), 1).await?;
    assert!(counter(&site, READS).await? <= reads + 8);
    let log = site.gateway.as_ref().map(tests::program::Running::log).unwrap_or_default();
    assert!(!log.contains("panicked") && !log.contains("horse"), "{log}");
    site.stop()
}
