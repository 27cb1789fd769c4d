//! Discovery against independent peers: avahi announces, and net-snmp's agent isn't a printer; also the
//! output of a dry run.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;
use tests::program;

fn discover(arguments: &[&str]) -> Result<(String, String, Option<i32>)> {
    let output = Command::new(program::path("platen-gateway")?).arg("discover").args(arguments).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr), output.status.code()))
}

#[test]
fn a_dry_run_prints_what_would_be_requested_and_how_long_it_takes() -> Result<()> {
    let arguments =
        ["10.0.0.0/24", "10.0.1.10-10.0.1.19", "--exclude", "10.0.0.1-10.0.0.54", "--pps", "50", "--dry-run"];
    let (plan, _, status) = discover(&[&arguments[..], &["--json", "--retries", "1"]].concat())?;
    let plan: Value = serde_json::from_str(&plan)?;
    assert_eq!(
        (plan["addresses"].as_u64(), plan["packets"].as_u64(), status),
        (Some(210), Some(420), Some(0))
    );
    assert_eq!(
        (plan["time_s"].as_u64(), plan["networks"][1]["addresses"].as_str()),
        (Some(12), Some("10.0.1.10-10.0.1.19"))
    );
    let (text, _, _) = discover(&arguments)?;
    assert!(
        text.contains("10.0.0.1-10.0.0.54")
            && text.contains("210 addresses")
            && text.contains("Nothing was sent"),
        "{text}"
    );
    let (_, told, status) = discover(&["10.0.0.0/8", "--dry-run"])?;
    assert!(status == Some(2) && told.contains("16777214 addresses"), "{told}");
    let (_, told, status) = discover(&["10.0.0.9-10.0.0.1"])?;
    assert!(status == Some(2) && told.contains("lowest to its highest"), "{told}");
    let (_, told, status) = discover(&[])?;
    assert!(status == Some(2) && told.contains("--config"), "{told}");
    Ok(())
}

#[test]
fn what_announces_itself_is_read_and_never_trusted() -> Result<()> {
    let may = Command::new("unshare").args(["--net", "--mount", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        // The test's own network needs root; without it, the test is skipped.
        eprintln!("skipped: network namespaces aren't permitted here");
        return Ok(());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/announcing.sh");
    let output = Command::new("unshare")
        .args(["--net", "--mount", "bash"])
        .arg(script)
        .args([program::path("platen-gateway")?, program::path("platen-mfp")?])
        .output()?;
    let (told, found) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        bail!("{}: {told}", output.status);
    }
    let found: Vec<Value> = found.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let serials: Vec<_> = found.iter().filter_map(|reading| reading["identity"]["serial"].as_str()).collect();
    assert_eq!(serials, ["E174M1"], "{told}");
    assert!(
        told.contains("1 devices, 1 other agents, 2 addresses"),
        "the plain host is asked, and no device: {told}"
    );
    Ok(())
}
