//! The TUF client of the gateway compared with python-tuf's, on repositories that python-tuf creates.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::program;

fn python() -> PathBuf {
    std::env::var_os("PLATEN_PYTHON").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python"),
        PathBuf::from,
    )
}

/// Runs a script of `peers/tuf/`; returns the JSON objects that it prints. Its first argument is the gateway.
fn run(script: &str, arguments: &[&str]) -> Result<(bool, Vec<Value>)> {
    let output = Command::new(python())
        .arg(format!("{}/peers/tuf/{script}", env!("CARGO_MANIFEST_DIR")))
        .arg(program::path("platen-gateway")?)
        .args(arguments)
        .output()
        .context("PLATEN_PYTHON: a Python with python-tuf, which ./test installs")?;
    let problems = String::from_utf8_lossy(&output.stderr);
    ensure!(!problems.contains("Traceback"), "{script}: {problems}");
    let printed = String::from_utf8(output.stdout)?;
    let objects = printed.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>()?;
    Ok((output.status.success(), objects))
}

/// Scenarios with a known verdict: both clients return it, send the same requests and store the same files.
#[test]
fn both_clients_agree_in_every_scenario() -> Result<()> {
    let (success, scenarios) = run("scenarios.py", &[])?;
    let different: Vec<_> = scenarios.iter().filter(|scenario| !scenario["difference"].is_null()).collect();
    ensure!(different.is_empty(), "{different:#?}");
    let steps: u64 = scenarios.iter().filter_map(|scenario| scenario["steps"].as_u64()).sum();
    println!("{} scenarios, {steps} steps", scenarios.len());
    ensure!(success && scenarios.len() >= 150, "{} scenarios", scenarios.len());
    Ok(())
}

/// What `platen-global-server` publishes: both clients download it, also a maker's, after keys were replaced, and neither
/// what was withdrawn or isn't signed by enough people.
#[test]
fn both_clients_read_what_the_publisher_signs() -> Result<()> {
    let publisher = program::path("platen-global-server")?.display().to_string();
    let (success, steps) = run("publisher.py", &[&publisher])?;
    let wrong: Vec<_> = steps.iter().filter(|step| step["ok"] != true).collect();
    ensure!(success && wrong.is_empty(), "{wrong:#?}");
    println!("{} steps", steps.len());
    ensure!(steps.len() >= 20, "{} steps", steps.len());
    Ok(())
}

/// A difference that is meant: what was changed, what our client says, what python-tuf says, and why.
type Meant = (&'static str, &'static str, &'static str, &'static str);

const MEANT: [Meant; 6] = [
    ("signed again", "invalid type", "", "python-tuf doesn't check the types of all fields"),
    ("", "threshold not reached", "", "python-tuf verifies what it parsed, and leaves some of the file out"),
    ("hashes", "", "Unsupported algorithm", "an unknown algorithm beside a known one is left out"),
    ("add roles", "", "Failed to deserialize", "a root may name more roles"),
    ("keys/", "", "Failed to deserialize", "a key of an unknown type can't sign, and disturbs nothing"),
    ("signed again", "", "UnsignedMetadataError", "python-tuf verifies what it parsed, not what it received"),
];

/// Files with a random change: both clients must have the same verdict, except for known reasons.
#[test]
fn both_clients_agree_on_random_changes() -> Result<()> {
    let (success, changes) = run("mutations.py", &["100"])?;
    ensure!(success && changes.len() == 100, "{} changes", changes.len());
    let (mut accepted, mut meant) = (0, 0);
    for change in &changes {
        for target in 0..2 {
            let (ours, theirs) = (&change["ours"][target], &change["theirs"][target]);
            accepted += usize::from(ours == true);
            if ours == theirs {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (what, said) = (text(&change["change"]), &change["why"][target]);
            let (their_why, our_why) = (text(&said[0]), text(&said[1]));
            let known = MEANT.iter().find(|(place, our, their, _)| {
                what.contains(place) && our_why.contains(our) && their_why.contains(their)
                    // Each is about one direction: the side that accepts gives no reason.
                    && our.is_empty() == our_why.is_empty()
            });
            ensure!(known.is_some(), "{change:#}");
            meant += 1;
        }
    }
    println!("{} changes, {accepted} targets accepted by us, {meant} meant differences", changes.len());
    ensure!(accepted > 0 && accepted < changes.len() * 2);
    Ok(())
}
