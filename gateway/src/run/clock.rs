//! The only place of `run` that reads clocks.

use gateway_core::site::Moment;
use jiff::Timestamp;
use tokio::time::Instant;

/// Both clocks, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now() }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { clock: Timestamp::now(), elapsed: self.began.elapsed() }
    }
}
