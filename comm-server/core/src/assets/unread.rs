//! Why a device has not been read for long.

use jiff::{SignedDuration, Timestamp};

/// Days after which a device is listed, if nobody says otherwise.
pub const UNREAD_DAYS: u32 = 7;

/// The most days that may be asked for.
pub const MOST_DAYS: u32 = 3660;

/// The time before which a device was last read that has not been read for so many days.
#[must_use]
pub fn unread_since(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// Why a device has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadReason {
    /// It never was: it was found, and no reading has come.
    NeverRead,
    /// Its gateway doesn't poll.
    GatewaySilent,
    /// Its gateway polls, and the device doesn't answer it.
    DeviceSilent,
}

impl UnreadReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::NeverRead, Self::GatewaySilent, Self::DeviceSilent];

    /// The reason that is nearest to the remedy.
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
            Self::DeviceSilent => "it does not answer its gateway",
        }
    }
}
