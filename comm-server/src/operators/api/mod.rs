//! The REST API under `/api/v1`, one file per noun. The OpenAPI document is generated from the handlers.

mod account;
mod asset_documents;
mod assets;
mod audit;
mod calls;
mod commands;
mod customers;
mod dealers;
mod devices;
mod errors;
mod gateways;
mod images;
mod list;
mod parameters;
mod quarantine;
mod repeated;
mod rollouts;
mod session;
mod settings;
mod sites;
mod states;
mod table;
mod table_columns;
mod tokens;
mod unassigned;
mod users;

use std::sync::Arc;

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::problem::{Problem, ProblemCode};

use super::OperatorState;
use super::error::ApiError;
use super::session::COOKIE;
use table_columns::Columns;

/// Path of the OpenAPI document.
const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Platen communication server",
        description = "The functions of the console, for programs. Send an API token as `Authorization: Bearer`. Or log in with \
            `POST /api/v1/session`; send the cookie \
            with every request and, to change things, the session's `csrf` in the header `x-csrf-token`. Lists \
            come in pages of `limit` items: pass `next` as `page`; or as a whole with `format=csv`. A POST with an `Idempotency-Key` that comes again within 24 hours is \
            carried out once, and answered as the first time. Refusals are `application/problem+json`.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(errors::ProblemSchema, errors::Code)),
    security(("session" = []), ("token" = [])),
    modifiers(&CookieSecurity)
)]
struct Document;

struct CookieSecurity;

impl Modify for CookieSecurity {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE)));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", cookie);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The API's routes, including its document.
pub(super) fn router(state: &OperatorState) -> Router<OperatorState> {
    let (router, document, columns) = documented();
    router
        .route(DOCUMENT_PATH, get(move || std::future::ready(Json(document))))
        .route("/api", axum::routing::any(nothing_here))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(state.clone(), repeated::once))
        .layer(axum::middleware::from_fn_with_state(Arc::new(columns), table::as_table))
}

/// The routes, their document, and the columns of their lists.
fn documented() -> (Router<OperatorState>, utoipa::openapi::OpenApi, Columns) {
    let (router, mut document) = described().split_for_parts();
    parameters::Parameters.modify(&mut document);
    let columns = Columns::new(&document);
    table_columns::describe(&mut document);
    (router, document, columns)
}

fn described() -> OpenApiRouter<OperatorState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(session::begin, session::end))
        .routes(routes!(session::enter_code))
        .routes(routes!(account::change_password))
        .routes(routes!(account::second_factor, account::begin_second_factor))
        .routes(routes!(account::confirm_second_factor))
        .routes(routes!(account::remove_second_factor))
        .routes(routes!(account::renew_recovery_codes))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::one, gateways::assign))
        .routes(routes!(customers::list, customers::create))
        .routes(routes!(customers::one, customers::change, customers::delete))
        .routes(routes!(customers::export))
        .routes(routes!(sites::list, sites::create))
        .routes(routes!(sites::one, sites::change, sites::delete))
        .routes(routes!(assets::list, assets::create))
        .routes(routes!(assets::one, assets::change))
        .routes(routes!(assets::assign))
        .routes(routes!(assets::swap))
        .routes(routes!(assets::remove))
        .routes(routes!(assets::retire))
        .routes(routes!(assets::epochs))
        .routes(routes!(unassigned::unassigned))
        .routes(routes!(unassigned::unread))
        .routes(routes!(dealers::list, dealers::create))
        .routes(routes!(dealers::one, dealers::change))
        .routes(routes!(dealers::invite))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::one, users::change))
        .routes(routes!(users::invite))
        .routes(routes!(users::sessions, users::end_sessions))
        .routes(routes!(users::reset_second_factor))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(settings::read, settings::change))
        .merge(files())
        .routes(routes!(devices::list))
        .routes(routes!(devices::one))
        .routes(routes!(devices::counters))
        .routes(routes!(calls::list))
        .routes(routes!(commands::list, commands::create))
        .routes(routes!(rollouts::list, rollouts::create))
        .routes(routes!(rollouts::one))
        .routes(routes!(rollouts::cancel))
        .routes(routes!(rollouts::retry))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::replay))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(images::list))
}

/// Routes that accept a file.
fn files() -> OpenApiRouter<OperatorState> {
    OpenApiRouter::new()
        .routes(routes!(customers::import))
        .layer(axum::extract::DefaultBodyLimit::max(customers::FILE_BYTES))
}

