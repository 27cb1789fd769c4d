//! Why a device has not been read for some days.

use jiff::{SignedDuration, Timestamp};

/// Default number of days after which a device is listed.
pub const UNREAD_DAYS: u32 = 7;

/// Maximum number of days that may be requested.
pub const MOST_DAYS: u32 = 3660;

/// The time that is this number of days before `now`: a device is listed if its last reading is older.
#[must_use]
pub fn unread_since(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// Why a device has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadReason {
    /// It was never read: it was found, but there is no reading of it.
    NeverRead,
    /// Its gateway doesn't poll.
    GatewaySilent,
    /// Its gateway polls, but the device doesn't respond to the gateway.
    DeviceSilent,
}

impl UnreadReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::NeverRead, Self::GatewaySilent, Self::DeviceSilent];

    /// The reason. A gateway that doesn't poll takes precedence over the device's own reasons.
    #[must_use]
    pub const fn of(was_read: bool, gateway_is_silent: bool) -> Self {
        match (was_read, gateway_is_silent) {
            (_, true) => Self::GatewaySilent,
            (true, false) => Self::DeviceSilent,
            (false, false) => Self::NeverRead,
        }
    }

    /// Name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverRead => "never_read",
            Self::GatewaySilent => "gateway_silent",
            Self::DeviceSilent => "device_silent",
        }
    }

    /// A text for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NeverRead => "never read",
            Self::GatewaySilent => "its gateway does not poll",
            Self::DeviceSilent => "it does not respond to its gateway",
        }
    }
}
