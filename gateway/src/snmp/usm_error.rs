//! Why an SNMPv3 engine refuses a request (RFC 3414 §3.2): what tells a wrong password from a device that is off.

use std::fmt;

use snmp::v3::ReportStatus;

/// Why a device refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UsmError {
    UnknownUser,
    WrongDigest,
    Level,
    Decryption,
    TimeWindow,
    Engine,
    /// It answers engine discovery, and not this user.
    Mute,
    /// An answer came that this user's key didn't sign.
    NotAuthentic,
    Other(String),
}

impl UsmError {
    /// What a report says, where no other request of this user would fare better.
    pub(super) fn of(status: &ReportStatus) -> Option<Self> {
        match Self::from(status) {
            usm_error @ (Self::UnknownUser | Self::WrongDigest | Self::Level | Self::Decryption) => {
                Some(usm_error)
            }
            Self::TimeWindow | Self::Engine | Self::Mute | Self::NotAuthentic | Self::Other(_) => None,
        }
    }

    /// Whether it may be another engine than the one that is remembered: another device, or one that forgot its past.
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
            Self::Level => "it doesn't let the user ask at this security level",
            Self::Decryption => "it can't decrypt: the privacy password or protocol is wrong",
            Self::TimeWindow => "outside of its time window, even after its clock was learned",
            Self::Engine => "it has another engine id than it said",
            Self::Mute => {
                "it answers engine discovery and is silent to the user: a wrong user, password or context"
            }
            Self::NotAuthentic => "its answer is not authentic for this user",
            Self::Other(what) => what,
        })
    }
}
