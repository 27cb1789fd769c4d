//! `discover --dry-run`: the addresses that would be probed, and how long that takes.

use std::io::{self, Write};

use gateway_core::search::ADDRESSES;
use serde_json::json;

use crate::discovery::{Pace, Search};

/// Prints the plan.
pub(super) fn print(
    out: &mut dyn Write,
    search: &Search,
    pace: Pace,
    names: &[String],
    json: bool,
) -> io::Result<()> {
    let estimate = search.estimate(pace);
    let parts = search.sweep.parts.iter();
    if json {
        let networks: Vec<_> = parts
            .map(|part| json!({"addresses": part.span.to_string(), "port": part.port, "swept": part.swept}))
            .collect();
        let exclude: Vec<_> = search.sweep.exclude.iter().map(ToString::to_string).collect();
        let plan = json!({
            "networks": networks, "exclude": exclude, "names": names, "addresses": estimate.addresses,
            "packets": estimate.packets, "packets_per_s": pace.packets_per_s, "time_s": estimate.time.as_secs(),
            "limit": u64::try_from(ADDRESSES).unwrap_or(u64::MAX),
        });
        return writeln!(out, "{plan}");
    }
    for part in parts {
        let how = if part.swept { "swept" } else { "only devices that announce themselves are probed" };
        writeln!(out, "{:<32} port {:<5} {how}", part.span.to_string(), part.port)?;
    }
    for span in &search.sweep.exclude {
        writeln!(out, "{:<32} excluded", span.to_string())?;
    }
    for name in names {
        writeln!(out, "{name:<32} by name, not in the sweep")?;
    }
    writeln!(
        out,
        "{} addresses; {} packets if none responds, {} s at {} packets a second. Nothing was sent.",
        estimate.addresses,
        estimate.packets,
        estimate.time.as_secs(),
        pace.packets_per_s
    )
}
