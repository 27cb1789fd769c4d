//! `/api/v1/users`: accounts of people, their one-time links and sessions.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::{NoSuchRole, Role};
use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged, limited};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Patch, PathIds};
use crate::operators::error::ApiError;
use crate::operators::precondition::{Precondition, created, versioned};
use crate::services::Invited;
use crate::store;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    /// Login name.
    name: String,
    #[schema(value_type = states::Role)]
    role: &'static str,
    /// The only customer that the user can access; null for all.
    customer: Option<Uuid>,
    /// The only site that the user can access.
    site: Option<Uuid>,
    full_name: String,
    mail: String,
    /// When the user was disabled; null if enabled.
    disabled_at: Option<Timestamp>,
    /// Whether the user has chosen a password.
    has_password: bool,
    /// Whether the user logs in with a second factor.
    has_second_factor: bool,
    /// Increases by one with each change; the `ETag` of the user.
    version: i64,
    created_at: Timestamp,
}

/// The ids of a part.
pub(super) fn part(part: Option<Part>) -> (Option<Uuid>, Option<Uuid>) {
    let (customer, site) = Part::ids(part);
    (customer.map(|id| id.0), site.map(|id| id.0))
}

impl From<store::User> for User {
    fn from(u: store::User) -> Self {
        let (customer, site) = part(u.part);
        Self {
            name: u.name.into(),
            role: u.role.name(),
            customer,
            site,
            full_name: u.full_name,
            mail: u.mail,
            disabled_at: u.disabled_at,
            has_password: !u.password_hash.is_empty(),
            has_second_factor: u.has_second_factor,
            version: u.version,
            created_at: u.created_at,
        }
    }
}

impl From<store::ListedUser> for User {
    fn from(listed: store::ListedUser) -> Self {
        listed.user.into()
    }
}

/// The fields of an account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFields {
    role: String,
    #[serde(default)]
    customer: Option<Uuid>,
    #[serde(default)]
    site: Option<Uuid>,
    #[serde(default)]
    full_name: String,
    #[serde(default)]
    mail: String,
    #[serde(default)]
    disabled: bool,
}

impl AccountFields {
    fn of(user: &store::User) -> Self {
        let (customer, site) = part(user.part);
        Self {
            role: user.role.name().to_owned(),
            customer,
            site,
            full_name: user.full_name.clone(),
            mail: user.mail.clone(),
            disabled: user.disabled_at.is_some(),
        }
    }

    /// If both a customer and a site are given, the site is used.
    fn spec(self) -> Result<AccountSpec, ApiError> {
        let unknown = |error: NoSuchRole| ApiError::malformed(format!("role: {error}"));
        let role: Role = self.role.parse().map_err(unknown)?;
        let part = Part::of(self.customer.map(CustomerId), self.site.map(SiteId));
        Ok(AccountSpec { role, part, full_name: self.full_name, mail: self.mail })
    }
}

/// A user to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Login name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[schema(value_type = states::Role)]
    role: String,
    /// The only customer that the user can access; absent for all.
    customer: Option<Uuid>,
    /// The only site that the user can access.
    site: Option<Uuid>,
    #[serde(default)]
    #[schema(max_length = 200)]
    full_name: String,
    #[serde(default)]
    #[schema(max_length = 254)]
    mail: String,
}

/// The fields of a user that change (RFC 7396).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a merge patch, which is applied as JSON")]
pub(super) struct AccountPatch {
    role: Option<states::Role>,
    customer: Option<Uuid>,
    site: Option<Uuid>,
    #[schema(max_length = 200)]
    full_name: Option<String>,
    #[schema(max_length = 254)]
    mail: Option<String>,
    /// A disabled user can't log in, and the user's sessions end.
    disabled: Option<bool>,
}

/// A one-time link. It is shown only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneTimeLink {
    user: String,
    /// Path on the console at which the user chooses a password.
    path: String,
    expires_at: Timestamp,
}

impl From<Invited> for OneTimeLink {
    fn from(invited: Invited) -> Self {
        Self { path: invited.path(), user: invited.user.into(), expires_at: invited.expires_at }
    }
}

/// A session of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserSession {
    created_at: Timestamp,
    /// When it ends if it is not used until then.
    expires_at: Timestamp,
    /// Address from which it was started.
    address: String,
    /// `User-Agent` of the program.
    agent: String,
}

/// The filter and position of a list of users.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UserParams {
    /// Only those with this text in a name or the mail address.
    #[param(max_length = 100)]
    q: Option<String>,
}

