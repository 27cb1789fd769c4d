//! `POST /v1/reports/{lane}`: a batch of reports in sequence, answered once it is on the disk.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request;
use axum::response::Response;
use comm_server_core::ingest::{self, GatewayClock};
use runtime::problem_response::ProblemResponse;
use wire::limits::BATCH_BYTES;
use wire::problem::ProblemCode;
use wire::report::{Batch, Lane};

use super::caller::AuthenticatedGateway;
use super::{GatewayState, body, error};
use crate::store::Ingested;

pub(super) async fn post_reports(
    State(state): State<GatewayState>,
    AuthenticatedGateway(caller): AuthenticatedGateway,
    Path(lane): Path<String>,
    request: Request<Body>,
) -> Result<Response, ProblemResponse> {
    let lane: Lane = lane.parse().map_err(|error: wire::report::NoSuchLane| {
        ProblemResponse::new(ProblemCode::NotFound, error.to_string())
    })?;
    let accepted = request.headers().clone();
    let batch: Batch = body::read(&state, request, BATCH_BYTES).await?;
    ingest::check_sequence(&batch.reports).map_err(|error| error::sequence(&error))?;
    let gateway = caller.gateway.clone();
    let clock = batch.at.map_or(GatewayClock::unsaid(caller.now), |at| GatewayClock::new(at, caller.now));
    let mut arrivals = ingest::parse(&batch);
    clock.date(&mut arrivals);
    let ingested = state.store.ingest(caller, lane, arrivals).await;
    let ingested = ingested.map_err(|error| error::batch(&gateway, &error))?;
    for report in &ingested.answer.quarantined {
        let (seq, reason) = (report.seq, report.reason.as_str());
        tracing::warn!(gateway.id = %gateway, lane = %lane, seq, reason, "a report was quarantined");
    }
    count(&ingested);
    body::answer(&accepted, &ingested.answer)
}

fn count(ingested: &Ingested) {
    let quarantined = ingested.answer.quarantined.len();
    let outcomes = [
        ("accepted", ingested.fresh.saturating_sub(quarantined)),
        ("duplicate", ingested.duplicates),
        ("quarantined", quarantined),
    ];
    for (outcome, reports) in outcomes {
        let reports = u64::try_from(reports).unwrap_or(u64::MAX);
        metrics::counter!("platen_comm_reports_total", "outcome" => outcome).increment(reports);
    }
}
