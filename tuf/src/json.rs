//! Metadata as JSON values, with limits on depth and number, and their canonical form.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{JSON_DEPTH, JSON_VALUES};

/// Parses one value. A field that occurs twice and a number that isn't an integer of 64 bits are errors, because
/// signed data must be unambiguous.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let values = Cell::new(0);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { depth: 0, values: &values }.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// A value with its depth, for the limits.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    depth: usize,
    values: &'a Cell<usize>,
}

impl Bounded<'_> {
    /// The next level.
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > JSON_DEPTH {
            return Err(E::custom(format!("more than {JSON_DEPTH} nested arrays and objects")));
        }
        Ok(Self { depth, ..self })
    }

    fn count<E: Error>(self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > JSON_VALUES {
            return Err(E::custom(format!("more than {JSON_VALUES} values")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the member {name:?} occurs twice")));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The canonical form (OLPC), which is what signatures cover: no white space, members in the order of their names,
/// and no escapes but `\"` and `\\`.
///
/// Strings are not normalised, as in securesystemslib: otherwise, a text that differs from the signed one would
/// verify.
///
/// # Errors
/// The value contains a fraction.
pub fn canonical(value: &Value) -> Result<Vec<u8>, Fraction> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    Ok(bytes)
}

/// A number that isn't an integer of 64 bits has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an integer of 64 bits: it has no canonical form")]
pub struct Fraction(Number);

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), Fraction> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(value) => out.extend(value.to_string().bytes()),
        Value::Number(number) if number.is_f64() => return Err(Fraction(number.clone())),
        Value::Number(number) => out.extend(number.to_string().bytes()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(text: &str) -> String {
        String::from_utf8(canonical(&parse(text.as_bytes()).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn the_canonical_form_is_that_of_securesystemslib() {
        // Written by securesystemslib.formats.encode_canonical.
        for (json, expected) in [
            (r#"{"b": 1, "a": [true, null, -2]}"#, r#"{"a":[true,null,-2],"b":1}"#),
            // A name sorts before a longer one that begins with it, whatever character follows.
            (r#"{"a!": 1, "a": 2, "a b": 3}"#, r#"{"a":2,"a b":3,"a!":1}"#),
            (r#"{"a": "\u0001\n\"\\\/"}"#, "{\"a\":\"\u{1}\n\\\"\\\\/\"}"),
            // Both forms of é: composed and decomposed stay what they are.
            (r#"{"\u00e9": 1, "e\u0301": 2}"#, "{\"e\u{301}\":2,\"\u{e9}\":1}"),
            (r"18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(canonical_of(json), expected);
        }
    }

    #[test]
    fn what_has_two_meanings_is_refused() {
        for (json, problem) in [
            (r#"{"a": 1, "a": 1}"#, "occurs twice"),
            (r#"{"a": {"b": 1, "\u0062": 2}}"#, "occurs twice"),
            ("1.5", "without fractions"),
            ("1e3", "without fractions"),
            ("18446744073709551616", "without fractions"),
            ("{} {}", "trailing characters"),
            ("{", "EOF"),
            ("\"\u{0}\"", "control character"),
        ] {
            let error = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{json}: {error}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(
            canonical(&serde_json::json!([{"a": 0.5}])).unwrap_err().to_string().starts_with("0.5 is not")
        );
    }

    #[test]
    fn depth_and_number_are_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(JSON_DEPTH).as_bytes()).is_ok());
        let error = parse(nested(JSON_DEPTH + 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 32 nested"), "{error}");
        let many = format!("[{}0]", "0,".repeat(JSON_VALUES - 1));
        let error = parse(many.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 1000000 values"), "{error}");
    }
}
