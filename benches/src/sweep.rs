//! A /20 on loopback swept by `platen-gateway discover` and by onesixtyone, at the same packet rate.

use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::UsageWho;

use crate::figures::Figures;
use crate::{process, virtual_devices};

/// Prints time, CPU and devices found of each.
pub(crate) fn measure(devices: u16, pps: u32, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let network = virtual_devices::network();
    let [a, b, c, _] = network.octets();
    let running = virtual_devices::start(std::net::Ipv4Addr::new(a, b, c, 1), devices, dir.path())?;
    let (cidr, port) = (format!("{network}/20"), virtual_devices::PORT.to_string());
    // onesixtyone waits whole milliseconds.
    let gap_ms = 1000 / pps;
    let rate = (1000 / gap_ms).to_string();
    figures.print(
        "addresses of the sweep",
        4094.0,
        "addresses",
        &format!("{devices} devices, {rate} packets/s"),
    );
    let gateway = tests::program::path("platen-gateway")?;
    let mut own = Command::new(gateway);
    own.args([
        "discover",
        &cidr,
        "--port",
        &port,
        "--pps",
        &rate,
        "--retries",
        "0",
        "--concurrency",
        "4096",
        "--json",
    ]);
    sweep(figures, "platen-gateway discover", "whole readings of what answers", &mut own)?;
    let mut peer = Command::new("onesixtyone");
    peer.args(["-p", &port, "-w", &gap_ms.to_string(), &cidr, "public"]);
    sweep(figures, "onesixtyone", "sysDescr of what answers", &mut peer)?;
    running.stop()
}

fn sweep(figures: &mut Figures, name: &str, note: &str, command: &mut Command) -> Result<()> {
    let (cpu, began) = (process::own_cpu_ms(UsageWho::RUSAGE_CHILDREN)?, Instant::now());
    let output: Output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            figures.skip(name);
            return Ok(());
        }
        Err(error) => return Err(error).context(name.to_owned()),
    };
    let took = began.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let cpu = process::own_cpu_ms(UsageWho::RUSAGE_CHILDREN)? - cpu;
    let printed = String::from_utf8_lossy(&output.stdout);
    // Each prints a line per device that begins with its address or is an object that contains it.
    let found = printed.lines().filter(|line| line.starts_with("127.") || line.starts_with('{')).count();
    figures.print(&format!("sweep by {name}: found"), f64::from(u32::try_from(found)?), "devices", note);
    figures.print(&format!("sweep by {name}: time"), took, "s", "");
    figures.print(&format!("sweep by {name}: CPU"), cpu, "ms", "");
    Ok(())
}
