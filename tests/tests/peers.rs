//! The gateway reads independent agents: net-snmp's snmpd and, where installed, snmpsim.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tests::program;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

/// A peer that is killed when it is dropped.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_udp_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn read(port: u16, community: &str) -> Result<Value> {
    let output = Command::new(program::path("platen-gateway")?)
        .args(["read", &format!("127.0.0.1:{port}"), "--community", community, "--json"])
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn read_when_up(port: u16, community: &str) -> Result<Value> {
    let began = Instant::now();
    loop {
        match read(port, community) {
            Ok(reading) => return Ok(reading),
            Err(error) if began.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => {}
        }
    }
}

#[test]
fn net_snmps_agent_has_a_name_and_no_counters() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = free_udp_port()?;
    let config = dir.path().join("snmpd.conf");
    fs::write(&config, "rocommunity public 127.0.0.1\nsysName not-a-printer\nsysDescr A plain host\n")?;
    let child = Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Lf", "/dev/null", "-C", "-c"])
        .arg(&config)
        .arg(format!("udp:127.0.0.1:{port}"))
        .env("SNMP_PERSISTENT_DIR", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("snmpd isn't installed: ./test installs it")?;
    let _peer = Peer(child);
    let reading = read_when_up(port, "public")?;
    assert_eq!(reading["identity"]["sys_descr"], "A plain host", "{reading:#}");
    assert_eq!(reading["identity"]["name"], "not-a-printer", "{reading:#}");
    assert!(reading["counters"].as_object().is_none_or(serde_json::Map::is_empty), "{reading:#}");
    // A wrong community gets no response: the result is an error that says so, not a panic or an empty
    // reading.
    let refused = read(port, "private").unwrap_err().to_string();
    assert!(refused.contains("127.0.0.1") && !refused.contains("panicked"), "{refused}");
    Ok(())
}

fn snmpsim(data: &Path, port: u16) -> Result<Option<Peer>> {
    let Some(program) = std::env::var_os("PLATEN_SNMPSIM").map(PathBuf::from).filter(|p| p.exists()) else {
        return Ok(None);
    };
    let cache = data.join("cache");
    fs::create_dir_all(&cache)?;
    let open = Command::new("chmod").args(["-R", "a+rwX"]).arg(data).status()?;
    anyhow::ensure!(open.success(), "chmod");
    let mut command = Command::new(program);
    command
        .arg(format!("--data-dir={}", data.display()))
        .arg(format!("--cache-dir={}", cache.display()))
        .arg(format!("--agent-udpv4-endpoint=127.0.0.1:{port}"))
        .current_dir(data)
        .stdout(Stdio::null())
        .stderr(fs::File::create(data.join("snmpsim.log"))?);
    // snmpsim doesn't run as root unless it is given another user.
    if nix::unistd::Uid::effective().is_root() {
        command.args(["--process-user=nobody", "--process-group=nogroup"]);
    }
    Ok(Some(Peer(command.spawn()?)))
}

/// A synthetic laser printer: identity, two counters, one toner at 9 % and its alert.
const RECORDING: &str = "\
1.3.6.1.2.1.1.1.0|4|Made-up Laser 42 firmware 7.1
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.99999.1
1.3.6.1.2.1.1.5.0|4|laser-42
1.3.6.1.2.1.25.3.2.1.2.1|6|1.3.6.1.2.1.25.3.1.5
1.3.6.1.2.1.25.3.2.1.3.1|4|Made-up Laser 42
1.3.6.1.2.1.25.3.2.1.5.1|2|3
1.3.6.1.2.1.25.3.5.1.1.1|2|3
1.3.6.1.2.1.25.3.5.1.2.1|4x|20
1.3.6.1.2.1.43.5.1.1.16.1|4|Laser in room 42
1.3.6.1.2.1.43.5.1.1.17.1|4|MU000042
1.3.6.1.2.1.43.10.2.1.3.1.1|2|7
1.3.6.1.2.1.43.10.2.1.4.1.1|65|12345
1.3.6.1.2.1.43.10.2.1.5.1.1|65|67
1.3.6.1.2.1.43.11.1.1.2.1.1|2|1
1.3.6.1.2.1.43.11.1.1.3.1.1|2|1
1.3.6.1.2.1.43.11.1.1.4.1.1|2|3
1.3.6.1.2.1.43.11.1.1.5.1.1|2|3
1.3.6.1.2.1.43.11.1.1.6.1.1|4|Black Toner
1.3.6.1.2.1.43.11.1.1.7.1.1|2|19
1.3.6.1.2.1.43.11.1.1.8.1.1|2|100
1.3.6.1.2.1.43.11.1.1.9.1.1|2|9
1.3.6.1.2.1.43.12.1.1.4.1.1|4|black
1.3.6.1.2.1.43.18.1.1.2.1.7|2|4
1.3.6.1.2.1.43.18.1.1.4.1.7|2|11
1.3.6.1.2.1.43.18.1.1.7.1.7|2|1104
1.3.6.1.2.1.43.18.1.1.8.1.7|4|Toner low
";

