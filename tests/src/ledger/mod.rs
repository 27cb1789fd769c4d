//! The ledger check: programs are killed, networks cut and disks filled at random, and then the records are
//! compared.
//!
//! Devices print a known number of pages. What they printed, what was acknowledged, what the server stored
//! and what would be billed must be equal.

pub mod audit;
pub mod books;
mod chaos;
pub mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::Serialize;
use serde_json::json;

use crate::until::until;
use books::{Discrepancy, Stored, Truth};
use chaos::Panels;
use world::World;

/// Timeout until everything is acknowledged, on a loaded machine.
const SETTLING: Duration = Duration::from_secs(120);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// A file beside the server.
    Sqlite,
    /// Debian's PostgreSQL, started for this.
    #[value(name = "postgres", alias = "postgresql")]
    Postgresql,
}

/// The parameters of a check.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The database.
    pub engine: Engine,
    /// Number of programs to kill.
    pub kills: u32,
    /// Seed of the choices; when they take effect depends on the machine.
    pub seed: u64,
    /// Communication servers; more than one requires PostgreSQL.
    pub servers: usize,
    /// Gateways.
    pub gateways: usize,
    /// Devices of each gateway.
    pub devices_of_gateway: usize,
}

impl Spec {
    /// One server, three gateways with two devices each.
    #[must_use]
    pub const fn new(engine: Engine, kills: u32, seed: u64) -> Self {
        Self { engine, kills, seed, servers: 1, gateways: 3, devices_of_gateway: 2 }
    }
}

/// Progress of a check.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Programs are started.
    Starting,
    /// This many programs were killed.
    Killed(u32),
    /// Faults have ended; waits until everything is acknowledged.
    Settling,
    /// The records are compared.
    Comparing,
}

/// Counts of what was done and found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Programs killed by SIGKILL.
    pub kills: u32,
    /// Connections that the network reset.
    pub connections_broken: u64,
    /// Disks that were filled; 0 if the system doesn't permit mounting one.
    pub disks_filled: u32,
    /// Crashes of the database server.
    pub database_crashes: u32,
    /// Pages that devices printed.
    pub pages_printed: u64,
    /// Pages that would be billed.
    pub pages_billed: u64,
    /// Service calls that devices raised.
    pub service_calls: usize,
    /// Service calls that the server stored.
    pub service_calls_stored: usize,
    /// Meter requests that the server accepted.
    pub commands: usize,
    /// Reports that gateways made.
    pub reports_made: u64,
    /// Reports that were acknowledged according to the gateways.
    pub reports_acknowledged: u64,
    /// Reports that the server stored.
    pub reports_stored: usize,
    /// Duration in seconds.
    pub seconds: u64,
}

/// The result of a check.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub figures: Figures,
    /// The differences.
    pub discrepancies: Vec<Discrepancy>,
}

/// Disturbs a world in `dir` and compares the records.
///
/// # Errors
/// A part can't be started or doesn't settle; then nothing is proven.
pub async fn check(dir: &Path, spec: &Spec, mut progress: impl FnMut(Progress)) -> Result<Outcome> {
    let began = Instant::now();
    progress(Progress::Starting);
    let mut chance = StdRng::seed_from_u64(spec.seed);
    let mut figures = Figures::default();
    let mut world = World::start(dir, spec).await?;
    let mut panels = Panels::new(world.devices());
    for number in 0..spec.kills {
        chaos::round(&mut world, &mut panels, &mut chance, number, &mut figures)
            .await
            .with_context(|| format!("round {number}"))?;
        progress(Progress::Killed(number + 1));
    }
    progress(Progress::Settling);
    settle(&mut world, &mut panels).await?;
    progress(Progress::Comparing);
    world.check_devices().await?;
    let stored = audit::read(&world.database()).await?;
    let discrepancies = books::compare(&world.truth, &stored);
    figures.connections_broken = world.network.broken();
    fill_in(&mut figures, &world.truth, &stored);
    figures.seconds = began.elapsed().as_secs();
    drop(world);
    Ok(Outcome { figures, discrepancies })
}

/// Ends all calls, orders all meters, and waits until everything made is acknowledged.
async fn settle(world: &mut World, panels: &mut Panels) -> Result<()> {
    let began = Instant::now();
    while !panels.end(world).await.unwrap_or(false) {
        anyhow::ensure!(
            began.elapsed() < SETTLING,
            "service calls are open {} s after the last",
            SETTLING.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let names: Vec<String> = world.gateways.iter().map(|gateway| gateway.name.clone()).collect();
    for gateway in names {
        let order = json!({"gateway": gateway, "order": {"kind": "counter_request"}});
        let made = until("an order for the last meters", SETTLING, || async {
            world.operator.post("/api/v1/commands", &order).await.map(Some)
        });
        let made = made.await?["command"].as_str().context("a command without an id")?.to_owned();
        world.truth.commands.insert(made, gateway);
    }
    until("all commands to be done", SETTLING, || async {
        let commands = world.operator.list("/api/v1/commands").await?;
        let open = commands.iter().filter(|command| command["state"] != "done").count();
        if open > 0 {
            anyhow::bail!("{open} commands are not done");
        }
        Ok(Some(()))
    })
    .await?;
    until("all reports to be acknowledged", SETTLING, || async {
        for number in 0..world.gateways.len() {
            let status = world.status(number).await?;
            for lane in ["urgent", "bulk"] {
                if status["lanes"][lane]["waiting"] != 0 {
                    return Ok(None);
                }
            }
        }
        Ok(Some(()))
    })
    .await?;
    world.note_lanes().await
}

fn fill_in(figures: &mut Figures, truth: &Truth, stored: &Stored) {
    figures.pages_printed = truth.devices.values().map(|device| device.printed).sum();
    figures.pages_billed = truth.devices.keys().filter_map(|device| books::billed(stored, device)).sum();
    figures.service_calls = truth.devices.values().map(|device| device.service_calls).sum();
    figures.service_calls_stored = stored.calls.iter().filter(|call| call.kind == "service_call").count();
    figures.commands = truth.commands.len();
    figures.reports_made = truth.lanes.values().map(|lane| lane.made).sum();
    figures.reports_acknowledged = truth.lanes.values().map(|lane| lane.acknowledged).sum();
    figures.reports_stored = stored.reports.len();
}
