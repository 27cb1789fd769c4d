//! What follows when a push fails: a device that refuses a connection sleeps or restarts, and is tried again within a
//! bounded number of tries; what may have been delivered is read back before anything is repeated.

use jiff::SignedDuration;

/// How often an image that may have arrived is pushed to a device at most.
pub(super) const PUSHES_MAX: u32 = 2;

/// How often a connection is tried before the device is given up. With [`PUSH_PAUSE_MAX`] and a first pause of 15 s
/// that takes about an hour of a device that otherwise looks idle.
pub(super) const TRIES_MAX: u32 = 10;

/// Longest pause between two tries.
const PUSH_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(15 * 60);

/// Why a push failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFailure {
    /// What a person should read.
    pub why: String,
    /// How far the image came.
    pub reach: Reach,
}

/// How far an image came that could not be pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The gateway's own copy can't be read: it is to be staged again.
    NoImage,
    /// No connection: the device saw no byte.
    Nothing,
    /// Some of it or all of it: only the device's version tells.
    Unknown,
    /// The device said no.
    Refused,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Stage the image again, then try after this time.
    StageAgain(SignedDuration),
    /// Try after this time.
    TryAgain(SignedDuration),
    /// Read the device's version; where it is the old one, the image may be pushed again.
    ReadBack,
    /// The device has failed.
    GiveUp,
}

/// What follows after a push that failed as the `tries`th without a connection; `first` is the first pause.
pub(super) fn after_failure(reach: Reach, tries: u32, first: SignedDuration) -> Next {
    let pause = super::pause(first, PUSH_PAUSE_MAX.max(first), tries);
    match reach {
        Reach::NoImage | Reach::Nothing if tries >= TRIES_MAX => Next::GiveUp,
        Reach::NoImage => Next::StageAgain(pause),
        Reach::Nothing => Next::TryAgain(pause),
        Reach::Unknown => Next::ReadBack,
        Reach::Refused => Next::GiveUp,
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
        ];
        for (reach, tries, expected) in table {
            assert_eq!(after_failure(reach, tries, FIRST), expected, "{reach:?} {tries}");
        }
    }

    #[test]
    fn all_tries_together_take_about_an_hour() {
        let pause = |tries| match after_failure(Reach::Nothing, tries, FIRST) {
            Next::TryAgain(pause) => pause.as_secs(),
            Next::StageAgain(_) | Next::ReadBack | Next::GiveUp => 0,
        };
        assert_eq!((1..=TRIES_MAX).map(pause).sum::<i64>(), 15 + 30 + 60 + 120 + 240 + 480 + 900 + 900 + 900);
    }
}
