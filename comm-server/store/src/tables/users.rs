//! Rows of users.

use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::Role;
use comm_server_core::tenancy::{CustomerId, Part, Scope, SiteId, TenantId, UserName};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::AccountRef;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "users";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tenant.
    pub tenant: TenantId,
    /// Login name.
    pub name: UserName,
    /// `administrator`, `viewer`, ...
    pub role: Role,
    /// The part of the tree that the user can access; `None` for all of it.
    pub part: Option<Part>,
    /// The person's name, "" for none.
    pub full_name: String,
    /// The person's mail address, "" for none.
    pub mail: String,
    /// argon2id, PHC string; "" before the first password is chosen.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// When the password was set; `None` if that was before this was recorded.
    pub password_at: Option<Timestamp>,
    /// When the user was disabled.
    pub disabled_at: Option<Timestamp>,
    /// Whether a second factor was set up.
    pub has_second_factor: bool,
    /// Increases by one with each change of the account.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl User {
    /// The part of the tree that the user can access.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(self.tenant.clone(), self.part)
    }

    /// The account as entered.
    #[must_use]
    pub fn spec(&self) -> AccountSpec {
        AccountSpec {
            role: self.role,
            part: self.part,
            full_name: self.full_name.clone(),
            mail: self.mail.clone(),
        }
    }
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name.
    pub name: UserName,
    /// Role, part of the tree, and the other fields as entered.
    pub spec: AccountSpec,
    /// argon2id, PHC string; "" for a user who is invited.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// When it is created.
    pub created_at: Timestamp,
}

pub(crate) fn of(row: &AnyRow) -> Result<User, StoreError> {
    let name: UserName = row::parsed(row, (TABLE, "name"), "a row")?;
    let customer: Option<CustomerId> = row::parsed_or_none(row, (TABLE, "scope_customer"), name.as_str())?;
    let site: Option<SiteId> = row::parsed_or_none(row, (TABLE, "scope_site"), name.as_str())?;
    Ok(User {
        tenant: row::parsed(row, (TABLE, "tenant"), name.as_str())?,
        role: row::parsed(row, (TABLE, "role"), name.as_str())?,
        part: Part::of(customer, site),
        full_name: row::text(row, "full_name")?,
        mail: row::text(row, "mail")?,
        password_hash: row::text(row, "password_hash")?,
        must_change: row::flag(row, "must_change")?,
        password_at: row::maybe_time(row, "password_ms")?,
        disabled_at: row::maybe_time(row, "disabled_ms")?,
        has_second_factor: row::flag(row, "has_second_factor")?,
        version: row::number(row, "version")?,
        created_at: row::time(row, "created_ms")?,
        name,
    })
}

/// A user of a tenant.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
) -> Result<Option<User>, StoreError> {
    within(connection, &Scope::of_tenant(tenant.clone()), name).await
}

