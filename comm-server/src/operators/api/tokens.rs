//! `/api/v1/tokens`: tokens of programs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::Role;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use comm_server_core::tokens::TokenSpec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::errors::{ReadErrors, WriteErrors};
use super::list::List;
use super::states;
use super::users::part;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, PathIds};
use crate::operators::error::ApiError;
use crate::store::{ApiToken, Page};

/// A token of a program.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    token: Uuid,
    name: String,
    #[schema(value_type = states::Role)]
    role: &'static str,
    customer: Option<Uuid>,
    site: Option<Uuid>,
    /// Networks from which it is accepted, separated by spaces; "" for all.
    networks: String,
    created_by: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// When it was last used, to the minute; null if never.
    used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<ApiToken> for Token {
    fn from(t: ApiToken) -> Self {
        let (customer, site) = part(t.spec.account.part);
        Self {
            token: t.id,
            name: t.spec.name,
            role: t.spec.account.role.name(),
            customer,
            site,
            networks: t.spec.networks,
            created_by: t.created_by,
            created_at: t.created_at,
            expires_at: t.spec.expires_at,
            used_at: t.used_at,
            revoked_at: t.revoked_at,
        }
    }
}

/// A token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for; unique.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(value_type = states::Role)]
    role: String,
    /// The only customer that it can access; null for all.
    customer: Option<Uuid>,
    /// The only site that it can access.
    site: Option<Uuid>,
    /// Within the next 366 days.
    expires_at: Timestamp,
    /// Networks from which it is accepted, in CIDR notation, separated by spaces; "" for all.
    #[serde(default)]
    #[schema(max_length = 1000)]
    networks: String,
}

/// A token that was created. It is shown only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenMade {
    token: Uuid,
    /// Send it as `Authorization: Bearer`.
    secret: String,
}

/// Tokens of programs, newest first.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "people", operation_id = "list_tokens",
    responses((status = 200, body = List<Token>, description = "At most 1,000 tokens"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
) -> Result<Json<List<Token>>, ApiError> {
    let items = state.services.tokens.list(&caller.actor).await?;
    Ok(Json(List::of(Page { items, next: None })))
}

/// Create a token.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "people", operation_id = "create_token", request_body = NewToken,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = TokenMade, description = "Made; the secret is shown once"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    let role = new.role.parse::<Role>().map_err(|error| ApiError::malformed(format!("role: {error}")))?;
    let part = Part::of(new.customer.map(CustomerId), new.site.map(SiteId));
    let account = AccountSpec { role, part, full_name: String::new(), mail: String::new() };
    let spec = TokenSpec { name: new.name, account, expires_at: new.expires_at, networks: new.networks };
    let made = state.services.tokens.create(&caller.actor, &spec).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { token: made.id, secret: made.token })))
}

/// Revoke a token; requests with it are rejected from now on.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{token}", tag = "people", operation_id = "revoke_token",
    params(
        ("token" = Uuid, Path, description = "The token's id"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 204, description = "Revoked"), WriteErrors)
)]
pub(super) async fn revoke(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<Uuid>,
) -> Result<StatusCode, ApiError> {
    state.services.tokens.revoke(&caller.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
