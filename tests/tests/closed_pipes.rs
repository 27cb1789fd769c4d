//! A program whose output is not read continues: with a closed pipe as its log, it runs and stops on SIGTERM, and a
//! command whose output is closed exits without an error.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::operator::plain_client;
use tests::program::{self, Heard};
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::until::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_pipe_is_closed_stops_no_program() -> Result<()> {
    works_and_ends(Heard::ByNobody).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_is_stuck_stops_no_program() -> Result<()> {
    works_and_ends(Heard::Stuck).await
}

async fn works_and_ends(heard: Heard) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = "debug".to_owned();
    // A poll every six seconds.
    let spec = SiteSpec { log, speedup: 600, ..SiteSpec::new(dir.path().to_owned()) };
    let (mut site, operator) = Site::start(spec).await?;
    site.stop()?;
    site.heard = Heard::ByNobody;
    site.start_lan()?;
    site.heard = heard;
    site.start_global_server()?;
    site.start_comm_server()?;
    site.start_gateway()?;
    // Each poll is logged by both sides: after three of them, a failing writer would have shown its effect.
    let last_poll = async || {
        let gateways = operator.list("/api/v1/gateways").await?;
        let found = gateways.iter().find(|gateway| gateway["gateway"] == GATEWAY).context("the gateway")?;
        anyhow::Ok(found["last_poll_at"].to_string())
    };
    for _ in 0..3 {
        let before = last_poll().await?;
        let newer = async || Ok((last_poll().await? != before).then_some(()));
        until("a poll", PATIENCE, newer).await?;
    }
    for part in ["gateway.local", "comm.local", "global.local"] {
        let url = format!("http://{}/healthz", site.address(part)?);
        let health = plain_client()?.get(url).send().await?;
        assert!(health.status().is_success(), "{part}: {}", health.text().await?);
    }
    // By SIGTERM, with exit status 0, within 20 s each.
    site.stop()
}

/// Runs a command whose standard output has no reader; returns its standard error.
fn unread(name: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program::path(name)?);
    let output = command.args(arguments).stdin(Stdio::null()).stdout(program::unheard()?).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{name} {arguments:?}: {said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_quietly_when_its_reader_has_read_enough() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut site, _) = Site::start(SiteSpec::new(dir.path().to_owned())).await?;
    let config = |part: &str| site.dir(part).join("config.yaml").display().to_string();
    let (gateway, comm, global) = (config("gateway"), config("comm-server"), config("global-server"));
    let ca = site.dir("pki").display().to_string();
    let cert = site.dir("gateway").join("identity/cert.pem").display().to_string();
    let ready: Value = serde_json::from_slice(&std::fs::read(site.dir("lan").join("ready.json"))?)?;
    let device = &ready["devices"][0];
    let device = format!("{}:{}", device["address"].as_str().context("an address")?, device["snmp_port"]);
    let backup = site.dir("backup").display().to_string();
    let commands: [(&str, &[&str]); 17] = [
        ("platen-pki", &["token", "--dir", &ca, "--id", "gw-2"]),
        ("platen-pki", &["list", "--dir", &ca]),
        ("platen-pki", &["inspect", &cert]),
        ("platen-pki", &["--help"]),
        ("platen-gateway", &["--config", &gateway, "check"]),
        ("platen-gateway", &["--config", &gateway, "check", "--json"]),
        ("platen-gateway", &["--config", &gateway, "status"]),
        ("platen-gateway", &["--config", &gateway, "discover", "--dry-run"]),
        ("platen-gateway", &["--config", &gateway, "discover"]),
        ("platen-gateway", &["read", &device, "--json"]),
        ("platen-gateway", &["--help"]),
        ("platen-comm-server", &["--config", &comm, "check"]),
        ("platen-comm-server", &["--config", &comm, "gateway", "list"]),
        ("platen-comm-server", &["--config", &comm, "rollout", "list", "--json"]),
        ("platen-comm-server", &["--config", &comm, "backup", &backup]),
        ("platen-global-server", &["--config", &global, "list"]),
        ("platen-global-server", &["--config", &global, "check", "--json"]),
    ];
    for (name, arguments) in commands {
        assert_eq!(unread(name, arguments)?, "", "{name} {arguments:?}");
    }
    site.stop()
}
