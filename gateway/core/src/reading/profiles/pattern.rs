//! Regular expressions in profiles, validated when the profile is read. Matching takes linear time. `regex-lite` rather
//! than `regex`: each start compiles the patterns of all profiles, and that was most of what finding a small LAN cost.

use regex_lite::{Captures, Regex, RegexBuilder};
use serde::Deserialize;

/// Maximum size of a compiled pattern, bytes.
const COMPILED_BYTES: usize = 256 << 10;

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it matches anywhere in the text.
    #[must_use]
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The first group of the first match, or the whole match if there is no group.
    #[must_use]
    pub fn first(&self, text: &str) -> Option<String> {
        let found = self.0.captures(text)?;
        let part = found.get(1).or_else(|| found.get(0))?.as_str().trim();
        (!part.is_empty()).then(|| part.to_owned())
    }

    /// The groups `component` and `version` (or the first group) of every match.
    pub(crate) fn components(&self, text: &str, limit: usize) -> Vec<(Option<String>, String)> {
        let named = |found: &Captures<'_>, name| Some(found.name(name)?.as_str().trim().to_owned());
        self.0
            .captures_iter(text)
            .take(limit)
            .filter_map(|found| {
                let first = || Some(found.get(1)?.as_str().trim().to_owned());
                let version = named(&found, "version").or_else(first)?;
                (!version.is_empty()).then(|| (named(&found, "component"), version))
            })
            .collect()
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex_lite::Error;

    fn try_from(text: String) -> Result<Self, regex_lite::Error> {
        RegexBuilder::new(&text).size_limit(COMPILED_BYTES).build().map(Self)
    }
}
