//! `/api/v1/audit`: changes and their authors, and whether their chain is intact.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use comm_server_core::audit::{Broken, Fault, Known};
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::errors::ReadErrors;
use super::list::{List, PageParams, Paged, limited};
use crate::operators::OperatorState;
use crate::operators::audit_body;
use crate::operators::caller::{Caller, Params};
use crate::operators::error::ApiError;
use crate::services::{AuditFormat, EXPORT_ENTRIES};
use crate::store;

/// The longest author, bytes.
const WHO_BYTES: usize = 200;

/// The longest kind, bytes.
const WHAT_BYTES: usize = 64;

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    entry: String,
    at: Timestamp,
    who: String,
    what: String,
    /// A text for people.
    detail: String,
    /// The object before the change; null if it was created, or if the entry is not about a change.
    before: Option<Value>,
    /// The object after the change; null if it was deleted.
    after: Option<Value>,
    /// Its position in the chain, from 1; null for some seconds, until it is sealed.
    number: Option<i64>,
    /// SHA-256 over the entry and the hash before it, hexadecimal; null until it is sealed.
    hash: Option<String>,
}

impl From<store::Recorded> for AuditEntry {
    fn from(e: store::Recorded) -> Self {
        Self {
            entry: e.entry,
            at: e.at,
            who: e.who,
            what: e.what,
            detail: e.detail,
            before: e.before,
            after: e.after,
            number: e.number,
            hash: e.hash,
        }
    }
}

/// The filter and position of a list of entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only entries at or after this time.
    from: Option<Timestamp>,
    /// Only entries before this time.
    to: Option<Timestamp>,
    /// Only entries of this author: a user, `cli`, `server` or a gateway.
    #[param(max_length = 200)]
    who: Option<String>,
    /// Only entries of this kind, such as `rollout.create`, or of a group of kinds, such as `rollout`.
    #[param(max_length = 64)]
    what: Option<String>,
}

/// The filter of an export.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// Only entries at or after this time.
    from: Option<Timestamp>,
    /// Only entries before this time.
    to: Option<Timestamp>,
    /// Only entries of this author.
    #[param(max_length = 200)]
    who: Option<String>,
    /// Only entries of this kind or group of kinds.
    #[param(max_length = 64)]
    what: Option<String>,
}

impl ExportParams {
    fn filter(self) -> Result<store::AuditFilter, ApiError> {
        limited("who", self.who.as_deref(), WHO_BYTES)?;
        limited("what", self.what.as_deref(), WHAT_BYTES)?;
        Ok(store::AuditFilter { from: self.from, to: self.to, who: self.who, what: self.what })
    }
}

/// The audit, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "administration", operation_id = "list_audit", params(AuditParams, PageParams),
    responses((status = 200, body = List<AuditEntry>, description = "A page of entries"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<AuditParams>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let AuditParams { from, to, who, what } = params;
    let filter = ExportParams { from, to, who, what }.filter()?;
    let view = page.of(state.view(&caller, Permission::SeeAudit)?);
    Ok(Json(List::of(view.audit(&filter, page.cursor()).await?)))
}

/// The fault of the first entry at which the chain is broken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuditFault {
    Missing,
    Repeated,
    Changed,
    BehindHead,
    NotHead,
    NotKnown,
}

impl From<Fault> for AuditFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing => Self::Missing,
            Fault::Repeated => Self::Repeated,
            Fault::Changed => Self::Changed,
            Fault::BehindHead => Self::BehindHead,
            Fault::NotHead => Self::NotHead,
            Fault::NotKnown => Self::NotKnown,
        }
    }
}

/// The first entry at which the chain is broken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditBroken {
    number: u64,
    fault: AuditFault,
    /// The fault as a text for people.
    detail: String,
}

impl From<Broken> for AuditBroken {
    fn from(broken: Broken) -> Self {
        Self { number: broken.number, fault: broken.fault.into(), detail: broken.to_string() }
    }
}

/// The state of the chain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditChain {
    /// Whether all entries are as they were recorded.
    whole: bool,
    /// Number of the newest sealed entry.
    number: u64,
    /// Its hash. Store both elsewhere, and pass them as `known` later.
    hash: String,
    /// Number of the oldest entry that is kept; retention deleted those before it.
    first_number: u64,
    /// Null if the chain is intact.
    broken: Option<AuditBroken>,
}

impl From<store::AuditChain> for AuditChain {
    fn from(chain: store::AuditChain) -> Self {
        Self {
            whole: chain.broken.is_none(),
            number: chain.head.number,
            hash: chain.head.hash.to_string(),
            first_number: chain.head.first_number,
            broken: chain.broken.map(Into::into),
        }
    }
}

/// An earlier state of the chain.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KnownParams {
    /// `number` and `hash` of an earlier response, joined by a colon. The entry with that number must still have that
    /// hash.
    #[param(max_length = 100)]
    known: Option<String>,
}

/// Verify the chain of the audit.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", tag = "administration", operation_id = "verify_audit", params(KnownParams),
    responses((status = 200, body = AuditChain, description = "Whether it is intact"), ReadErrors)
)]
pub(super) async fn verify(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<KnownParams>,
) -> Result<Json<AuditChain>, ApiError> {
    let known = params.known.as_deref().map(str::parse::<Known>).transpose();
    let known = known.map_err(|error| ApiError::malformed(format!("known: {error}")))?;
    Ok(Json(state.services.audit.verify(&caller.actor, known).await?.into()))
}

/// Entries as a CSV table (RFC 4180) in the order of their numbers, at most 1,000,000.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "administration", operation_id = "export_audit", params(ExportParams),
    responses((status = 200, body = String, content_type = "text/csv", description = "The table"), ReadErrors)
)]
pub(super) async fn export(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<ExportParams>,
) -> Result<impl IntoResponse, ApiError> {
    let export = state.services.audit.export(&caller.actor, params.filter()?, Some(EXPORT_ENTRIES)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
    ];
    Ok((headers, audit_body::body(AuditFormat::Csv.head(), export)))
}
