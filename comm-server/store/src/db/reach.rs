//! Checks that a database is reachable before it is used: reports the cause within seconds, and creates nothing.

use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection as _};

use super::engine::{Engine, file_of, place};
use super::{StoreError, migrations};

/// Timeout of the check.
const PATIENCE: Duration = Duration::from_secs(5);

/// What must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: what is missing will be created.
    Nothing,
    /// The database.
    Database,
    /// The database, with tables in it.
    Tables,
}

/// Whether a URL is that of a supported database; opens nothing.
///
/// # Errors
/// It isn't.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    Engine::of(url).map(drop)
}

/// Connects to a database once, without creating or changing anything.
///
/// # Errors
/// The URL is wrong, the database is unreachable or missing, its tables are newer than this program, or what `needs`
/// names is missing.
pub async fn reach(url: &str, needs: Needs) -> Result<(), StoreError> {
    sqlx::any::install_default_drivers();
    let (_, mut url) = Engine::of(url)?;
    if let Some(file) = file_of(&url) {
        check_file(&file, needs)?;
        if !file.exists() {
            return Ok(());
        }
        url = url.replace("mode=rwc", "mode=rw");
    }
    let version = connected(&url).await?;
    if version > migrations::newest() {
        return Err(StoreError::Newer { given: version, known: migrations::newest() });
    }
    if version == 0 && needs == Needs::Tables {
        return Err(StoreError::NoTables { place: place(&url) });
    }
    Ok(())
}

fn check_file(file: &Path, needs: Needs) -> Result<(), StoreError> {
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    match needs {
        _ if file.exists() => Ok(()),
        _ if !folder.exists() => Err(StoreError::NoFolder { folder }),
        Needs::Nothing => Ok(()),
        Needs::Database | Needs::Tables => Err(StoreError::NoDatabase { path: file.to_owned() }),
    }
}

/// Reads the version of the tables over a separate connection.
async fn connected(url: &str) -> Result<i64, StoreError> {
    let opening = async {
        // A single connection reports why it was refused; a pool retries and reports a timeout only.
        AnyConnection::connect(url).await?.close().await?;
        AnyPoolOptions::new().max_connections(1).connect(url).await
    };
    let open = |error: sqlx::Error| StoreError::Open { place: place(url), source: error.into() };
    let pool = match tokio::time::timeout(PATIENCE, opening).await {
        Ok(pool) => pool.map_err(open)?,
        Err(_) => return Err(StoreError::Silent { place: place(url), seconds: PATIENCE.as_secs() }),
    };
    let version = migrations::version(&pool).await;
    pool.close().await;
    version
}
