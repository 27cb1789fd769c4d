//! Rows of tenants: the dealers of a server, and the provider's own, which no list shows.

use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::db::{Engine, StoreError, failed, row};

const TABLE: &str = "tenants";

/// A dealer: a tenant that a provider keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealer {
    /// Its id, which never changes.
    pub id: TenantId,
    /// Its name, unique over the server.
    pub name: String,
    /// Since when it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// It grows by one with each change.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

fn dealer(found: &AnyRow) -> Result<Dealer, StoreError> {
    let name = row::text(found, "name")?;
    Ok(Dealer {
        id: row::parsed(found, (TABLE, "tenant"), &name)?,
        disabled_at: row::maybe_time(found, "disabled_ms")?,
        version: row::number(found, "version")?,
        created_at: row::time(found, "created_ms")?,
        name,
    })
}

/// Locks a tenant until the end of the transaction, so that two servers can't check a condition and write at the same
/// time.
pub(crate) async fn lock(connection: &mut AnyConnection, tenant: &TenantId) -> Result<(), StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    sqlx::query(AssertSqlSafe(format!("SELECT tenant FROM tenants WHERE tenant = $1{locking}")))
        .bind(tenant.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("lock tenant"))?;
    Ok(())
}

/// A dealer; the provider's tenant is none.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    id: &TenantId,
) -> Result<Option<Dealer>, StoreError> {
    let found = sqlx::query("SELECT * FROM tenants WHERE tenant = $1 AND tenant <> $2")
        .bind(id.to_string())
        .bind(TenantId::provider().to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read tenant"))?;
    found.as_ref().map(dealer).transpose()
}

/// Dealers by id after one, at most `limit`.
pub(crate) async fn after(
    connection: &mut AnyConnection,
    id: &str,
    limit: i64,
) -> Result<Vec<Dealer>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM tenants WHERE tenant <> $1 AND tenant > $2 ORDER BY tenant LIMIT $3")
            .bind(TenantId::provider().to_string())
            .bind(id.to_owned())
            .bind(limit)
            .fetch_all(connection)
            .await
            .map_err(failed("read tenants"))?;
    rows.iter().map(dealer).collect()
}

/// The id of the dealer that has a name.
pub(crate) async fn named(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<TenantId>, StoreError> {
    let found = sqlx::query("SELECT tenant FROM tenants WHERE name = $1")
        .bind(name.to_owned())
        .fetch_optional(connection)
        .await
        .map_err(failed("read tenant"))?;
    found.as_ref().map(|r| row::parsed(r, (TABLE, "tenant"), name)).transpose()
}

/// Inserts a dealer; false if its id or its name is taken.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    (id, name): (&TenantId, &str),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO tenants (tenant, name, created_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(id.to_string())
    .bind(name.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert tenant"))?;
    Ok(done.rows_affected() == 1)
}

/// Stores name and state of a dealer.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    id: &TenantId,
    name: &str,
    disabled_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE tenants SET name = $2, disabled_ms = $3, version = version + 1 WHERE tenant = $1")
        .bind(id.to_string())
        .bind(name.to_owned())
        .bind(disabled_at.map(Timestamp::as_millisecond))
        .execute(connection)
        .await
        .map_err(failed("update tenant"))?;
    Ok(())
}
