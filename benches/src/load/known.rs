//! A server with a million gateways, polled at their rate: hourly, one in a hundred each minute.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, GATEWAYS, POLLS, engines};
use crate::figures::Figures;
use crate::process::memory;

/// Gateways in the database.
const KNOWN: u32 = 1_000_000;

/// Polls per second of this many gateways: 990,000 hourly and 10,000 each minute.
const PER_SECOND: &str = "445";

/// Factor by which this load is longer than the others.
const LONGER: u64 = 4;

impl Bench {
    /// The cost of many gateways: memory, CPU share, and the latency of polls.
    pub(super) fn many_known(&self, figures: &mut Figures) -> Result<()> {
        // A first start creates the tables.
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