async fn nothing_here() -> impl IntoResponse {
    std::future::ready(ApiError::not_found("resource")).await
}

async fn method_not_allowed() -> impl IntoResponse {
    let mut problem = Problem::new(ProblemCode::NotFound, "this method is not supported here");
    problem.status = 405;
    std::future::ready(ApiError(problem)).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PATHS: [&str; 50] = [
        "/api/v1/account/password",
        "/api/v1/account/recovery-codes",
        "/api/v1/account/second-factor",
        "/api/v1/account/second-factor/confirmation",
        "/api/v1/account/second-factor/removal",
        "/api/v1/assets",
        "/api/v1/assets/{asset}",
        "/api/v1/assets/{asset}/assign",
        "/api/v1/assets/{asset}/epochs",
        "/api/v1/assets/{asset}/remove",
        "/api/v1/assets/{asset}/retire",
        "/api/v1/assets/{asset}/swap",
        "/api/v1/audit",
        "/api/v1/audit/export",
        "/api/v1/audit/verify",
        "/api/v1/calls",
        "/api/v1/commands",
        "/api/v1/customers",
        "/api/v1/customers/export",
        "/api/v1/customers/import",
        "/api/v1/customers/{customer}",
        "/api/v1/dealers",
        "/api/v1/dealers/{dealer}",
        "/api/v1/dealers/{dealer}/administrator",
        "/api/v1/devices",
        "/api/v1/gateways",
        "/api/v1/gateways/{gateway}",
        "/api/v1/gateways/{gateway}/devices/{device}",
        "/api/v1/gateways/{gateway}/devices/{device}/counters",
        "/api/v1/images",
        "/api/v1/not-read",
        "/api/v1/quarantine",
        "/api/v1/quarantine/replay",
        "/api/v1/rollouts",
        "/api/v1/rollouts/{rollout}",
        "/api/v1/rollouts/{rollout}/cancel",
        "/api/v1/rollouts/{rollout}/retry",
        "/api/v1/session",
        "/api/v1/session/code",
        "/api/v1/settings",
        "/api/v1/sites",
        "/api/v1/sites/{site}",
        "/api/v1/tokens",
        "/api/v1/tokens/{token}",
        "/api/v1/unassigned-devices",
        "/api/v1/users",
        "/api/v1/users/{user}",
        "/api/v1/users/{user}/invitation",
        "/api/v1/users/{user}/second-factor",
        "/api/v1/users/{user}/sessions",
    ];

    /// The source of each file of this folder that has a schema.
    const SOURCES: [&str; 21] = [
        include_str!("account.rs"),
        include_str!("asset_documents.rs"),
        include_str!("assets.rs"),
        include_str!("unassigned.rs"),
        include_str!("audit.rs"),
        include_str!("calls.rs"),
        include_str!("commands.rs"),
        include_str!("customers.rs"),
        include_str!("dealers.rs"),
        include_str!("settings.rs"),
        include_str!("sites.rs"),
        include_str!("tokens.rs"),
        include_str!("users.rs"),
        include_str!("devices.rs"),
        include_str!("gateways.rs"),
        include_str!("images.rs"),
        include_str!("list.rs"),
        include_str!("quarantine.rs"),
        include_str!("errors.rs"),
        include_str!("rollouts.rs"),
        include_str!("session.rs"),
    ];

    /// utoipa drops one of two schemas with the same name, without an error.
    #[test]
    fn no_two_schemas_share_a_name() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/operators/api")).unwrap();
        // `mod.rs`, `parameters.rs`, `repeated.rs` and those of tables have none, those of `states.rs` are in its own list.
        assert_eq!(files.count(), SOURCES.len() + 6, "a file is not in SOURCES");
        let mut seen: BTreeMap<&str, u32> = states::NAMES.iter().map(|name| (*name, 1)).collect();
        for source in SOURCES {
            let derives = source.match_indices("ToSchema)]").filter_map(|(at, _)| source.get(at..));
            for rest in derives {
                let until = rest.find("struct ").into_iter().chain(rest.find("enum ")).min().unwrap();
                let (attributes, named) = rest.split_at(until);
                let renamed = attributes.split_once("as = ").map(|(_, name)| name);
                let name = renamed.or(named.split_once(' ').map(|(_, name)| name)).unwrap();
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
                *seen.entry(name.get(..end).unwrap()).or_default() += 1;
            }
        }
        assert!(seen.len() > 25, "{seen:?}");
        let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let json = serde_json::to_value(documented().1).unwrap();
        let schemas = json["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys().filter(|name| !name.starts_with("List_")) {
            assert!(seen.contains_key(name.as_str()), "{name} is not among {:?}", seen.keys());
        }
    }

    /// The committed document is the one that the server generates, so that a change of the API shows up as a change
    /// of that file.
    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let json = serde_json::to_value(documented().1).unwrap();
        let served = serde_json::to_string_pretty(&json).unwrap() + "\n";
        if std::env::var_os("PLATEN_WRITE_OPENAPI").is_some() {
            std::fs::write(FILE, &served).unwrap();
        }
        let committed = std::fs::read_to_string(FILE).unwrap_or_default();
        let differs =
            served.lines().zip(committed.lines()).position(|(served, committed)| served != committed);
        assert!(
            served == committed,
            "comm-server/openapi.json is not the document that the server serves (line {}). If the API was meant to \
             change, write it again and commit it: PLATEN_WRITE_OPENAPI=1 cargo nextest run -p platen-comm-server \
             the_committed_document",
            differs.map_or_else(|| "count".to_owned(), |line| (line + 1).to_string())
        );
    }

    /// Every state is one of the values of its enum.
    #[test]
    fn states_are_enums() {
        let json = serde_json::to_value(documented().1).unwrap();
        let schemas = &json["components"]["schemas"];
        let table = [
            ("Command", "state", "CommandState"),
            ("Command", "kind", "OrderKind"),
            ("Call", "kind", "CallKind"),
            ("Call", "lane", "LaneName"),
            ("LatestCounter", "counter", "CounterName"),
            ("Lane", "lane", "LaneName"),
            ("Quarantined", "lane", "LaneName"),
            ("Rollout", "state", "RolloutState"),
            ("RolloutDevice", "step", "DeviceStep"),
            ("RolloutDevice", "waiting_for", "WaitsFor"),
            ("Session", "role", "Role"),
            ("AuditBroken", "fault", "AuditFault"),
        ];
        for (schema, property, state) in table {
            let reference = &schemas[schema]["properties"][property]["$ref"];
            assert_eq!(*reference, format!("#/components/schemas/{state}"), "{schema}.{property}");
            let words = schemas[state]["enum"].as_array().map_or(0, Vec::len);
            assert!(schemas[state]["type"] == "string" && words > 1, "{state}");
        }
    }

    #[test]
    fn a_problems_code_is_one_of_a_few_words() {
        let json = serde_json::to_value(documented().1).unwrap();
        let schemas = &json["components"]["schemas"];
        assert_eq!(schemas["Problem"]["properties"]["code"]["$ref"], "#/components/schemas/ProblemCode");
        assert_eq!(schemas["ProblemCode"]["type"], "string");
        let words = schemas["ProblemCode"]["enum"].as_array().unwrap();
        for code in ProblemCode::ALL {
            let word = serde_json::to_value(code).unwrap();
            // Of gateways' batches alone.
            let expected = code != ProblemCode::SequenceGap;
            assert_eq!(words.contains(&word), expected, "{word}");
        }
        for item in json["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let problem = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                    let refusal = !status.starts_with('2');
                    assert_eq!(problem == "#/components/schemas/Problem", refusal, "{operation}");
                }
            }
        }
    }

    #[test]
    fn every_parameter_has_a_maximum_length() {
        let json = serde_json::to_value(documented().1).unwrap();
        let operations =
            json["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let mut count = 0;
        for operation in operations {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                let of = |key: &str| !schema[key].is_null();
                let fixed = matches!(schema["format"].as_str(), Some("uuid" | "date-time"))
                    || schema["type"] == "boolean"
                    || of("maximum");
                assert!(fixed || of("maxLength") || of("enum"), "{}: {parameter}", operation["operationId"]);
                assert!(parameter["in"] != "path" || fixed || of("pattern"), "{parameter}");
                count += 1;
            }
        }
        assert!(count > 20, "{count}");
    }

    #[test]
    fn the_document_lists_every_route() {
        let (_, document, _) = documented();
        let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(paths, PATHS);
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
