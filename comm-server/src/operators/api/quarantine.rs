//! `/api/v1/quarantine`: reports that could not be used.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::GatewayId;
use wire::report::Lane;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, NoFilter, PageParams, Paged};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller};
use crate::operators::error::ApiError;
use crate::store;
use comm_server_core::roles::Permission;

/// A quarantined report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quarantined {
    gateway: String,
    #[schema(value_type = states::LaneName)]
    lane: Lane,
    seq: i64,
    received_at: Timestamp,
    /// Why it can't be used.
    reason: String,
    /// The report as received.
    body: String,
}

impl From<store::Quarantined> for Quarantined {
    fn from(q: store::Quarantined) -> Self {
        Self {
            gateway: q.gateway.into(),
            lane: q.lane,
            seq: q.seq,
            received_at: q.received_at,
            reason: q.reason,
            body: q.body,
        }
    }
}

/// Quarantined reports, by gateway.
#[utoipa::path(
    get, path = "/api/v1/quarantine", tag = "administration", operation_id = "list_quarantine",
    params(PageParams),
    responses((status = 200, body = List<Quarantined>, description = "A page of reports"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(NoFilter {}, page): Paged<NoFilter>,
) -> Result<Json<List<Quarantined>>, ApiError> {
    let view = page.of(state.view(&caller, Permission::SeeQuarantine)?);
    Ok(Json(List::of(view.quarantine(page.cursor()).await?)))
}

/// The reports to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// Those of this gateway; all if absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    gateway: Option<GatewayId>,
}

/// The result of a replay.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Number of reports that were stored and left the quarantine.
    taken: u64,
    /// Number of reports that still can't be used.
    kept: u64,
}

/// Process quarantined reports again, after an update of this server, and store those that can be used now.
#[utoipa::path(
    post, path = "/api/v1/quarantine/replay", tag = "administration", operation_id = "replay_quarantine",
    request_body = Replay,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 200, body = Replayed, description = "Tried"), WriteErrors)
)]
pub(super) async fn replay(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(which): Body<Replay>,
) -> Result<Json<Replayed>, ApiError> {
    let done = state.services.quarantine.replay(&caller.actor, which.gateway.as_ref()).await?;
    Ok(Json(Replayed { taken: done.taken, kept: done.kept }))
}
