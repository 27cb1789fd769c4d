//! What differs between the two states of a change.

use std::collections::BTreeMap;

use serde_json::Value;

/// Maximum number of changed fields that are listed.
const FIELDS: usize = 50;

/// A field that a change changed. A value that doesn't exist is an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name, preceded by the names of the objects that contain it: `address.city`.
    pub field: String,
    /// Its value before.
    pub before: String,
    /// Its value after.
    pub after: String,
}

/// The fields that differ, by name, at most 50.
#[must_use]
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut fields: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for (place, state) in [before, after].into_iter().enumerate() {
        if let Some(state) = state {
            collect("", state, &mut |name, value| {
                if let Some(slot) = fields.entry(name).or_default().get_mut(place) {
                    *slot = value;
                }
            });
        }
    }
    let differing = fields.into_iter().filter(|(_, [before, after])| before != after);
    differing.map(|(field, [before, after])| Difference { field, before, after }).take(FIELDS).collect()
}

/// Passes each value that isn't an object to `give`, with its name.
fn collect(name: &str, value: &Value, give: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                collect(&name, value, give);
            }
        }
        Value::Null => give(name.to_owned(), String::new()),
        Value::String(text) => give(name.to_owned(), text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => give(name.to_owned(), value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        let shown = |before: Option<Value>, after: Option<Value>| {
            let found = differences(before.as_ref(), after.as_ref());
            found.into_iter().map(|d| format!("{}: {} > {}", d.field, d.before, d.after)).collect::<Vec<_>>()
        };
        let before = json!({"name": "Meyer", "erp_key": "", "address": {"city": "Ulm", "country": "DE"}});
        let after = json!({"name": "Meyer", "erp_key": "K-1", "address": {"city": "Bonn", "country": "DE"}});
        assert_eq!(shown(Some(before), Some(after)), ["address.city: Ulm > Bonn", "erp_key:  > K-1"]);
        assert_eq!(
            shown(None, Some(json!({"a": 1, "b": "", "c": null, "d": [1]}))),
            ["a:  > 1", "d:  > [1]"]
        );
        assert_eq!(shown(Some(json!({"on": true})), None), ["on: true > "]);
        assert_eq!(shown(Some(json!("x")), Some(json!("y"))), [": x > y"]);
        assert!(shown(None, None).is_empty());
        let many: serde_json::Map<_, _> = (0..200).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(shown(None, Some(Value::Object(many))).len(), FIELDS);
    }
}
