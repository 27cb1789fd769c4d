//! A server that knows a million gateways, and is polled as they would poll: each hour, one in a hundred each minute.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, GATEWAYS, POLLS, engines};
use crate::figures::Figures;
use crate::process::memory;

/// Gateways that the server knows.
const KNOWN: u32 = 1_000_000;

/// Polls in a second of so many gateways: 990,000 each hour and 10,000 each minute.
const PER_SECOND: &str = "445";

/// How much longer than the other loads.
const LONGER: u64 = 4;

impl Bench {
    /// What holding many gateways takes: memory, a part of the CPU, and how long polls wait.
    pub(super) fn many_known(&self, figures: &mut Figures) -> Result<()> {
        // Its tables are made by a first start.
        drop(self.comm_server("known", None)?);
        // The second start has another address.
        std::fs::remove_file(self.dir.join("known").join("addresses.json"))?;
        engines::make_known(&self.dir.join("known").join("platen.db"), KNOWN)?;
        let ours = self.comm_server("known", None)?;
        let fresh = memory(ours.pid()?)?.resident;
        self.run(&ours, &POLLS)?;
        let busy = memory(ours.pid()?)?.resident;
        let note =
            format!("{KNOWN} gateways and as many devices known; {busy:.1} after the polls of {GATEWAYS}");
        figures.print("memory of a server that knows many", fresh, "MiB", &note);
        let (longer, began) = ((self.seconds * LONGER).to_string(), Instant::now());
        let open = ["--reporting", "0", "--per-second", PER_SECOND];
        let (measured, cpu) = self.run_for(&longer, &ours, &open)?;
        let number = |key: &str| measured[key].as_f64().unwrap_or_default();
        let note = format!(
            "of a CPU at {PER_SECOND} polls a second by {GATEWAYS} identities in turn, a new handshake each: \
             {} answered, {} refused, {} failed, p50 {:.1} ms, p99 {:.1} ms",
            number("answered"),
            number("refused"),
            number("failed"),
            number("p50_ms"),
            number("p99_ms")
        );
        let part = 100.0 * cpu / began.elapsed().as_secs_f64();
        figures.print("a million gateways", part, "%", &note);
        Ok(())
    }
}
