//! `/api/v1/quarantine`: reports that could not be used.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{List, PageParams, cursor};
use super::refusals::Reading;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Params};
use crate::operators::refused::Refused;
use crate::operators::role::Act;
use crate::store;

/// A report that was put aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quarantined {
    gateway: String,
    lane: String,
    seq: i64,
    received_at: Timestamp,
    /// Why it can't be used.
    reason: String,
    /// The report as it arrived.
    body: String,
}

impl From<store::Quarantined> for Quarantined {
    fn from(q: store::Quarantined) -> Self {
        Self {
            gateway: q.gateway,
            lane: q.lane,
            seq: q.seq,
            received_at: q.received_at,
            reason: q.reason,
            body: q.body,
        }
    }
}

/// Reports that were put aside, by gateway.
#[utoipa::path(
    get, path = "/api/v1/quarantine", tag = "administration", operation_id = "list_quarantine",
    params(PageParams),
    responses((status = 200, body = List<Quarantined>, description = "A page of reports"), Reading)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<List<Quarantined>>, Refused> {
    caller.may(Act::SeeQuarantine)?;
    let page = state.store().quarantine(&caller.tenant, cursor(params.page.as_deref())?).await?;
    Ok(Json(List::of(page)))
}
