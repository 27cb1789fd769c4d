//! Identifiers of parties and objects, validated when they are parsed.

#[doc(no_inline)]
pub use uuid::{Error as UuidError, Uuid};

/// A text that is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: expected {expected}")]
pub struct InvalidId {
    what: &'static str,
    given: String,
    expected: &'static str,
}

impl InvalidId {
    /// An error about `given`, of which the first 40 characters are kept.
    #[must_use]
    pub fn new(what: &'static str, given: &str, expected: &'static str) -> Self {
        Self { what, given: given.chars().take(40).collect(), expected }
    }
}

/// Defines an identifier that is a text: its name in messages, its greatest length in bytes, what is expected, and the
/// rule for each character.
#[macro_export]
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $expected:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ids::InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let rule: fn(char) -> bool = $rule;
                if !text.is_empty() && text.len() <= $max && text.chars().all(rule) {
                    return Ok(Self(text));
                }
                Err($crate::ids::InvalidId::new($what, &text, $expected))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A gateway, as in its certificate: the last part of `spiffe://TRUST-DOMAIN/gateway/ID`.
    GatewayId,
    "gateway id",
    64,
    "1 to 64 of a-z, 0-9, '-', '.' and '_'",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_')
);

text_id!(
    /// A device of a gateway: `VENDOR:SERIAL`; without a serial number `mac:HEX`; without either `addr:ADDRESS`.
    DeviceId,
    "device id",
    96,
    "1 to 96 of A-Z, a-z, 0-9, '-', '.', '_', ':' and '/'",
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '/')
);

/// Defines an identifier that is a UUID (RFC 9562).
#[macro_export]
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $crate::ids::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::UuidError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A command, UUID version 7.
    CommandId
);
uuid_id!(
    /// A firmware roll-out, UUID version 7.
    RolloutId
);
uuid_id!(
    /// An epoch of a gateway's spool, UUID version 7: a recreated spool gets a new one.
    SpoolId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_their_rule() {
        assert!("gw-1.site_a".parse::<GatewayId>().is_ok());
        for bad in ["", "GW", "a b", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<GatewayId>().is_err(), "{bad}");
        }
        assert!("ricoh:E174M210001".parse::<DeviceId>().is_ok());
        assert!(serde_json::from_str::<DeviceId>("\"a\\nb\"").is_err());
    }
}
