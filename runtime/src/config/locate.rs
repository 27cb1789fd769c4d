//! The position of a key in a YAML text. The parser reports positions only in errors, so an error is provoked at the
//! key.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A step towards a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// `a.b[0].c` as steps.
fn steps(key: &str) -> Vec<Step> {
    key.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => Step::Index(index),
            _ => Step::Key(part.to_owned()),
        })
        .collect()
}

/// Line and column of a key's value, from 1; those of the nearest existing key above it, or `None` for the document
/// itself.
pub(super) fn locate(text: &str, key: &str) -> Option<(usize, usize)> {
    let steps = steps(key);
    (1..=steps.len()).rev().find_map(|known| at(text, steps.get(..known)?))
}

fn at(text: &str, steps: &[Step]) -> Option<(usize, usize)> {
    let mut found = false;
    let error =
        Towards { steps, found: &mut found }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let place = error.location()?;
    found.then_some((place.line(), place.column()))
}

/// The remaining steps to the key.
struct Towards<'s> {
    steps: &'s [Step],
    found: &'s mut bool,
}

impl<'de> DeserializeSeed<'de> for Towards<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.steps.is_empty() {
            *self.found = true;
            return deserializer.deserialize_any(Here);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Towards<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a way on")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.steps.split_first() {
                Some((Step::Key(wanted), rest)) if *wanted == key => {
                    return map.next_value_seed(Towards { steps: rest, found: self.found });
                }
                _ => map.next_value::<IgnoredAny>()?,
            };
        }
        Err(A::Error::custom("not there"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.steps.split_first() else {
            return Err(A::Error::custom("not there"));
        };
        for _ in 0..*wanted {
            seq.next_element::<IgnoredAny>()?;
        }
        let found = seq.next_element_seed(Towards { steps: rest, found: self.found })?;
        found.ok_or_else(|| A::Error::custom("not there"))
    }
}

/// A visitor that rejects every value, so that the parser reports the position.
struct Here;

impl<'de> Visitor<'de> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name: a\nidentity:\n  key: k.pem\nnetworks:\n  - {cidr: x}\n  - cidr: y\n";

    #[test]
    fn a_key_has_a_place() {
        for (key, place) in [
            ("name", Some((1, 7))),
            ("identity.key", Some((3, 8))),
            ("networks[0].cidr", Some((5, 12))),
            ("networks[1].cidr", Some((6, 11))),
            ("identity", Some((3, 3))),
            ("identity.root", Some((3, 3))),
            ("absent", None),
            ("absent.key", None),
        ] {
            assert_eq!(locate(TEXT, key), place, "{key}");
        }
        assert_eq!(locate("[", "name"), None);
    }
}
