//! The REST API under `/api/v1`, a file for each noun; the OpenAPI document is made of the same handlers.

mod account;
mod audit;
mod calls;
mod commands;
mod devices;
mod gateways;
mod images;
mod list;
mod quarantine;
mod refusals;
mod rollouts;
mod session;

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::problem::{Problem, ProblemCode};

use super::OperatorState;
use super::refused::Refused;
use super::session::COOKIE;

/// Where the OpenAPI document is.
const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Platen communication server",
        description = "What the console does, for programs. Log in with `POST /api/v1/session`; send the cookie \
            with every request and, to change things, the session's `csrf` in the header `x-csrf-token`. Lists \
            come in pages: pass `next` as `page`. Refusals are `application/problem+json`.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    security(("session" = [])),
    modifiers(&CookieSecurity)
)]
struct Document;

struct CookieSecurity;

impl Modify for CookieSecurity {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE)));
        document.components.get_or_insert_default().add_security_scheme("session", cookie);
    }
}

/// The API's routes, its document among them.
pub(super) fn router() -> Router<OperatorState> {
    let (router, document) = described().split_for_parts();
    router
        .route(DOCUMENT_PATH, get(move || std::future::ready(Json(document))))
        .route("/api", axum::routing::any(nothing_here))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(method_not_allowed)
}

fn described() -> OpenApiRouter<OperatorState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(session::begin, session::end))
        .routes(routes!(account::change_password))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::one))
        .routes(routes!(devices::list))
        .routes(routes!(devices::one))
        .routes(routes!(devices::counters))
        .routes(routes!(calls::list))
        .routes(routes!(commands::list, commands::create))
        .routes(routes!(rollouts::list, rollouts::create))
        .routes(routes!(rollouts::one))
        .routes(routes!(rollouts::cancel))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::replay))
        .routes(routes!(audit::list))
        .routes(routes!(images::list))
}

async fn nothing_here() -> impl IntoResponse {
    std::future::ready(Refused::not_found("resource")).await
}

async fn method_not_allowed() -> impl IntoResponse {
    let mut problem = Problem::new(ProblemCode::NotFound, "the resource does not know this method");
    problem.status = 405;
    std::future::ready(Refused(problem)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_every_route() {
        let document = described().into_openapi();
        let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "/api/v1/account/password",
                "/api/v1/audit",
                "/api/v1/calls",
                "/api/v1/commands",
                "/api/v1/devices",
                "/api/v1/gateways",
                "/api/v1/gateways/{gateway}",
                "/api/v1/gateways/{gateway}/devices/{device}",
                "/api/v1/gateways/{gateway}/devices/{device}/counters",
                "/api/v1/images",
                "/api/v1/quarantine",
                "/api/v1/quarantine/replay",
                "/api/v1/rollouts",
                "/api/v1/rollouts/{rollout}",
                "/api/v1/rollouts/{rollout}/cancel",
                "/api/v1/session",
            ]
        );
        let json = serde_json::to_value(&document).unwrap();
        for (path, item) in json["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
                assert!(answers.contains_key("401"), "{method} {path}");
            }
        }
        let text = json.to_string();
        for (_, rest) in text.match_indices("\"$ref\":\"#").map(|(at, found)| text.split_at(at + found.len()))
        {
            let pointer = rest.split('"').next().unwrap();
            assert!(json.pointer(pointer).is_some(), "{pointer} is referred to and not there");
        }
    }
}
