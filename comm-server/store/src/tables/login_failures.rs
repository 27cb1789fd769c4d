//! Rows of failed logins, by account and source.

use comm_server_core::logins::{Failures, Source};
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::AccountRef;
use crate::db::{StoreError, failed, row};

/// Failures from a source, and of the whole account.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) own: Option<Failures>,
    pub(crate) account: Option<Failures>,
}

/// The failures from a source, and of the account.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    of: AccountRef<'_>,
    source: &Source,
) -> Result<Counted, StoreError> {
    let rows = sqlx::query(
        "SELECT source, failures, last_ms FROM login_failures \
         WHERE tenant = $1 AND user_name = $2 AND source IN ($3, $4)",
    )
    .bind(of.tenant.to_string())
    .bind(row::text_or_empty(of.user))
    .bind(source.key())
    .bind(Source::ACCOUNT)
    .fetch_all(connection)
    .await
    .map_err(failed("read login failures"))?;
    let mut counted = Counted::default();
    for found in rows {
        let count = u32::try_from(row::number(&found, "failures")?).unwrap_or(u32::MAX);
        let failures = Failures { count, last: row::time(&found, "last_ms")? };
        if row::text(&found, "source")? == Source::ACCOUNT {
            counted.account = Some(failures);
        } else {
            counted.own = Some(failures);
        }
    }
    Ok(counted)
}

/// Stores failures of an existing account; for another one, the same work is done without effect.
pub(crate) async fn upsert(
    connection: &mut AnyConnection,
    of: AccountRef<'_>,
    key: String,
    failures: Failures,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO login_failures (tenant, user_name, source, failures, last_ms) \
         SELECT tenant, name, $3, $4, $5 FROM users WHERE tenant = $1 AND name = $2 \
         ON CONFLICT (tenant, user_name, source) DO UPDATE \
         SET failures = excluded.failures, last_ms = excluded.last_ms",
    )
    .bind(of.tenant.to_string())
    .bind(row::text_or_empty(of.user))
    .bind(key)
    .bind(i64::from(failures.count))
    .bind(failures.last.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("upsert login failures"))?;
    Ok(())
}

/// Deletes the failures from a source.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    of: AccountRef<'_>,
    source: &Source,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_failures WHERE tenant = $1 AND user_name = $2 AND source = $3")
        .bind(of.tenant.to_string())
        .bind(row::text_or_empty(of.user))
        .bind(source.key())
        .execute(connection)
        .await
        .map_err(failed("delete login failures"))?;
    Ok(())
}

/// Deletes all failures of an account.
pub(crate) async fn delete_of_account(
    connection: &mut AnyConnection,
    of: AccountRef<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_failures WHERE tenant = $1 AND user_name = $2")
        .bind(of.tenant.to_string())
        .bind(row::text_or_empty(of.user))
        .execute(connection)
        .await
        .map_err(failed("delete login failures"))?;
    Ok(())
}

/// Deletes failures of which the last one was at or before a time.
pub(crate) async fn delete_before(connection: &mut AnyConnection, time: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_failures WHERE last_ms <= $1")
        .bind(time.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("delete login failures"))?;
    Ok(())
}
