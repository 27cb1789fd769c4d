//! What a firmware image is for: `custom` of a target in the firmware repository's metadata.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Vendor, as in a reading.
    pub vendor: String,
    /// Model, as in a reading.
    pub model: String,
    /// Version that the device shows afterwards.
    pub version: String,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Name of the target for a vendor's model and version: `VENDOR/MODEL/VERSION`, spaces as `-`.
#[must_use]
pub fn target_name(vendor: &str, model: &str, version: &str) -> String {
    let part = |text: &str| -> String {
        text.trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+') { c } else { '-' })
            .collect()
    };
    format!("{}/{}/{}", part(vendor), part(model), part(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_names_are_plain() {
        assert_eq!(target_name("ricoh", "IM C5500", "1.2/3"), "ricoh/IM-C5500/1.2-3");
    }
}
