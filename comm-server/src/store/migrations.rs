//! The tables' history, embedded: every file of `migrations/` in its order, never edited once released.

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr as _};

use super::{DEFAULT_TENANT, StoreError, failed};

/// Number, name and SQL of each step.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "start", include_str!("../../migrations/0001_start.sql")),
    (10, "enrolments", include_str!("../../migrations/0010_enrolments.sql")),
    (20, "sightings", include_str!("../../migrations/0020_sightings.sql")),
];
];

/// Brings the tables to this version, and makes the tenant of gateways that nobody has assigned.
pub(super) async fn run(pool: &AnyPool) -> Result<(), StoreError> {
    let steps = STEPS.iter().map(|&(number, name, sql)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.collect()).run(pool).await.map_err(StoreError::Migrate)?;
    sqlx::query(
        "INSERT INTO tenants (tenant, name, created_ms) VALUES ($1, $1, $2) ON CONFLICT (tenant) DO NOTHING",
    )
    .bind(DEFAULT_TENANT)
    .bind(Timestamp::now().as_millisecond())
    .execute(pool)
    .await
    .map_err(failed("the first tenant"))?;
    Ok(())
}
