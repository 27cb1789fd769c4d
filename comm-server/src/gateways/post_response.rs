//! `POST /v1/responses/{command_id}`: a gateway's answer to a command; the same answer twice changes nothing.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request;
use axum::response::Response as HttpResponse;
use runtime::problem_response::ProblemResponse;
use wire::command::{CommandResponseAck, Response};
use wire::ids::CommandId;
use wire::limits::MESSAGE_BYTES;
use wire::problem::ProblemCode;

use super::caller::AuthenticatedGateway;
use super::{GatewayState, body, error};

pub(super) async fn post_response(
    State(state): State<GatewayState>,
    AuthenticatedGateway(caller): AuthenticatedGateway,
    Path(command): Path<String>,
    request: Request<Body>,
) -> Result<HttpResponse, ProblemResponse> {
    let command: CommandId = command
        .parse()
        .map_err(|_| ProblemResponse::new(ProblemCode::NotFound, "the command's id is not a UUID"))?;
    let accepted = request.headers().clone();
    let response: Response = body::read(&state, request, MESSAGE_BYTES).await?;
    let step = response.state.name();
    let open = state.store.answer_command(&caller, command, response);
    let open = open.await.map_err(|error| error::response(&caller.gateway, &error))?;
    tracing::info!(gateway.id = %caller.gateway, command.id = %command, state = step, "response to a command received");
    body::answer(&accepted, &CommandResponseAck { next_poll_s: caller.cadence.next_poll_s(open) })
}
