//! Both cores over a simulated LAN, network, disk and clock: weeks with outages, power cuts, requests that arrive
//! late, devices that move and clocks that jump. The gateways are the real state machines of site and uplink; the
//! server is the decisions of its core. `invariant.rs` lists the invariants.
//!
//! `PLATEN_SEEDS=5000` runs the seeds 0 to 4999, `PLATEN_SEED=7` that one only.

#![expect(clippy::unwrap_used, reason = "a simulated message that can't be read fails the seed")]

mod disk;
mod faults;
mod gateway;
mod invariant;
mod lan;
mod link;
mod network;
mod server;
mod tamper;
mod world;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use invariant::Violation;
use tamper::{Nothing, Tamper};
use world::{Summary, week};

/// Default number of seeds.
const SEEDS: u64 = 60;

#[test]
fn every_invariant_holds_in_any_week() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PLATEN_SEED") {
        match week(seed, &nothing) {
            Ok(summary) => println!("{summary:?}"),
            Err(violation) => panic!("{violation}"),
        }
        return;
    }
    let all = weeks(number("PLATEN_SEEDS").unwrap_or(SEEDS)).unwrap_or_else(|(seed, violation)| {
        panic!(
            "{violation}\nrun it again: PLATEN_SEED={seed} cargo nextest run -p tests --test simulation --no-capture"
        )
    });
    println!("{all:?}");
    let Summary { reports, calls, commands, lost, late, duplicates, cuts, jumps, full, problems, losses } =
        all;
    let counts = [reports, calls, commands, lost, late, duplicates, cuts, jumps, full, problems, losses];
    assert!(counts.iter().all(|count| *count > 0), "a simulation without trouble proves nothing: {all:?}");
}

fn nothing() -> Box<dyn Tamper> {
    Box::new(Nothing)
}

/// Runs weeks on all processors; returns the first seed that fails, with its violation.
fn weeks(seeds: u64) -> Result<Summary, (u64, Violation)> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut all = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return Ok(all);
            }
            match week(seed, &nothing) {
                Ok(summary) => all.add(&summary),
                Err(violation) => return Err((seed, violation)),
            }
        }
    };
    let mut all = Summary::default();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.add(&worker.join().unwrap()?);
        }
        Ok(all)
    })
}
