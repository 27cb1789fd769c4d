//! `/api/v1/account`: the user's own password and second factor.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ReadErrors, WriteErrors};
use crate::operators::OperatorState;
use crate::operators::caller::{Body, EnrollingCaller, UnverifiedCaller};
use crate::operators::error::ApiError;
use crate::services::{FactorStanding, NewSecret};

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The current password.
    #[schema(max_length = 256)]
    current: String,
    /// The new password: at least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    new: String,
}

/// Change the user's own password. The user's other sessions end.
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

/// The own second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SecondFactor {
    /// When it was set up; null without one.
    since: Option<Timestamp>,
    /// Recovery codes that were not used.
    recovery_codes_left: i64,
    /// Whether the service company requires one.
    required: bool,
}

impl From<FactorStanding> for SecondFactor {
    fn from(s: FactorStanding) -> Self {
        Self { since: s.since, recovery_codes_left: s.recovery_codes_left, required: s.is_required }
    }
}

/// The password, entered again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordAgain {
    #[schema(max_length = 256)]
    password: String,
}

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticatorCode {
    /// Six digits.
    #[schema(min_length = 6, max_length = 64)]
    code: String,
}

/// The secret of an authenticator, shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthenticatorSecret {
    /// Base 32 (RFC 4648).
    secret: String,
    /// `otpauth://totp/...`, for a QR code.
    address: String,
}

impl From<NewSecret> for AuthenticatorSecret {
    fn from(new: NewSecret) -> Self {
        Self { secret: new.secret, address: new.address }
    }
}

/// Recovery codes, shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each works once, in place of a code of the authenticator.
    codes: Vec<String>,
}

/// The own second factor.
#[utoipa::path(
    get, path = "/api/v1/account/second-factor", tag = "people", operation_id = "read_second_factor",
    responses((status = 200, body = SecondFactor, description = "Whether it is on"), ReadErrors)
)]
pub(super) async fn second_factor(
    State(state): State<OperatorState>,
    EnrollingCaller(caller): EnrollingCaller,
) -> Result<Json<SecondFactor>, ApiError> {
    Ok(Json(state.services.second_factors.standing(&caller).await?.into()))
}

/// Start to set up an authenticator. The response contains its secret. It is in use only after a code has confirmed
/// it.
#[utoipa::path(
    post, path = "/api/v1/account/second-factor", tag = "people", operation_id = "begin_second_factor",
    request_body = PasswordAgain,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = AuthenticatorSecret, description = "The secret"), WriteErrors)
)]
pub(super) async fn begin_second_factor(
    State(state): State<OperatorState>,
    EnrollingCaller(caller): EnrollingCaller,
    Body(again): Body<PasswordAgain>,
) -> Result<(StatusCode, Json<AuthenticatorSecret>), ApiError> {
    let new = state.services.second_factors.begin(&caller, &again.password).await?;
    Ok((StatusCode::CREATED, Json(new.into())))
}

/// Turn the second factor on, by a code of the authenticator. The user's other sessions end.
#[utoipa::path(
    post, path = "/api/v1/account/second-factor/confirmation", tag = "people", operation_id = "confirm_second_factor",
    request_body = AuthenticatorCode,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 200, body = RecoveryCodes, description = "It is on; the codes are shown once"), WriteErrors)
)]
pub(super) async fn confirm_second_factor(
    State(state): State<OperatorState>,
    EnrollingCaller(caller): EnrollingCaller,
    Body(given): Body<AuthenticatorCode>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let codes = state.services.second_factors.confirm(&caller, &given.code).await?;
    Ok(Json(RecoveryCodes { codes }))
}

/// Turn off the user's own second factor. The user's other sessions end.
#[utoipa::path(
    post, path = "/api/v1/account/second-factor/removal", tag = "people", operation_id = "remove_second_factor",
    request_body = PasswordAgain,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 204, description = "Off"), WriteErrors)
)]
pub(super) async fn remove_second_factor(
    State(state): State<OperatorState>,
    EnrollingCaller(caller): EnrollingCaller,
    Body(again): Body<PasswordAgain>,
) -> Result<StatusCode, ApiError> {
    state.services.second_factors.remove(&caller, &again.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create new recovery codes; earlier ones no longer work.
#[utoipa::path(
    post, path = "/api/v1/account/recovery-codes", tag = "people", operation_id = "renew_recovery_codes",
    request_body = PasswordAgain,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = RecoveryCodes, description = "The codes, shown once"), WriteErrors)
)]
pub(super) async fn renew_recovery_codes(
    State(state): State<OperatorState>,
    EnrollingCaller(caller): EnrollingCaller,
    Body(again): Body<PasswordAgain>,
) -> Result<(StatusCode, Json<RecoveryCodes>), ApiError> {
    let codes = state.services.second_factors.renew_recovery_codes(&caller, &again.password).await?;
    Ok((StatusCode::CREATED, Json(RecoveryCodes { codes })))
}
