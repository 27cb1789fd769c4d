//! What follows a failed push. A device that refuses the connection may be asleep or restarting, so the push is
//! retried a limited number of times. If the device may have received the image, its version is read first.

use jiff::SignedDuration;

/// Maximum number of pushes to one device that may have reached it.
pub(super) const PUSHES_MAX: u32 = 2;

/// Maximum number of attempts to connect. With [`PUSH_PAUSE_MAX`] and a first pause of 15 s this covers about an
/// hour.
pub(super) const TRIES_MAX: u32 = 10;

/// Longest pause between two attempts.
const PUSH_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(15 * 60);

/// The global server's confirmation is requested again after this many first pauses.
const CONFIRM_PAUSES: i32 = 4;

/// Why a push failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFailure {
    /// The text for operators.
    pub why: String,
    /// How much of the image reached the device.
    pub reach: Reach,
}

/// How much of the image reached the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing, because the image was withdrawn: it must not be pushed to any device.
    Withdrawn,
    /// Nothing, because the global server did not confirm that the image is still published.
    Unconfirmed,
    /// Nothing, because the gateway's own copy can't be read: it must be staged again.
    NoImage,
    /// Nothing: there was no connection.
    Nothing,
    /// Some of it or all of it: whether the update succeeded is known only from the device's version.
    Unknown,
    /// The device rejected it.
    Refused,
}

/// What follows a failed push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Stage the image again, then push after this time.
    StageAgain(SignedDuration),
    /// Push again after this time.
    TryAgain(SignedDuration),
    /// Request the confirmation again after this time; this doesn't count as an attempt to connect.
    Confirm(SignedDuration),
    /// Read the device's version; if it is the old one, the image may be pushed again.
    ReadBack,
    /// The device has failed.
    GiveUp,
    /// Every device that the image was not pushed to has failed.
    Withdraw,
}

/// What follows a failed push. `tries` counts the attempts without a connection, `first` is the first pause.
pub(super) fn after_failure(reach: Reach, tries: u32, first: SignedDuration) -> Next {
    let pause = super::pause(first, PUSH_PAUSE_MAX.max(first), tries);
    match reach {
        Reach::NoImage | Reach::Nothing if tries >= TRIES_MAX => Next::GiveUp,
        Reach::NoImage => Next::StageAgain(pause),
        Reach::Nothing => Next::TryAgain(pause),
        Reach::Unknown => Next::ReadBack,
        Reach::Refused => Next::GiveUp,
        Reach::Unconfirmed => Next::Confirm(first.saturating_mul(CONFIRM_PAUSES)),
        Reach::Withdrawn => Next::Withdraw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: SignedDuration = SignedDuration::from_secs(15);

    #[test]
    fn every_failure_is_decided() {
        let s = SignedDuration::from_secs;
        let table = [
            (Reach::Nothing, 1, Next::TryAgain(s(15))),
            (Reach::Nothing, 2, Next::TryAgain(s(30))),
            (Reach::Nothing, 9, Next::TryAgain(s(900))),
            (Reach::Nothing, TRIES_MAX, Next::GiveUp),
            (Reach::NoImage, 1, Next::StageAgain(s(15))),
            (Reach::NoImage, TRIES_MAX, Next::GiveUp),
            (Reach::Unknown, 1, Next::ReadBack),
            (Reach::Unknown, TRIES_MAX, Next::ReadBack),
            (Reach::Refused, 1, Next::GiveUp),
            (Reach::Unconfirmed, 1, Next::Confirm(s(60))),
            (Reach::Unconfirmed, TRIES_MAX, Next::Confirm(s(60))),
            (Reach::Withdrawn, 1, Next::Withdraw),
        ];
        for (reach, tries, expected) in table {
            assert_eq!(after_failure(reach, tries, FIRST), expected, "{reach:?} {tries}");
        }
    }

    #[test]
    fn all_tries_together_take_about_an_hour() {
        let pause = |tries| match after_failure(Reach::Nothing, tries, FIRST) {
            Next::TryAgain(pause) => pause.as_secs(),
            Next::StageAgain(_) | Next::Confirm(_) | Next::ReadBack | Next::GiveUp | Next::Withdraw => 0,
        };
        assert_eq!((1..=TRIES_MAX).map(pause).sum::<i64>(), 15 + 30 + 60 + 120 + 240 + 480 + 900 + 900 + 900);
    }
}
