//! Rows of API tokens.

use comm_server_core::accounts::AccountSpec;
use comm_server_core::tenancy::{CustomerId, Part, Scope, TenantId};
use comm_server_core::tokens::TokenSpec;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "api_tokens";

/// A token of a program; the token itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: Uuid,
    /// The fields as entered.
    pub spec: TokenSpec,
    /// The author.
    pub created_by: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiToken {
    /// The part of the tree that it can access.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(self.tenant.clone(), self.spec.account.part)
    }
}

pub(crate) fn of(found: &AnyRow) -> Result<ApiToken, StoreError> {
    let name = row::text(found, "name")?;
    let customer: Option<CustomerId> = row::parsed_or_none(found, (TABLE, "scope_customer"), &name)?;
    let site = row::parsed_or_none(found, (TABLE, "scope_site"), &name)?;
    let account = AccountSpec {
        role: row::parsed(found, (TABLE, "role"), &name)?,
        part: Part::of(customer, site),
        full_name: String::new(),
        mail: String::new(),
    };
    Ok(ApiToken {
        tenant: row::parsed(found, (TABLE, "tenant"), &name)?,
        id: row::parsed(found, (TABLE, "token"), &name)?,
        created_by: row::text(found, "created_by")?,
        created_at: row::time(found, "created_ms")?,
        used_at: row::maybe_time(found, "used_ms")?,
        revoked_at: row::maybe_time(found, "revoked_ms")?,
        spec: TokenSpec {
            expires_at: row::time(found, "expires_ms")?,
            networks: row::text(found, "networks")?,
            name,
            account,
        },
    })
}

/// A token by its hash, whichever active tenant it belongs to.
pub(crate) async fn by_hash(
    connection: &mut AnyConnection,
    token_hash: &str,
) -> Result<Option<ApiToken>, StoreError> {
    let active = sql::of_active_tenant("tenant");
    let sql = format!("SELECT * FROM api_tokens WHERE token_hash = $1{active}");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(token_hash.to_owned())
        .fetch_optional(connection)
        .await
        .map_err(failed("read API token"))?;
    found.as_ref().map(of).transpose()
}

/// Tokens whose access lies within a scope, newest first; at most 1,000.
pub(crate) async fn all(connection: &mut AnyConnection, scope: &Scope) -> Result<Vec<ApiToken>, StoreError> {
    let within = sql::user_within(scope);
    let sql =
        format!("SELECT * FROM api_tokens u WHERE u.tenant = $1{within} ORDER BY u.token DESC LIMIT 1000");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read API tokens"))?;
    rows.iter().map(of).collect()
}

/// Inserts a token; false if one with that name exists. `customer` is that of the token's site.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    (tenant, id): (&TenantId, Uuid),
    (spec, customer): (&TokenSpec, Option<CustomerId>),
    token_hash: &str,
    (by, now): (&str, Timestamp),
) -> Result<bool, StoreError> {
    let (_, site) = Part::ids(spec.account.part);
    let done = sqlx::query(
        "INSERT INTO api_tokens (tenant, token, name, token_hash, role, scope_customer, scope_site, networks, \
         created_by, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (tenant, name) DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(spec.name.clone())
    .bind(token_hash.to_owned())
    .bind(spec.account.role.name())
    .bind(row::text_or_empty(customer.as_ref()))
    .bind(row::text_or_empty(site.as_ref()))
    .bind(spec.networks.clone())
    .bind(by.to_owned())
    .bind(now.as_millisecond())
    .bind(spec.expires_at.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert API token"))?;
    Ok(done.rows_affected() == 1)
}

/// Records the use of a token.
pub(crate) async fn set_used(
    connection: &mut AnyConnection,
    (tenant, id): (&TenantId, Uuid),
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE api_tokens SET used_ms = $3 WHERE tenant = $1 AND token = $2")
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(now.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("update API token"))?;
    Ok(())
}

/// Revokes a token within a scope; returns its name, `None` if there is no valid one.
pub(crate) async fn revoke(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let within = sql::user_within(scope);
    let sql = format!(
        "UPDATE api_tokens AS u SET revoked_ms = $3 WHERE u.tenant = $1{within} AND u.token = $2 \
         AND u.revoked_ms IS NULL RETURNING name"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(id.to_string())
        .bind(now.as_millisecond())
        .fetch_optional(connection)
        .await
        .map_err(failed("update API token"))?;
    found.as_ref().map(|r| row::text(r, "name")).transpose()
}
