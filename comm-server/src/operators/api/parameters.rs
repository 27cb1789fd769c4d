//! The constraints of parameters in the OpenAPI document: one rule per name. The handlers and the types of `wire`
//! enforce the same.

use super::{errors, repeated};
use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{Object, ObjectBuilder, OpenApi, RefOr, Required, Schema, Type};
use wire::reading::Counter;
use wire::report::CallKind;

/// The constraint of a parameter.
enum Rule {
    /// A text with this range of lengths in bytes, and this pattern.
    Text(usize, usize, &'static str),
    /// One of these.
    OneOf(Vec<Value>),
}

fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        // `wire::ids::GatewayId`, `comm_server_core::tenancy::TenantId`.
        "gateway" | "dealer" => Rule::Text(1, 64, "^[a-z0-9._-]+$"),
        // `comm_server_core::tenancy::UserName`; `/` ends a segment of a path.
        "user" => Rule::Text(1, 64, "^[^\\u0000-\\u001f\\u007f-\\u009f/]+$"),
        // `wire::ids::DeviceId`.
        "device" => Rule::Text(1, 96, "^[A-Za-z0-9._:/-]+$"),
        // What `session::random_token` makes.
        "x-csrf-token" => Rule::Text(64, 64, "^[0-9a-f]+$"),
        // `services::idempotency::parse_key`.
        repeated::KEY => Rule::Text(1, 257, "^(\"[!#-\\[\\]-~]{1,255}\"|[!#-\\[\\]-~]{1,255})$"),
        "if-match" => Rule::Text(1, 200, "^(\\*|(W/)?\"[^\"]*\"(, *(W/)?\"[^\"]*\")*)$"),
        "kind" => Rule::OneOf(CallKind::ALL.map(|kind| kind.name().into()).to_vec()),
        "counter" => Rule::OneOf(Counter::ALL.map(|counter| counter.name().into()).to_vec()),
        _ => return None,
    })
}

/// Adds the rules to the document.
pub(super) struct Parameters;

impl Modify for Parameters {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            if let Some(post) = item.post.as_mut().filter(|_| !repeated::takes_no_key(path)) {
                may_be_repeated(post);
            }
        }
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

/// Adds the idempotency key, and its errors, to a POST.
fn may_be_repeated(post: &mut Operation) {
    let text = "A unique text, preferably a UUID: requests with the same key are executed once";
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let key = ParameterBuilder::new().name(repeated::KEY).parameter_in(ParameterIn::Header);
    let key = key.required(Required::False).description(Some(text)).schema(Some(schema)).build();
    post.parameters.get_or_insert_default().push(RefOr::T(key));
    let refused = errors::problem("`Idempotency-Key` belongs to another request");
    post.responses.responses.insert("422".to_owned(), RefOr::T(refused));
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
