//! The console with generated data in Chromium: user actions while a page refreshes, and the contents of a plot.

#[path = "../examples/console/fleet.rs"]
mod fleet;
#[path = "../examples/console/start.rs"]
mod start;
#[path = "../examples/console/work.rs"]
mod work;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use platen_comm_server::store::Store;
use platen_comm_server::store::testing::Database;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A device that was read eight times within a minute.
const MINUTE: &str = "
    INSERT INTO devices (tenant, gateway, device, vendor, model, serial, first_seen_ms)
     VALUES ('default', 'gw-berlin-1', 'ricoh:MINUTE', 'ricoh', 'RICOH IM C3000', 'MINUTE', 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
    INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit)
     SELECT 'default', 'gw-berlin-1', 'ricoh:MINUTE', 'total', 1796000000000 + i * 6000, 500 + i, '1.3', 500 + i, 'impressions'
      FROM n";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_a_page_while_it_refreshes() -> Result<()> {
    let Some(modules) = std::env::var_os("PLATEN_NODE_MODULES").map(PathBuf::from).filter(|p| p.is_dir())
    else {
        eprintln!("skipped: PLATEN_NODE_MODULES names no folder with playwright-core; ./test installs it");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    drop(Store::open_detached(&url).await?);
    fleet::store(&url, 0, Timestamp::now()).await?;
    let database = Database::connect(&url).await?;
    database.execute(MINUTE).await?;
    database.close().await;
    let console = start::Console::listen(dir.path(), &url, "127.0.0.1:0").await?;
    let (address, password) = (console.address, console.one_time.clone());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(console.serve(shutdown.clone()));

    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let config = json!({"console": format!("https://{address}"), "user": "admin", "password": password,
        "modules": modules, "screenshots": screenshots});
    let file = dir.path().join("console.json");
    std::fs::write(&file, config.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/console.mjs");
    let output =
        tokio::process::Command::new("node").arg(script).arg(&file).output().await.context("no node")?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    shutdown.cancel();
    serving.await?;
    Ok(())
}
