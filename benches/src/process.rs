//! Figures of processes from the kernel.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Clock ticks per second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Platen runs on.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds used so far, user and system (proc(5), fields 14 and 15).
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("/proc/PID/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("/proc/PID/stat has no name")?;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_S)
}

/// CPU milliseconds used so far by this process, or by its children that have ended; to the microsecond.
pub(crate) fn own_cpu_ms(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who).context("getrusage")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(f64::from(u32::try_from(micros / 10)?) / 100.0)
}

/// Memory in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The part that is the process's own; the rest is the program's file, which the kernel may drop and read
    /// again.
    pub(crate) own: f64,
    pub(crate) highest: f64,
}

/// The memory of a process, as counted by the kernel.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("/proc/PID/status")?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
    };
    Ok(Memory {
        resident: field("VmRSS:").context("VmRSS")?,
        own: field("RssAnon:").context("RssAnon")?,
        highest: field("VmHWM:").context("VmHWM")?,
    })
}
