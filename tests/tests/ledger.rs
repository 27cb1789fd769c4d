//! Ten kills on each engine: nothing is missing, nothing is duplicated.

#![expect(clippy::print_stderr, reason = "the figures of a run, and what could not be tested")]

use anyhow::Result;
use fixtures::postgresql::PostgresqlError;
use tests::ledger::{Engine, Spec, check};

const KILLS: u32 = 10;

async fn shake(spec: Spec) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let outcome = match check(dir.path(), &spec, |_| ()).await {
        Err(error) if matches!(error.downcast_ref(), Some(PostgresqlError::NotInstalled)) => {
            eprintln!("skipped: {error}");
            return Ok(());
        }
        outcome => outcome?,
    };
    let figures = &outcome.figures;
    eprintln!("{figures:?}");
    assert_eq!(outcome.discrepancies, [], "seed {}: {figures:?}", spec.seed);
    // A run without disturbances proves nothing.
    assert_eq!(figures.kills, KILLS);
    assert!(figures.pages_printed > 0 && figures.service_calls > 0 && figures.commands > 3, "{figures:?}");
    assert!(figures.connections_broken > 0, "{figures:?}");
    if figures.disks_filled == 0 {
        eprintln!("skipped: no disk was filled, this user may not mount one");
    }
    Ok(())
}

#[tokio::test]
async fn ten_kills_on_sqlite() -> Result<()> {
    shake(Spec::new(Engine::Sqlite, KILLS, 5)).await
}

#[tokio::test]
async fn ten_kills_on_postgresql() -> Result<()> {
    shake(Spec::new(Engine::Postgresql, KILLS, 5)).await
}
