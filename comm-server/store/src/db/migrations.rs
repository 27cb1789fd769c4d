//! The migrations, embedded: every file of `migrations/` in order. A released file is never edited.

use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, AssertSqlSafe, SqlSafeStr as _};

use super::engine::{self, Engine};
use super::{StoreError, failed, row};

/// Number, name and SQL of each migration.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "start", include_str!("../../migrations/0001_start.sql")),
    (2, "retention", include_str!("../../migrations/0002_retention.sql")),
    (3, "spool_life", include_str!("../../migrations/0003_spool_life.sql")),
    (10, "enrolments", include_str!("../../migrations/0010_enrolments.sql")),
    (20, "sightings", include_str!("../../migrations/0020_sightings.sql")),
    (21, "audit_by_time", include_str!("../../migrations/0021_audit_by_time.sql")),
    (30, "changes_of_sessions", include_str!("../../migrations/0030_changes_of_sessions.sql")),
    (31, "storage_problem", include_str!("../../migrations/0031_storage_problem.sql")),
    (32, "gateway_clock", include_str!("../../migrations/0032_gateway_clock.sql")),
    (40, "rollout_reasons", include_str!("../../migrations/0040_rollout_reasons.sql")),
    (50, "login_failures", include_str!("../../migrations/0050_login_failures.sql")),
    (51, "enrollments", include_str!("../../migrations/0051_enrollments.sql")),
    (60, "customers", include_str!("../../migrations/0060_customers.sql")),
    (61, "audit", include_str!("../../migrations/0061_audit.sql")),
    (62, "audit_chain", include_str!("../../migrations/0062_audit_chain.sql")),
    (63, "users", include_str!("../../migrations/0063_users.sql")),
    (64, "api_tokens", include_str!("../../migrations/0064_api_tokens.sql")),
    (70, "readings_name_their_report", include_str!("../../migrations/0070_readings_name_their_report.sql")),
    (71, "assets", include_str!("../../migrations/0071_assets.sql")),
    (75, "second_factor", include_str!("../../migrations/0075_second_factor.sql")),
    (76, "password_times", include_str!("../../migrations/0076_password_times.sql")),
    (77, "idempotency_keys", include_str!("../../migrations/0077_idempotency_keys.sql")),
    (78, "tenants", include_str!("../../migrations/0078_tenants.sql")),
    (80, "updated", include_str!("../../migrations/0080_updated.sql")),
];

/// Number of the newest migration of this program.
pub(crate) fn newest() -> i64 {
    STEPS.iter().map(|&(number, ..)| number).max().unwrap_or(0)
}

/// Number of the newest migration of the database; 0 for an empty one.
///
/// # Errors
/// The query failed.
pub(crate) async fn version(pool: &AnyPool) -> Result<i64, StoreError> {
    // One message, which a pooler may give to any session.
    let found = sqlx::raw_sql("SELECT COALESCE(MAX(version), 0) AS version FROM _sqlx_migrations");
    match found.fetch_one(pool).await {
        Ok(found) => row::number(&found, "version"),
        // The table of steps is made by the first of them: without it, there is none.
        Err(sqlx::Error::Database(error)) if error.message().contains("_sqlx_migrations") => Ok(0),
        Err(error) => Err(failed("read schema version")(error)),
    }
}

/// As [`run`], if the URL connects to the engine itself. Through a pooler nothing is migrated: the lock that keeps
/// two servers apart would be taken in one session and released in another, and so stay taken.
///
/// # Errors
/// As [`run`]; through a pooler, the tables have another version.
pub(crate) async fn bring(engine: Engine, pool: &AnyPool, url: &str) -> Result<(), StoreError> {
    if !engine::is_pooled(url) {
        return run(engine, pool).await;
    }
    match version(pool).await? {
        given if given > newest() => Err(StoreError::Newer { given, known: newest() }),
        given if given < newest() => Err(StoreError::Pooled { given, known: newest() }),
        _ => Ok(()),
    }
}

/// Migrates the tables to this version, and creates the default tenant and the provider's.
pub(crate) async fn run(engine: Engine, pool: &AnyPool) -> Result<(), StoreError> {
    run_to(engine, pool, newest()).await?;
    for tenant in [TenantId::default_tenant(), TenantId::provider()] {
        sqlx::query(
            "INSERT INTO tenants (tenant, name, created_ms) VALUES ($1, $1, $2) \
             ON CONFLICT (tenant) DO NOTHING",
        )
        .bind(tenant.to_string())
        .bind(Timestamp::now().as_millisecond())
        .execute(pool)
        .await
        .map_err(failed("insert tenant"))?;
    }
    Ok(())
}

/// Migrates the tables up to one migration; tables that are newer are not changed.
pub(crate) async fn run_to(engine: Engine, pool: &AnyPool, last: i64) -> Result<(), StoreError> {
    let steps = STEPS.iter().filter(|&&(number, ..)| number <= last).map(|&(number, name, sql)| {
        let sql = AssertSqlSafe(engine.tables(sql).into_owned()).into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, sql, false)
    });
    let done = Migrator::with_migrations(steps.collect()).run(pool).await;
    if let Err(MigrateError::VersionMissing(given)) = done {
        return Err(StoreError::Newer { given, known: newest() });
    }
    done.map_err(|error| StoreError::Migrate(error.into()))
}
