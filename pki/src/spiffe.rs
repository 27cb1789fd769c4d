//! SPIFFE IDs: the identity of a party, in the one URI of its certificate.
//!
//! `spiffe://TRUST-DOMAIN/gateway/ID`, `/comm-server/NAME`, `/global-server/NAME`, `/operator/NAME`, and nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest trust domain, bytes. The SPIFFE standard has 255; this one fits a DNS label and a common name.
pub(crate) const TRUST_DOMAIN_BYTES: usize = 63;

/// The longest name of a party, bytes.
pub(crate) const NAME_BYTES: usize = 64;

/// An invalid SPIFFE ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// Not a `spiffe://` URI with three parts.
    #[error("{given:?} is not a SPIFFE ID of Platen: expected spiffe://TRUST-DOMAIN/KIND/NAME")]
    Form {
        /// The given text, shortened.
        given: String,
    },
    /// Not `KIND/NAME`.
    #[error("{given:?} names no party: expected KIND/NAME, for example gateway/gw-1")]
    Party {
        /// The given text, shortened.
        given: String,
    },
    /// The trust domain has a wrong length or character.
    #[error(
        "trust domain {given:?} is not valid: expected 1 to {TRUST_DOMAIN_BYTES} of a-z, 0-9, '-', '.' and '_'"
    )]
    TrustDomain {
        /// The given text, shortened.
        given: String,
    },
    /// An unknown kind of party.
    #[error("{given:?} is not a kind of party: expected gateway, comm-server, global-server or operator")]
    Kind {
        /// The given text, shortened.
        given: String,
    },
    /// The name has a wrong length or character.
    #[error(
        "name {given:?} is not valid: expected 1 to {NAME_BYTES} of a-z, 0-9, '-', '.' and '_', not only dots"
    )]
    Name {
        /// The given text, shortened.
        given: String,
    },
}

/// A trust domain: all parties with the same root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The trust domain as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Kinds of party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    /// Remote Communication Gate.
    Gateway,
    /// Communication server.
    CommServer,
    /// Global server.
    GlobalServer,
    /// A person at the service company.
    Operator,
}

impl PartyKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::CommServer, Self::GlobalServer, Self::Operator];

    /// The kind in a SPIFFE ID's path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::CommServer => "comm-server",
            Self::GlobalServer => "global-server",
            Self::Operator => "operator",
        }
    }

    /// Whether a party of this kind accepts connections, so that its certificate must be usable by a server.
    #[must_use]
    pub const fn is_server(self) -> bool {
        match self {
            Self::CommServer | Self::GlobalServer => true,
            Self::Gateway | Self::Operator => false,
        }
    }

    /// The party of this kind named `name`.
    ///
    /// # Errors
    /// The name is invalid.
    pub(crate) fn named(self, name: &str) -> Result<Party, InvalidSpiffeId> {
        if !is_word(name, NAME_BYTES) {
            return Err(InvalidSpiffeId::Name { given: shortened(name) });
        }
        let name = name.to_owned();
        Ok(match self {
            Self::Gateway => Party::Gateway(name),
            Self::CommServer => Party::CommServer(name),
            Self::GlobalServer => Party::GlobalServer(name),
            Self::Operator => Party::Operator(name),
        })
    }
}

impl fmt::Display for PartyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PartyKind {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| InvalidSpiffeId::Kind { given: shortened(text) })
    }
}

/// A party within its trust domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A gateway and its id.
    Gateway(String),
    /// A communication server and its name.
    CommServer(String),
    /// A global server and its name.
    GlobalServer(String),
    /// An operator and the person's name.
    Operator(String),
}

impl Party {
    #[must_use]
    pub(crate) const fn kind(&self) -> PartyKind {
        match self {
            Self::Gateway(_) => PartyKind::Gateway,
            Self::CommServer(_) => PartyKind::CommServer,
            Self::GlobalServer(_) => PartyKind::GlobalServer,
            Self::Operator(_) => PartyKind::Operator,
        }
    }

    /// The name within its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Gateway(name)
            | Self::CommServer(name)
            | Self::GlobalServer(name)
            | Self::Operator(name) => name,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

impl FromStr for Party {
    type Err = InvalidSpiffeId;

    /// Parses `KIND/NAME`.
    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let form = || InvalidSpiffeId::Party { given: shortened(text) };
        let (kind, name) = text.split_once('/').ok_or_else(form)?;
        kind.parse::<PartyKind>()?.named(name)
    }
}

/// A party's full name. `Display` gives the URI, `FromStr` reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// The party in it.
    pub party: Party,
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.trust_domain, self.party)
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let form = || InvalidSpiffeId::Form { given: shortened(text) };
        let rest = text.strip_prefix("spiffe://").ok_or_else(form)?;
        let mut parts = rest.split('/');
        let (Some(domain), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let trust_domain = domain.parse()?;
        let party = kind.parse::<PartyKind>()?.named(name)?;
        Ok(Self { trust_domain, party })
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        if !is_word(text, TRUST_DOMAIN_BYTES) {
            return Err(InvalidSpiffeId::TrustDomain { given: shortened(text) });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_forms {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidSpiffeId;

            fn try_from(text: String) -> Result<Self, InvalidSpiffeId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text_forms!(SpiffeId);
text_forms!(TrustDomain);

fn is_word(text: &str, max: usize) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.' | b'_');
    !text.is_empty() && text.len() <= max && text.bytes().all(allowed) && text.bytes().any(|c| c != b'.')
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_and_written() {
        for kind in PartyKind::ALL {
            let uri = format!("spiffe://platen.example/{kind}/n-1.a_b");
            let id: SpiffeId = uri.parse().unwrap();
            assert_eq!(id.party.kind(), kind);
            assert_eq!(id.party.name(), "n-1.a_b");
            assert_eq!(id.trust_domain.as_str(), "platen.example");
            assert_eq!(id.to_string(), uri);
            assert_eq!(format!("{kind}/n-1.a_b").parse(), Ok(id.party));
        }
        for bad in ["", "gateway", "gateway/", "gateway/a/b", "printer/a", "/a"] {
            assert!(bad.parse::<Party>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        let long = format!("spiffe://t/gateway/{}", "x".repeat(65));
        let long_domain = format!("spiffe://{}/gateway/a", "x".repeat(64));
        for bad in [
            "",
            "spiffe://",
            "spiffe://t",
            "spiffe://t/gateway",
            "spiffe://t/gateway/",
            "spiffe://t/gateway/a/",
            "spiffe://t/gateway/a/b",
            "spiffe:///gateway/a",
            "spiffe://t//a",
            "spiffe://t/Gateway/a",
            "spiffe://t/gateway/A",
            "spiffe://t/gateway/..",
            "spiffe://t/gateway/.",
            "spiffe://t/gateway/a%2fb",
            "spiffe://t/gateway/a?x",
            "spiffe://t/gateway/a#x",
            "spiffe://t:1/gateway/a",
            "spiffe://u@t/gateway/a",
            "spiffe://T/gateway/a",
            "SPIFFE://t/gateway/a",
            "https://t/gateway/a",
            "spiffe://t/printer/a",
            " spiffe://t/gateway/a",
            "spiffe://t/gateway/a\n",
            "spiffe://t/gateway/\u{e9}",
            &long,
            &long_domain,
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_alike(text in "spiffe://[a-zA-Z0-9._%/-]{0,12}/(gateway|operator|x)/\\PC{0,12}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                proptest::prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
