//! `/api/v1/audit`: changes and their authors.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::ReadErrors;
use super::list::{List, PageParams, cursor};
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Params};
use crate::operators::error::ApiError;
use crate::store;
use comm_server_core::roles::Permission;

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    at: Timestamp,
    who: String,
    what: String,
    detail: String,
}

impl From<store::AuditEntry> for AuditEntry {
    fn from(e: store::AuditEntry) -> Self {
        Self { at: e.at, who: e.who, what: e.what, detail: e.detail }
    }
}

/// The audit, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "administration", operation_id = "list_audit", params(PageParams),
    responses((status = 200, body = List<AuditEntry>, description = "A page of entries"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let page = state.view(&caller, Permission::SeeAudit)?.audit(cursor(params.page.as_deref())?).await?;
    Ok(Json(List::of(page)))
}
