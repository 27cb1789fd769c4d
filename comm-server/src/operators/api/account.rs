//! `/api/v1/account/password`: one's own password.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::refusals::Changing;
use crate::operators::caller::{Body, Newcomer};
use crate::operators::refused::Refused;
use crate::operators::{OperatorState, people};

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
    params(("x-csrf-token" = String, Header, description = "The session's `csrf`")),
    responses((status = 204, description = "Changed"), Changing)
)]
pub(super) async fn change_password(
    State(state): State<OperatorState>,
    Newcomer(caller): Newcomer,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Refused> {
    people::change_password(&state, &caller, &change.current, &change.new).await?;
    Ok(StatusCode::NO_CONTENT)
}
