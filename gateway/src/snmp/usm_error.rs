//! Why an SNMPv3 engine rejects a request (RFC 3414 §3.2). Distinguishes a wrong password from a device that is off.

use std::fmt;

use snmp::v3::ReportStatus;

/// Why a device rejects a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UsmError {
    UnknownUser,
    WrongDigest,
    Level,
    Decryption,
    TimeWindow,
    Engine,
    /// It responds to engine discovery, but not to this user.
    Mute,
    /// A response was not authenticated by this user's key.
    NotAuthentic,
    Other(String),
}

impl UsmError {
    /// The error in a report, if no other request of this user would succeed.
    pub(super) fn of(status: &ReportStatus) -> Option<Self> {
        match Self::from(status) {
            usm_error @ (Self::UnknownUser | Self::WrongDigest | Self::Level | Self::Decryption) => {
                Some(usm_error)
            }
            Self::TimeWindow | Self::Engine | Self::Mute | Self::NotAuthentic | Self::Other(_) => None,
        }
    }

    /// Whether the device may have another engine than the stored one: another device, or one that was reset.
    pub(super) const fn may_be_another_engine(&self) -> bool {
        matches!(self, Self::Engine | Self::TimeWindow | Self::NotAuthentic | Self::Mute)
    }
}

impl From<&ReportStatus> for UsmError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's statuses are non-exhaustive")]
    fn from(status: &ReportStatus) -> Self {
        match status {
            ReportStatus::UnknownUserName { .. } => Self::UnknownUser,
            ReportStatus::WrongDigest { .. } => Self::WrongDigest,
            ReportStatus::UnsupportedSecurityLevel { .. } => Self::Level,
            ReportStatus::DecryptionError { .. } => Self::Decryption,
            ReportStatus::NotInTimeWindow { .. } => Self::TimeWindow,
            ReportStatus::UnknownEngineId { .. } => Self::Engine,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for UsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "it doesn't know the user",
            Self::WrongDigest => "wrong digest: the authentication password or protocol is wrong",
            Self::Level => "it doesn't permit the user this security level",
            Self::Decryption => "it can't decrypt: the privacy password or protocol is wrong",
            Self::TimeWindow => "outside of its time window, even after its clock was learned",
            Self::Engine => "its engine id differs from the discovered one",
            Self::Mute => {
                "it responds to engine discovery but not to the user: a wrong user, password or context"
            }
            Self::NotAuthentic => "its response is not authentic for this user",
            Self::Other(what) => what,
        })
    }
}