#[test]
fn snmpsims_printer_is_read_in_full() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("platen-snmpsim-").tempdir()?;
    fs::write(dir.path().join("made-up.snmprec"), RECORDING)?;
    let port = free_udp_port()?;
    let Some(_peer) = snmpsim(dir.path(), port)? else {
        eprintln!("skipped: PLATEN_SNMPSIM names no snmpsim-command-responder; ./test installs it");
        return Ok(());
    };
    let reading = read_when_up(port, "made-up")?;
    assert_eq!(reading["identity"]["model"], "Made-up Laser 42", "{reading:#}");
    assert_eq!(reading["identity"]["serial"], "MU000042");
    assert_eq!(reading["counters"]["total"], 12345);
    assert_eq!(reading["counters"]["power_on"], 67);
    assert_eq!(reading["evidence"]["total"]["oid"], "1.3.6.1.2.1.43.10.2.1.4.1.1");
    assert_eq!(reading["counter_unit"], "impressions");
    assert_eq!(reading["status"]["device"], "warning");
    assert_eq!(reading["status"]["printer"], "idle");
    assert_eq!(reading["status"]["detected_errors"], serde_json::json!(["lowToner"]));
    let supply = &reading["supplies"][0];
    assert_eq!((&supply["color"], &supply["percent"]), (&"black".into(), &9.0.into()), "{supply:#}");
    assert_eq!(reading["alerts"][0]["group_name"], "markerSupplies");
    assert_eq!(reading["alerts"][0]["code"], 1104);
    Ok(())
}

/// Some print servers show the printer only in a context of its own, requested as `COMMUNITY@CONTEXT`.
#[test]
fn a_print_servers_context_is_found() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("platen-snmpsim-").tempdir()?;
    let server = "1.3.6.1.2.1.1.1.0|4|HP ETHERNET MULTI-ENVIRONMENT,SN:NONE,FN:NONE\n\
        1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.11.2.3.9.1\n";
    fs::write(dir.path().join("hp.snmprec"), server)?;
    let within = RECORDING.replace("1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.11.2.3.9.1");
    fs::write(dir.path().join("hp@Jetdirect.snmprec"), within)?;
    let port = free_udp_port()?;
    let Some(_peer) = snmpsim(dir.path(), port)? else {
        eprintln!("skipped: PLATEN_SNMPSIM names no snmpsim-command-responder; ./test installs it");
        return Ok(());
    };
    let reading = read_when_up(port, "hp")?;
    assert_eq!(reading["identity"]["serial"], "MU000042", "{reading:#}");
    assert_eq!(reading["counters"]["total"], 12345, "{reading:#}");
    Ok(())
}

/// Messages for unknown users, as counted by the agent (SNMP-USER-BASED-SM-MIB `usmStatsUnknownUserNames`).
fn strangers(port: u16) -> Result<u64> {
    let output = Command::new("snmpget")
        .args(["-v2c", "-cpublic", "-Oqv", &format!("127.0.0.1:{port}"), "1.3.6.1.6.3.15.1.1.3.0"])
        .env("MIBS", "")
        .output()
        .context("snmpget isn't installed: ./test installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Readings that the gateway made since it started.
async fn reads(site: &Site) -> Result<u64> {
    let text =
        reqwest::get(format!("http://{}/metrics", site.address("gateway.local")?)).await?.text().await?;
    let count = text.lines().find_map(|line| line.strip_prefix("platen_gateway_reads_total "));
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_that_worked_is_remembered_when_the_gateway_restarts() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = free_udp_port()?;
    let (config, password) = (dir.path().join("snmpd.conf"), dir.path().join("password"));
    fs::write(&config, "rocommunity public 127.0.0.1\nsysDescr A plain host\n")?;
    fs::write(&password, "correct horse")?;
    let child = Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Lf", "/dev/null", "-C", "-c"])
        .arg(&config)
        .arg(format!("udp:127.0.0.1:{port}"))
        .env("SNMP_PERSISTENT_DIR", dir.path().join("snmpd"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("snmpd isn't installed: ./test installs it")?;
    let _peer = Peer(child);
    read_when_up(port, "public")?;
    let gateway = json!({
        "networks": [], "devices": [{"address": format!("127.0.0.1:{port}")}],
        "sensing": {"status_s": 20, "idle_s": 20, "asleep_s": 20, "timeout_ms": 300, "discovery_s": 2_592_000},
        "credentials": [
            {"name": "stranger", "user": "nobody", "auth": {"protocol": "sha256", "password_file": password}},
            {"name": "plain", "community": "public"},
        ],
    });
    let mut site = Site::new(SiteSpec { gateway, speedup: 20, ..SiteSpec::new(dir.path().join("site")) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("the host in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 1).then_some(()))
    })
    .await?;
    let asked = strangers(port)?;
    assert!(asked > 0, "the first credential was never tried");
    site.gateway.take().context("no gateway")?.kill()?;
    site.start_gateway()?;
    until("readings after the restart", PATIENCE, || async { Ok((reads(&site).await? >= 3).then_some(())) })
        .await?;
    assert_eq!(strangers(port)?, asked, "the credential that fails was tried again");
    site.stop()
}

/// Recordings of real devices, if there are any on this machine: each gives a reading.
#[test]
fn recordings_of_real_devices_are_read() -> Result<()> {
    let Some(folder) = std::env::var_os("PLATEN_RECORDINGS").map(PathBuf::from).filter(|p| p.is_dir()) else {
        eprintln!("skipped: PLATEN_RECORDINGS names no folder of *.snmprec files");
        return Ok(());
    };
    let dir = tempfile::Builder::new().prefix("platen-recordings-").tempdir()?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "snmprec") {
            fs::copy(&path, dir.path().join(path.file_name().context("no name")?))?;
            names.push(path.file_stem().context("no name")?.to_string_lossy().into_owned());
        }
    }
    let port = free_udp_port()?;
    let Some(_peer) = snmpsim(dir.path(), port)? else {
        eprintln!("skipped: PLATEN_SNMPSIM names no snmpsim-command-responder; ./test installs it");
        return Ok(());
    };
    let first = names.first().context("no recordings")?;
    read_when_up(port, first)?;
    for name in &names {
        let reading = read(port, name).with_context(|| name.clone())?;
        assert!(
            reading["identity"]["sys_object_id"].is_string() || reading["identity"]["serial"].is_string(),
            "{name}"
        );
    }
    Ok(())
}
