//! The disturbances: each round prints, breaks something at a random moment, and restores it.

use std::time::Duration;

use anyhow::{Context, Result};
use fixtures::fault_proxy::Network;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Figures;
use super::world::World;

/// What is broken in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    Gateway(usize),
    Server(usize),
    /// A gateway, while its disk is full.
    FullGateway(usize),
    /// A server, while its disk is full.
    FullServer(usize),
    /// A server and its database.
    Database(usize),
}

/// Rounds between two rounds with a full disk.
const FILL_EACH: u32 = 5;

/// Rounds between two crashes of the database server.
const CRASH_EACH: u32 = 4;

/// Which devices have an open service call.
#[derive(Debug, Default)]
pub(super) struct Panels(Vec<bool>);

impl Panels {
    pub(super) fn new(devices: usize) -> Self {
        Self(vec![false; devices])
    }

    /// Toggles some service calls whose last change the server has received: a change that was never read would not
    /// be a call.
    async fn turn_some(&mut self, world: &mut World, chance: &mut StdRng) -> Result<()> {
        let Ok(open) = world.operator.list("/api/v1/calls?kind=service_call&state=open").await else {
            return Ok(());
        };
        for device in 0..self.0.len() {
            let id = world.device_id(device)?;
            let seen = open.iter().any(|call| call["device"] == id.as_str());
            let on = self.0.get_mut(device).context("no such device")?;
            if seen == *on && chance.random_bool(0.6) {
                *on = !*on;
                world.service_call(device, *on).await?;
            }
        }
        Ok(())
    }

    /// Ends all service calls that the server has received; returns whether none is left open.
    pub(super) async fn end(&mut self, world: &mut World) -> Result<bool> {
        let open = world.operator.list("/api/v1/calls?kind=service_call&state=open").await?;
        for device in 0..self.0.len() {
            let id = world.device_id(device)?;
            let seen = open.iter().any(|call| call["device"] == id.as_str());
            let on = self.0.get_mut(device).context("no such device")?;
            if *on && seen {
                *on = false;
                world.service_call(device, false).await?;
            }
        }
        Ok(open.is_empty() && self.0.iter().all(|on| !on))
    }
}

/// One round; it kills one program.
pub(super) async fn round(
    world: &mut World,
    panels: &mut Panels,
    chance: &mut StdRng,
    number: u32,
    figures: &mut Figures,
) -> Result<()> {
    panels.turn_some(world, chance).await?;
    for device in 0..world.devices() {
        if chance.random_bool(0.5) {
            world.print(device, chance.random_range(1..50)).await?;
        }
    }
    order_meters(world, chance).await?;
    let network = network(chance);
    world.network.set(network);
    if chance.random_bool(0.3) {
        world.network.cut();
    }
    // The moment of the kill is random on purpose: anything may be in progress.
    tokio::time::sleep(Duration::from_millis(chance.random_range(0..700))).await;
    let what = choose(world, chance, number);
    shake(world, what, chance, figures).await?;
    world.network.set(Network::Good);
    figures.kills += 1;
    Ok(())
}

/// An operator orders the meters of a gateway; if the request is rejected during the disturbance, there is no
/// command.
async fn order_meters(world: &mut World, chance: &mut StdRng) -> Result<()> {
    let number = chance.random_range(0..world.gateways.len());
    let gateway = world.gateways.get(number).context("no such gateway")?.name.clone();
    let order = serde_json::json!({"gateway": gateway, "order": {"kind": "counter_request"}});
    if let Ok(made) = world.operator.post("/api/v1/commands", &order).await {
        let command = made["command"].as_str().context("a command without an id")?;
        world.truth.commands.insert(command.to_owned(), gateway);
    }
    Ok(())
}

fn network(chance: &mut StdRng) -> Network {
    match chance.random_range(0..6) {
        0 => Network::Delayed(Duration::from_millis(chance.random_range(5..80))),
        1 => Network::Cutting { after: chance.random_range(1..12_000) },
        2 => Network::Frozen,
        3 => Network::Down,
        _ => Network::Good,
    }
}

fn choose(world: &World, chance: &mut StdRng, number: u32) -> Break {
    let gateway = chance.random_range(0..world.gateways.len());
    let server = chance.random_range(0..world.servers.len());
    if world.has_small_disks() && number % FILL_EACH == FILL_EACH - 1 {
        let sqlite = world.postgresql.is_none();
        return if sqlite && chance.random_bool(0.5) {
            Break::FullServer(server)
        } else {
            Break::FullGateway(gateway)
        };
    }
    if world.postgresql.is_some() && number % CRASH_EACH == CRASH_EACH - 2 {
        return Break::Database(server);
    }
    if chance.random_bool(0.5) { Break::Gateway(gateway) } else { Break::Server(server) }
}

async fn shake(world: &mut World, what: Break, chance: &mut StdRng, figures: &mut Figures) -> Result<()> {
    let mut pause =
        async |most: u64| tokio::time::sleep(Duration::from_millis(chance.random_range(0..most))).await;
    match what {
        Break::Gateway(number) => {
            world.kill_gateway(number)?;
            pause(200).await;
            world.start_gateway(number)
        }
        Break::Server(number) => {
            world.kill_server(number)?;
            pause(300).await;
            world.start_server(number)
        }
        Break::FullGateway(number) => {
            let ballast = world.fill_gateway(number)?;
            figures.disks_filled += u32::from(ballast.is_some());
            pause(900).await;
            world.kill_gateway(number)?;
            drop(ballast);
            world.start_gateway(number)
        }
        Break::FullServer(number) => {
            let ballast = world.fill_server(number)?;
            figures.disks_filled += u32::from(ballast.is_some());
            pause(900).await;
            world.kill_server(number)?;
            drop(ballast);
            world.start_server(number)
        }
        Break::Database(number) => {
            let server = world.postgresql.as_mut().context("no database server")?;
            server.crash()?;
            figures.database_crashes += 1;
            pause(300).await;
            world.kill_server(number)?;
            world.postgresql.as_mut().context("no database server")?.start_again()?;
            world.start_server(number)
        }
    }
}
