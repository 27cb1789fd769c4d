//! The tables' history, embedded: every file of `migrations/` in its order, never edited once released.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr as _};

use super::StoreError;

/// Number, name and SQL of each step.
const STEPS: [(i64, &str, &str); 1] = [(1, "start", include_str!("../../migrations/0001_start.sql"))];

/// Brings the tables to this version.
pub(super) async fn run(pool: &AnyPool) -> Result<(), StoreError> {
    let steps = STEPS.iter().map(|&(number, name, sql)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.collect()).run(pool).await.map_err(StoreError::Migrate)
}
