//! `/api/v1/account/password`: one's own password.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::errors::WriteErrors;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, UnverifiedCaller};
use crate::operators::error::ApiError;

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The present one.
    #[schema(max_length = 256)]
    current: String,
    /// The new one: at least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    new: String,
}

/// Change the own password; the user's other sessions end.
#[utoipa::path(
    put, path = "/api/v1/account/password", tag = "people", operation_id = "change_password",
    request_body = PasswordChange,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 204, description = "Changed"), WriteErrors)
)]
pub(super) async fn change_password(
    State(state): State<OperatorState>,
    UnverifiedCaller(caller): UnverifiedCaller,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    state.services.users.change_password(&caller, &change.current, &change.new).await?;
    Ok(StatusCode::NO_CONTENT)
}
