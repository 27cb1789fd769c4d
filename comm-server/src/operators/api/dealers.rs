//! `/api/v1/dealers`: the dealers of a server, for its provider.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, NoFilter, PageParams, Paged};
use super::users::OneTimeLink;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Patch, PathIds};
use crate::operators::error::ApiError;
use crate::operators::precondition::{Precondition, created, versioned};
use crate::services::FirstAdministrator;
use crate::store;

/// A dealer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dealer {
    /// Its id, which never changes.
    dealer: String,
    name: String,
    /// Since when its people and programs are kept out; null while it is active.
    disabled_at: Option<Timestamp>,
    /// It grows by one with each change; the `ETag` of the dealer.
    version: i64,
    created_at: Timestamp,
}

impl From<store::Dealer> for Dealer {
    fn from(d: store::Dealer) -> Self {
        Self {
            dealer: d.id.into(),
            name: d.name,
            disabled_at: d.disabled_at,
            version: d.version,
            created_at: d.created_at,
        }
    }
}

/// A dealer to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDealer {
    /// Its id, unique: `--dealer` of the command lines.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    dealer: String,
    /// Unique among dealers.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// The fields of a dealer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DealerFields {
    name: String,
    disabled: bool,
}

/// The fields of a dealer that change (RFC 7396).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a merge patch, which is applied as JSON")]
pub(super) struct DealerPatch {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A disabled dealer's logins and API tokens are refused; its gateways are acknowledged, and get no commands.
    disabled: Option<bool>,
}

/// The first administrator of a dealer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAdministrator {
    /// Login name, unique over all dealers.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    full_name: String,
    #[serde(default)]
    #[schema(max_length = 254)]
    mail: String,
}

/// Dealers by id.
#[utoipa::path(
    get, path = "/api/v1/dealers", tag = "dealers", operation_id = "list_dealers", params(PageParams),
    responses((status = 200, body = List<Dealer>, description = "A page of dealers"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(NoFilter {}, page): Paged<NoFilter>,
) -> Result<Json<List<Dealer>>, ApiError> {
    let position = (page.cursor(), page.rows());
    Ok(Json(List::of(state.services.dealers.list(&caller.actor, position).await?)))
}

/// One dealer.
#[utoipa::path(
    get, path = "/api/v1/dealers/{dealer}", tag = "dealers", operation_id = "read_dealer",
    params(("dealer" = String, Path, description = "The dealer's id")),
    responses((status = 200, body = Dealer, description = "The dealer; `ETag` is its version"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<TenantId>,
) -> Result<(HeaderMap, Json<Dealer>), ApiError> {
    let found = state.services.dealers.read(&caller.actor, &id).await?;
    Ok((versioned(found.version), Json(found.into())))
}

/// Create a dealer.
#[utoipa::path(
    post, path = "/api/v1/dealers", tag = "dealers", operation_id = "create_dealer", request_body = NewDealer,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = Dealer, description = "Created; `Location` is its address"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewDealer>,
) -> Result<(StatusCode, HeaderMap, Json<Dealer>), ApiError> {
    let dealers = &state.services.dealers;
    let id = dealers.create(&caller.actor, &new.dealer, &new.name).await?;
    let made = dealers.read(&caller.actor, &id).await?;
    Ok((StatusCode::CREATED, created(&format!("/api/v1/dealers/{id}"), made.version), Json(made.into())))
}

/// Rename, disable or enable a dealer.
#[utoipa::path(
    patch, path = "/api/v1/dealers/{dealer}", tag = "dealers", operation_id = "change_dealer",
    request_body(content = DealerPatch, content_type = "application/merge-patch+json"),
    params(
        ("dealer" = String, Path, description = "The dealer's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change was made from, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = Dealer, description = "As it is now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<TenantId>,
    patch: Patch,
) -> Result<(HeaderMap, Json<Dealer>), ApiError> {
    let dealers = &state.services.dealers;
    let current = dealers.read(&caller.actor, &id).await?;
    let version = precondition.check(current.version)?;
    let fields = DealerFields { disabled: current.disabled_at.is_some(), name: current.name };
    let DealerFields { name, disabled } = patch.apply(&fields)?;
    dealers.change(&caller.actor, &id, version, (&name, disabled)).await?;
    let now = dealers.read(&caller.actor, &id).await?;
    Ok((versioned(now.version), Json(now.into())))
}

/// Invite the first administrator of a dealer, who chooses a password by the one-time link in the answer. Refused once the
/// dealer has an administrator who can log in.
#[utoipa::path(
    post, path = "/api/v1/dealers/{dealer}/administrator", tag = "dealers",
    operation_id = "invite_first_administrator", request_body = NewAdministrator,
    params(
        ("dealer" = String, Path, description = "The dealer's id"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 201, body = OneTimeLink, description = "Invited; the link is shown once"), WriteErrors)
)]
pub(super) async fn invite(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<TenantId>,
    Body(new): Body<NewAdministrator>,
) -> Result<(StatusCode, Json<OneTimeLink>), ApiError> {
    let NewAdministrator { name, full_name, mail } = new;
    let first = FirstAdministrator { name, full_name, mail };
    let invited = state.services.dealers.invite_first(&caller.actor, &id, &first).await?;
    Ok((StatusCode::CREATED, Json(invited.into())))
}