/// A user without access outside of a scope.
pub(crate) async fn within(
    connection: &mut AnyConnection,
    scope: &Scope,
    name: &UserName,
) -> Result<Option<User>, StoreError> {
    let within = sql::user_within(scope);
    let sql = format!("SELECT * FROM users u WHERE u.tenant = $1{within} AND u.name = $2");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(name.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read user"))?;
    found.as_ref().map(of).transpose()
}

/// Whether a tenant has any user.
pub(crate) async fn any(connection: &mut AnyConnection, tenant: &TenantId) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT name FROM users WHERE tenant = $1 LIMIT 1")
        .bind(tenant.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read users"))?;
    Ok(found.is_some())
}

/// A user by the login name, whichever tenant it is in. A user of a disabled tenant is disabled.
pub(crate) async fn by_login(
    connection: &mut AnyConnection,
    name: &UserName,
) -> Result<Option<User>, StoreError> {
    let found = sqlx::query(
        "SELECT u.*, t.disabled_ms AS tenant_disabled_ms FROM users u JOIN tenants t ON t.tenant = u.tenant \
         WHERE u.name = $1",
    )
    .bind(name.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed("read user"))?;
    let Some(found) = found else { return Ok(None) };
    let user = of(&found)?;
    let disabled_at = user.disabled_at.or(row::maybe_time(&found, "tenant_disabled_ms")?);
    Ok(Some(User { disabled_at, ..user }))
}

/// The number of those of the whole tenant who keep its logins and can log in, except one.
pub(crate) async fn heads(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    besides: Option<&UserName>,
) -> Result<i64, StoreError> {
    let found = sqlx::query(
        "SELECT COUNT(*) AS heads FROM users WHERE tenant = $1 AND role = $2 AND scope_customer = '' \
         AND scope_site = '' AND disabled_ms IS NULL AND password_hash <> '' AND name <> $3",
    )
    .bind(tenant.to_string())
    .bind(Role::head_of(tenant).name())
    .bind(row::text_or_empty(besides))
    .fetch_one(connection)
    .await
    .map_err(failed("count administrators"))?;
    row::number(&found, "heads")
}

/// Whether some user has chosen a password of their own.
pub(crate) async fn any_own_password(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    let own =
        sqlx::query("SELECT must_change FROM users WHERE must_change = 0 AND password_hash <> '' LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(failed("read users"))?;
    Ok(own.is_some())
}

/// The columns for a part of the tree; a site is stored with its customer.
fn columns(part: Option<Part>, customer: Option<CustomerId>) -> (String, String) {
    match part {
        None => (String::new(), String::new()),
        Some(Part::Customer(id)) => (id.to_string(), String::new()),
        Some(Part::Site(id)) => (row::text_or_empty(customer.as_ref()), id.to_string()),
    }
}

/// Inserts a user; `false` if the name exists, in whichever tenant. `customer` is that of the user's site.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: &NewUser,
    customer: Option<CustomerId>,
) -> Result<bool, StoreError> {
    let (scope_customer, scope_site) = columns(new.spec.part, customer);
    let done = sqlx::query(
        "INSERT INTO users (tenant, name, role, password_hash, must_change, created_ms, full_name, mail, \
         scope_customer, scope_site) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(new.name.to_string())
    .bind(new.spec.role.name())
    .bind(new.password_hash.clone())
    .bind(i64::from(new.must_change))
    .bind(new.created_at.as_millisecond())
    .bind(new.spec.full_name.clone())
    .bind(new.spec.mail.clone())
    .bind(scope_customer)
    .bind(scope_site)
    .execute(connection)
    .await
    .map_err(failed("insert user"))?;
    Ok(done.rows_affected() == 1)
}

/// Stores a change of an account. `customer` is that of the user's site.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    (spec, customer): (&AccountSpec, Option<CustomerId>),
    disabled_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let (scope_customer, scope_site) = columns(spec.part, customer);
    sqlx::query(
        "UPDATE users SET role = $3, full_name = $4, mail = $5, scope_customer = $6, scope_site = $7, \
         disabled_ms = $8, version = version + 1 WHERE tenant = $1 AND name = $2",
    )
    .bind(tenant.to_string())
    .bind(name.to_string())
    .bind(spec.role.name())
    .bind(spec.full_name.clone())
    .bind(spec.mail.clone())
    .bind(scope_customer)
    .bind(scope_site)
    .bind(disabled_at.map(Timestamp::as_millisecond))
    .execute(connection)
    .await
    .map_err(failed("update user"))?;
    Ok(())
}

/// Stores a password; `false` if the user doesn't exist.
pub(crate) async fn set_password(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    password_hash: String,
    (must_change, now): (bool, Timestamp),
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE users SET password_hash = $3, must_change = $4, password_ms = $5 \
         WHERE tenant = $1 AND name = $2",
    )
    .bind(tenant.to_string())
    .bind(name.to_string())
    .bind(password_hash)
    .bind(i64::from(must_change))
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update user"))?;
    Ok(done.rows_affected() == 1)
}

/// Locks a user's row, so that login attempts at several servers are counted one after the other.
pub(crate) async fn lock(connection: &mut AnyConnection, of: AccountRef<'_>) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET name = name WHERE tenant = $1 AND name = $2")
        .bind(of.tenant.to_string())
        .bind(row::text_or_empty(of.user))
        .execute(connection)
        .await
        .map_err(failed("lock user"))?;
    Ok(())
}

/// Stores whether a user has a second factor.
pub(crate) async fn set_second_factor(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    has: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET has_second_factor = $3 WHERE tenant = $1 AND name = $2")
        .bind(tenant.to_string())
        .bind(name.to_string())
        .bind(i64::from(has))
        .execute(connection)
        .await
        .map_err(failed("update user"))?;
    Ok(())
}
