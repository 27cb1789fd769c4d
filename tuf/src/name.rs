//! Names of roles, and of the files that roles are in.

use std::fmt::{self, Display, Formatter};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::limits::ROLE_NAME_BYTES;

/// The characters that are percent-encoded in a name: all but the unreserved ones of RFC 3986 §2.3. The result is one
/// segment of a URL's path, and a file name.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name of a role: a top-level role, or one that a targets role delegates to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RoleName(String);

impl RoleName {
    pub(crate) const TOP_LEVEL: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];

    /// The root role.
    #[must_use]
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// The timestamp role.
    #[must_use]
    pub fn timestamp() -> Self {
        Self("timestamp".to_owned())
    }

    /// The snapshot role.
    #[must_use]
    pub fn snapshot() -> Self {
        Self("snapshot".to_owned())
    }

    /// The top-level targets role.
    #[must_use]
    pub fn targets() -> Self {
        Self("targets".to_owned())
    }

    /// The name as in metadata. It can contain any character, so use only [`RoleName::file_name`] in a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `ROLE.json` with the name percent-encoded: one segment of a path, in a URL or a folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", quoted(&self.0))
    }

    /// The key of this role in a snapshot's `meta`, where names are not encoded.
    pub(crate) fn meta_key(&self) -> String {
        format!("{}.json", self.0)
    }

    pub(crate) fn is_top_level(&self) -> bool {
        Self::TOP_LEVEL.contains(&self.0.as_str())
    }
}

impl TryFrom<String> for RoleName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() || quoted(&name).len() > ROLE_NAME_BYTES {
            let shown: String = name.chars().take(40).collect();
            return Err(format!(
                "the role name {shown:?} is not valid: expected 1 to {ROLE_NAME_BYTES} bytes, percent-encoded"
            ));
        }
        Ok(Self(name))
    }
}

impl Display for RoleName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

/// A text as one segment of a path: everything but letters, digits, `-`, `.`, `_` and `~` is percent-encoded.
#[must_use]
pub fn quoted(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        for (name, file) in [
            ("ricoh", "ricoh.json"),
            ("../delegated", "..%2Fdelegated.json"),
            ("/role", "%2Frole.json"),
            ("?", "%3F.json"),
            ("#", "%23.json"),
            ("a%2Fb", "a%252Fb.json"),
            ("é", "%C3%A9.json"),
        ] {
            assert_eq!(RoleName::try_from(name.to_owned()).unwrap().file_name(), file);
        }
        assert!(RoleName::try_from(String::new()).is_err());
        assert!(RoleName::try_from("é".repeat(41)).unwrap_err().contains("expected 1 to 240 bytes"));
    }
}
