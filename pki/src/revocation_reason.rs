//! Reasons of a revocation: RFC 5280 §5.3.1.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a certificate was revoked. `removeFromCRL` is omitted: it belongs to delta lists, which Platen doesn't use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// The party's key was compromised.
    KeyCompromise,
    /// The authority's key was compromised.
    CaCompromise,
    /// The party's affiliation changed.
    AffiliationChanged,
    /// Another certificate replaces it.
    Superseded,
    /// The party ceased to operate.
    CessationOfOperation,
    /// On hold.
    CertificateHold,
    /// A privilege was withdrawn.
    PrivilegeWithdrawn,
    /// An attribute authority's key was compromised.
    AaCompromise,
}

/// An unknown reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a reason of RFC 5280: expected one of {}", names())]
pub struct InvalidRevocationReason {
    /// The given text, shortened.
    given: String,
}

fn names() -> String {
    RevocationReason::ALL.map(RevocationReason::as_str).join(", ")
}

impl RevocationReason {
    pub(crate) const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name in RFC 5280.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// The code in RFC 5280.
    #[must_use]
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason of a code. An unknown code also means that the certificate is revoked.
    pub(crate) fn of_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|reason| reason.code() == code).unwrap_or(Self::Unspecified)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RevocationReason {
    type Err = InvalidRevocationReason;

    /// `keyCompromise` or `key-compromise`.
    fn from_str(text: &str) -> Result<Self, InvalidRevocationReason> {
        let plain = |name: &str| name.replace('-', "").to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|reason| plain(reason.as_str()) == plain(text));
        found.ok_or_else(|| InvalidRevocationReason { given: text.chars().take(40).collect() })
    }
}

impl From<RevocationReason> for &'static str {
    fn from(reason: RevocationReason) -> Self {
        reason.as_str()
    }
}

impl TryFrom<String> for RevocationReason {
    type Error = InvalidRevocationReason;

    fn try_from(text: String) -> Result<Self, InvalidRevocationReason> {
        text.parse()
    }
}