/// Users by login name.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "people", operation_id = "list_users", params(UserParams, PageParams),
    responses((status = 200, body = List<User>, description = "A page of users"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<UserParams>,
) -> Result<Json<List<User>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default();
    Ok(Json(List::of(state.services.accounts.list(&caller.actor, text, (page.cursor(), page.rows())).await?)))
}

/// One user.
#[utoipa::path(
    get, path = "/api/v1/users/{user}", tag = "people", operation_id = "read_user",
    params(("user" = String, Path, description = "The login name")),
    responses((status = 200, body = User, description = "The user; `ETag` is its version"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<String>,
) -> Result<(HeaderMap, Json<User>), ApiError> {
    let found = state.services.accounts.read(&caller.actor, &name).await?;
    Ok((versioned(found.version), Json(found.into())))
}

/// Create a user. The response contains a one-time link at which the user chooses a password.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "people", operation_id = "create_user", request_body = NewAccount,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = OneTimeLink, description = "Created; the link is shown once"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, HeaderMap, Json<OneTimeLink>), ApiError> {
    let NewAccount { name, role, customer, site, full_name, mail } = new;
    let fields = AccountFields { role, customer, site, full_name, mail, disabled: false };
    let invited = state.services.accounts.create(&caller.actor, &name, &fields.spec()?).await?;
    let headers = created(&format!("/api/v1/users/{}", invited.user), 1);
    Ok((StatusCode::CREATED, headers, Json(invited.into())))
}

/// Change a user.
#[utoipa::path(
    patch, path = "/api/v1/users/{user}", tag = "people", operation_id = "change_user",
    request_body(content = AccountPatch, content_type = "application/merge-patch+json"),
    params(
        ("user" = String, Path, description = "The login name"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = User, description = "As it is now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(name): PathIds<String>,
    patch: Patch,
) -> Result<(HeaderMap, Json<User>), ApiError> {
    let accounts = &state.services.accounts;
    let current = accounts.read(&caller.actor, &name).await?;
    let version = precondition.check(current.version)?;
    let fields: AccountFields = patch.apply(&AccountFields::of(&current))?;
    let disabled = fields.disabled;
    accounts.change(&caller.actor, &name, version, (&fields.spec()?, disabled)).await?;
    let now = accounts.read(&caller.actor, &name).await?;
    Ok((versioned(now.version), Json(now.into())))
}

/// Create a new one-time link for a user; earlier ones no longer work.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/invitation", tag = "people", operation_id = "invite_user",
    params(
        ("user" = String, Path, description = "The login name"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 201, body = OneTimeLink, description = "Made; it is shown once"), WriteErrors)
)]
pub(super) async fn invite(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<String>,
) -> Result<(StatusCode, Json<OneTimeLink>), ApiError> {
    let invited = state.services.accounts.invite(&caller.actor, &name).await?;
    Ok((StatusCode::CREATED, Json(invited.into())))
}

/// The sessions of a user, newest first.
#[utoipa::path(
    get, path = "/api/v1/users/{user}/sessions", tag = "people", operation_id = "list_sessions",
    params(("user" = String, Path, description = "The login name")),
    responses((status = 200, body = List<UserSession>, description = "At most 100 sessions"), ReadErrors)
)]
pub(super) async fn sessions(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<String>,
) -> Result<Json<List<UserSession>>, ApiError> {
    let items = state.services.accounts.sessions(&caller.actor, &name).await?;
    Ok(Json(List::of(store::Page { items, next: None })))
}

impl From<store::OpenSession> for UserSession {
    fn from(s: store::OpenSession) -> Self {
        Self { created_at: s.created_at, expires_at: s.expires_at, address: s.address, agent: s.agent }
    }
}

/// End all sessions of a user.
#[utoipa::path(
    delete, path = "/api/v1/users/{user}/sessions", tag = "people", operation_id = "end_sessions",
    params(
        ("user" = String, Path, description = "The login name"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 204, description = "Ended"), WriteErrors)
)]
pub(super) async fn end_sessions(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<String>,
) -> Result<StatusCode, ApiError> {
    state.services.accounts.end_sessions(&caller.actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove the second factor of a user who lost it, and end the user's sessions.
#[utoipa::path(
    delete, path = "/api/v1/users/{user}/second-factor", tag = "people", operation_id = "reset_second_factor",
    params(
        ("user" = String, Path, description = "The login name"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 204, description = "Removed"), WriteErrors)
)]
pub(super) async fn reset_second_factor(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<String>,
) -> Result<StatusCode, ApiError> {
    state.services.accounts.reset_second_factor(&caller.actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
