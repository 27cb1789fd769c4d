//! The time and the random bits of one event.

use std::time::Duration;

use jiff::Timestamp;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The machine's clock, which an administrator may set.
    pub clock: Timestamp,
    /// Time since the program began, by a monotonic clock.
    pub elapsed: Duration,
}

/// Random numbers from the bits of an event (`SplitMix64`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn part_of(&mut self, whole: Duration) -> Duration {
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        whole.mul_f64(f64::from(high) / f64::from(u32::MAX))
    }
}
