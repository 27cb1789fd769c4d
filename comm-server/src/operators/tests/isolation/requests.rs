//! Requests made from the OpenAPI document: every operation with every place in which an id can stand.

use serde_json::{Map, Value, json};

use super::rows::Ids;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"));

/// Operations on the caller's own login, and those of the provider, which a dealer's role does not allow.
const OTHERS: [&str; 3] = ["/api/v1/session", "/api/v1/account", "/api/v1/dealers"];

/// An operation of the API.
pub(super) struct Operation {
    method: String,
    pub(super) path: String,
    parameters: Vec<(String, Place)>,
    body: Option<(String, Value)>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query { required: bool },
    Body,
}

/// A place in which an id or a searched text can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot(String, Place);

impl Slot {
    /// Its value for a dealer.
    pub(super) fn value(&self, ids: &Ids) -> String {
        ids.of(&self.0).unwrap_or_default()
    }

    pub(super) fn is_in_path(&self) -> bool {
        self.1 == Place::Path
    }
}

/// A request that can be sent.
pub(super) struct Planned {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Media type and content.
    pub(super) body: Option<(String, String)>,
}

/// A path with the ids of a dealer.
pub(super) fn filled(path: &str, ids: &Ids) -> String {
    path.split('{').enumerate().fold(String::new(), |made, (place, part)| match part.split_once('}') {
        Some((name, rest)) if place > 0 => {
            made + &ids.of(name).unwrap_or_else(|| panic!("no id for {name}")) + rest
        }
        _ => made + part,
    })
}

/// All operations in which something of a dealer may be.
pub(super) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if OTHERS.iter().any(|other| path.starts_with(other)) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            all.push(Operation::parse(&document, (method, path), operation));
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

/// The places of a body in which an id can stand.
fn places_of(body: &Value, found: &mut Vec<(String, Place)>) {
    for (name, value) in body.as_object().into_iter().flatten() {
        places_of(value, found);
        if super::NOBODY.of(name).is_some() && !found.iter().any(|(own, _)| own == name) {
            found.push((name.clone(), Place::Body));
        }
    }
}

impl Operation {
    fn parse(document: &Value, (method, path): (&str, &str), operation: &Value) -> Self {
        let mut parameters = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap().to_owned();
            match parameter["in"].as_str() {
                Some("path") => parameters.push((name, Place::Path)),
                Some("query") => {
                    let required = parameter["required"] == true;
                    parameters.push((name, Place::Query { required }));
                }
                _ => {}
            }
        }
        let content = operation["requestBody"]["content"].as_object();
        let body = content.and_then(|content| content.iter().next()).map(|(media, content)| {
            let body = if media == "text/csv" {
                json!({"name": "newcomer", "place": "new site", "gateways": "none"})
            } else {
                example(document, &content["schema"])
            };
            (media.clone(), body)
        });
        if let Some((_, body)) = &body {
            places_of(body, &mut parameters);
        }
        Self { method: method.to_uppercase(), path: path.to_owned(), parameters, body }
    }

    /// Whether it is a list, which is read without any id.
    pub(super) fn is_list(&self) -> bool {
        let needs =
            |(_, place): &(String, Place)| matches!(place, Place::Path | Place::Query { required: true });
        self.method == "GET" && !self.parameters.iter().any(needs)
    }

    /// Every place in which an id or a text of another dealer can stand.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let named = self.parameters.iter().filter(|(name, _)| super::NOBODY.of(name).is_some());
        named.map(|(name, place)| Slot(name.clone(), *place)).collect()
    }

    /// The request with a foreign value in one place, and the caller's own ids elsewhere.
    pub(super) fn with(&self, slot: &Slot, foreign: &Ids, own: &Ids) -> Planned {
        self.planned(Some((slot, foreign)), own)
    }

    /// The request with the caller's own ids.
    pub(super) fn own(&self, own: &Ids) -> Planned {
        self.planned(None, own)
    }

    /// The request for a list as a table, where it can be one.
    pub(super) fn as_table(&self, own: &Ids) -> Option<Planned> {
        self.parameters.iter().find(|(name, _)| name == "format")?;
        let plain = self.own(own);
        let mark = if plain.path.contains('?') { '&' } else { '?' };
        Some(Planned { path: format!("{}{mark}format=csv", plain.path), ..plain })
    }

    fn planned(&self, foreign: Option<(&Slot, &Ids)>, own: &Ids) -> Planned {
        let value = |name: &str, at: Place| {
            let ids = foreign.filter(|(slot, _)| slot.0 == name && slot.1 == at).map_or(own, |(_, ids)| ids);
            ids.of(name)
        };
        let mut path = self.path.clone();
        let mut query = Vec::new();
        for (name, place) in &self.parameters {
            let Some(text) = value(name, *place) else { continue };
            match place {
                Place::Path => path = path.replace(&format!("{{{name}}}"), &text),
                Place::Query { required } => {
                    let is_foreign = foreign.is_some_and(|(slot, _)| slot.0 == *name && slot.1 == *place);
                    if *required || is_foreign {
                        query.push(format!("{name}={text}"));
                    }
                }
                Place::Body => {}
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = self.body.as_ref().map(|(media, body)| {
            let mut body = body.clone();
            // With an id in the path, a body has all ids of its own; an id in the body stands there alone.
            let is_kept = |name: &str| match foreign {
                Some((slot, _)) if slot.1 == Place::Body => slot.0 == name,
                Some(_) => true,
                None => false,
            };
            put(&mut body, &|name| value(name, Place::Body), &is_kept);
            (media.clone(), if media == "text/csv" { csv(&body) } else { body.to_string() })
        });
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|own| *own == self.method);
        Planned { method: method.unwrap(), path, body }
    }
}

fn csv(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    format!("customer,site,gateways\n{},{},{}\n", text("name"), text("place"), text("gateways"))
}

/// Puts ids into a body: where one is required or is to be kept. Others are left out.
fn put(body: &mut Value, value: &impl Fn(&str) -> Option<String>, is_kept: &impl Fn(&str) -> bool) {
    let Some(fields) = body.as_object_mut() else { return };
    fields.retain(|name, own| !own.is_null() || is_kept(name));
    for (name, own) in fields {
        match value(name) {
            Some(text) if name == "devices" => *own = json!([text]),
            Some(text) => *own = json!(text),
            None => put(own, value, is_kept),
        }
    }
}

/// A value that fits a schema: required properties, and those in which an id stands.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null").unwrap();
        return example(document, choice);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let mut filled = Map::new();
        for (name, property) in properties {
            if schema["required"].as_array().is_some_and(|all| all.contains(&json!(name))) {
                filled.insert(name.clone(), example(document, property));
            } else if super::NOBODY.of(name).is_some() {
                // An id may stand here.
                filled.insert(name.clone(), Value::Null);
            }
        }
        return filled.into();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match (kind, schema["format"].as_str()) {
        ("array", _) => json!([]),
        ("boolean", _) => json!(false),
        ("integer", _) => json!(900),
        (_, Some("date-time")) => json!(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)),
        _ => json!("newcomer"),
    }
}
