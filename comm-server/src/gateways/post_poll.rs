//! `POST /v1/polls`: a gateway reports its state; the response has its commands and the time of its next poll.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use comm_server_core::ingest::GatewayClock;
use runtime::problem_response::ProblemResponse;
use wire::limits::MESSAGE_BYTES;
use wire::poll::Poll;

use super::caller::AuthenticatedGateway;
use super::{GatewayState, body, error};

pub(super) async fn post_poll(
    State(state): State<GatewayState>,
    AuthenticatedGateway(caller): AuthenticatedGateway,
    request: Request<Body>,
) -> Result<Response, ProblemResponse> {
    let accepted = request.headers().clone();
    let poll: Poll = body::read(&state, request, MESSAGE_BYTES).await?;
    let gateway = caller.gateway.clone();
    let ahead_s = GatewayClock::new(poll.at, caller.now).ahead_s();
    let polled = state.store.take_poll(caller, poll, rand::random()).await;
    let polled = polled.map_err(|error| error::store(&gateway, &error))?;
    metrics::counter!("platen_comm_polls_total").increment(1);
    if polled.registered {
        tracing::info!(gateway.id = %gateway, "a new gateway polled");
    }
    if ahead_s != 0 {
        tracing::warn!(gateway.id = %gateway, ahead_s, "the gateway's clock is wrong: its times are corrected here");
    }
    for command in &polled.answer.commands {
        tracing::debug!(gateway.id = %gateway, command.id = %command.id, "command delivered");
    }
    body::answer(&accepted, &polled.answer)
}
