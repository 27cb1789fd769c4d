//! Two communication servers on one PostgreSQL behind HAProxy in TCP mode: one is killed during polls,
//! reports and orders. Nothing is lost or executed twice, logins and the cadence are kept, and the daily
//! meter request is made once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use fixtures::postgresql::PostgresqlError;
use tests::balancer::{self, Balancer};
use tests::ledger::books::compare;
use tests::ledger::world::World;
use tests::ledger::{Engine, Spec, audit};
use tests::site::PATIENCE;
use tests::until::until;

/// The servers check for due meters at each full minute.
const A_MINUTE: Duration = Duration::from_secs(75);

#[tokio::test]
async fn one_of_two_servers_is_killed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spec = Spec { servers: 2, gateways: 2, devices_of_gateway: 1, ..Spec::new(Engine::Postgresql, 0, 1) };
    let mut world = match World::start(dir.path(), &spec).await {
        Err(error) if matches!(error.downcast_ref(), Some(PostgresqlError::NotInstalled)) => {
            println!("skipped: {error}");
            return Ok(());
        }
        world => world?,
    };
    if !balancer::is_installed() {
        println!("skipped: HAProxy isn't installed: apt-get install haproxy");
        return Ok(());
    }
    // Between the network's proxy, which resets connections, and the servers.
    let group = |of| world.servers.iter().map(|server| server.address(of)).collect::<Result<Vec<_>>>();
    let groups = [group("gateways")?, group("operators")?];
    let balancer = Balancer::start(&dir.path().join("haproxy"), &groups).await?;
    world.network.lead_to(vec![balancer.address(0)?]);
    world.network.cut();
    let at_each: Vec<_> =
        groups[1].iter().map(|server| world.operator.at(&format!("https://{server}"))).collect();
    world.operator = world.operator.at(&format!("https://{}", balancer.address(1)?));
    until("the first meters", PATIENCE, || async { Ok((done(&world).await? == [1, 1]).then_some(())) })
        .await?;

    // Both servers find both gateways due in the same second.
    sql(&world, "UPDATE gateways SET meters_due_ms = 1")?;
    until("the day's meters", A_MINUTE, || async { Ok((done(&world).await? == [2, 2]).then_some(())) })
        .await?;
    let orders = sql(&world, "SELECT COUNT(*) FROM commands")?;
    assert_eq!(orders, "4", "each gateway was asked at its first poll and once on this day");

    // A login through one server is valid at the other.
    for operator in at_each {
        assert_eq!(operator.list("/api/v1/gateways").await?.len(), 2);
    }
    world.service_call(0, true).await?;
    until("the service call", PATIENCE, || async {
        Ok((open_calls(&world).await? == 1 && interval(&world, 0).await? == Some(60)).then_some(()))
    })
    .await?;

    // Commands await delivery, pages are printed, and one server is down.
    world.print(0, 7).await?;
    world.print(1, 11).await?;
    for gateway in ["gw-1", "gw-2"] {
        let order = serde_json::json!({"gateway": gateway, "order": {"kind": "counter_request"}});
        let made = world.operator.post("/api/v1/commands", &order).await?;
        world
            .truth
            .commands
            .insert(made["command"].as_str().context("no id")?.to_owned(), gateway.to_owned());
    }
    world.kill_server(0)?;
    world.service_call(0, false).await?;
    until("the end of the service call at the other server", PATIENCE, || async {
        Ok((open_calls(&world).await? == 0 && interval(&world, 0).await? == Some(3600)).then_some(()))
    })
    .await?;
    until("the orders' answers", PATIENCE, || async { Ok((done(&world).await? == [3, 3]).then_some(())) })
        .await?;
    until("all reports to be acknowledged", PATIENCE, || async {
        for gateway in 0..2 {
            let lanes = &world.status(gateway).await?["lanes"];
            if ["urgent", "bulk"].iter().any(|lane| lanes[*lane]["waiting"] != 0) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    world.note_lanes().await?;
    let stored = audit::read(&world.database()).await?;
    assert_eq!(compare(&world.truth, &stored), []);
    Ok(())
}

fn sql(world: &World, sql: &str) -> Result<String> {
    Ok(world.postgresql.as_ref().context("no database server")?.sql("platen", sql)?)
}

/// Completed commands of each gateway.
async fn done(world: &World) -> Result<Vec<usize>> {
    let mut done = BTreeMap::from([("gw-1".to_owned(), 0), ("gw-2".to_owned(), 0)]);
    for command in world.operator.list("/api/v1/commands").await? {
        let gateway = command["gateway"].as_str().context("a command without a gateway")?;
        if command["state"] == "done" {
            *done.entry(gateway.to_owned()).or_default() += 1;
        }
    }
    Ok(done.into_values().collect())
}

async fn open_calls(world: &World) -> Result<usize> {
    Ok(world.operator.list("/api/v1/calls?state=open&kind=service_call").await?.len())
}

async fn interval(world: &World, gateway: usize) -> Result<Option<u64>> {
    Ok(world.status(gateway).await?["link"]["interval_s"].as_u64())
}
