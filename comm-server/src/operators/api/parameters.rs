//! The constraints of parameters in the OpenAPI document: a rule for each name, in one place. The handlers and the
//! types of `wire` enforce the same.

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Object, OpenApi, RefOr, Schema};
use wire::reading::Counter;
use wire::report::CallKind;

/// The constraint of a parameter.
enum Rule {
    /// A text of this length in bytes, of these characters.
    Text(usize, usize, &'static str),
    /// One of these.
    OneOf(Vec<Value>),
}

fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        // `wire::ids::GatewayId`.
        "gateway" => Rule::Text(1, 64, "^[a-z0-9._-]+$"),
        // `comm_server_core::tenancy::UserName`; `/` ends a segment of a path.
        "user" => Rule::Text(1, 64, "^[^\\u0000-\\u001f\\u007f-\\u009f/]+$"),
        // `wire::ids::DeviceId`.
        "device" => Rule::Text(1, 96, "^[A-Za-z0-9._:/-]+$"),
        // What `session::random_token` makes.
        "x-csrf-token" => Rule::Text(64, 64, "^[0-9a-f]+$"),
        "if-match" => Rule::Text(1, 200, "^(\\*|(W/)?\"[^\"]*\"(, *(W/)?\"[^\"]*\")*)$"),
        "kind" => Rule::OneOf(CallKind::ALL.map(|kind| kind.name().into()).to_vec()),
        "counter" => Rule::OneOf(Counter::ALL.map(|counter| counter.name().into()).to_vec()),
        _ => return None,
    })
}

/// Adds the rules.
pub(super) struct Parameters;

impl Modify for Parameters {
    fn modify(&self, document: &mut OpenApi) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            for parameter in operation.parameters.iter_mut().flatten() {
                let RefOr::T(parameter) = parameter else { continue };
                let (Some(rule), Some(RefOr::T(Schema::Object(schema)))) =
                    (rule(&parameter.name), parameter.schema.as_mut())
                else {
                    continue;
                };
                apply(rule, schema);
            }
        }
    }
}

fn apply(rule: Rule, schema: &mut Object) {
    match rule {
        Rule::Text(min, max, pattern) => {
            schema.min_length = Some(min);
            schema.max_length = Some(max);
            schema.pattern = Some(pattern.to_owned());
        }
        Rule::OneOf(values) => {
            schema.max_length = None;
            schema.enum_values = Some(values);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
