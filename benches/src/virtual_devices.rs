//! Virtual devices for another program to read, without a site.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use tests::program::Running;

/// Port of their agents.
pub(crate) const PORT: u16 = 1161;

/// Starts this many devices from this address on, without simulated work, so that all readings are alike.
pub(crate) fn start(base: Ipv4Addr, devices: u16, dir: &Path) -> Result<Running> {
    let ready = dir.join("ready.json");
    let arguments = [
        "--lan",
        &devices.to_string(),
        "--base",
        &base.to_string(),
        "--snmp-port",
        &PORT.to_string(),
        "--firmware-port",
        "0",
        "--speed",
        "0",
        "--ready-file",
        &ready.display().to_string(),
    ];
    let mut running = Running::start("platen-mfp", &arguments, dir)?;
    running.wait_for(&ready)?;
    Ok(running)
}

/// A /20 of loopback that depends on this process, so that two runs don't collide.
pub(crate) fn network() -> Ipv4Addr {
    let [.., b, c] = std::process::id().wrapping_mul(16).to_be_bytes();
    Ipv4Addr::new(127, 96 | (b & 31), c & 0xf0, 0)
}
