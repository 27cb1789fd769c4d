//! How long a peer may take for each step of a connection. The only place where a listener's deadlines are.
//!
//! ```text
//! accept ── handshake_s ──▶ TLS ── head_s ──▶ first request ──▶ response ── idle_s ──▶ next request ...
//!                                               │  body_s + 1 s for each 4 KiB, or 408
//!                                               └─ stall_s without any progress of the peer
//! ```
//!
//! A connection that is upgraded (HTTP 101) leaves the deadlines for heads and idleness: see
//! [`super::activity::Activity::upgraded`].

use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;

/// The slowest transfer of a body that is accepted, bytes per second.
pub(super) const BODY_BYTES_PER_S: u64 = 4 << 10;

/// Deadlines of a listener, seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// From the accepted socket to the end of the TLS handshake.
    pub handshake_s: NonZeroU16,
    /// From the end of the handshake to the end of the first request's head.
    pub head_s: NonZeroU16,
    /// From the end of a response to the end of the next request's head.
    pub idle_s: NonZeroU16,
    /// For a request's body, plus one second for each 4 KiB received.
    pub body_s: NonZeroU16,
    /// Maximum time without progress: the peer neither reads what is sent to it nor sends what it announced.
    pub stall_s: NonZeroU16,
}

const fn seconds(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("the defaults are not zero")
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake_s: seconds(10),
            head_s: seconds(10),
            idle_s: seconds(30),
            body_s: seconds(20),
            stall_s: seconds(30),
        }
    }
}

impl Deadlines {
    pub(super) fn handshake(&self) -> Duration {
        duration(self.handshake_s)
    }

    pub(super) fn head(&self) -> Duration {
        duration(self.head_s)
    }

    pub(super) fn idle(&self) -> Duration {
        duration(self.idle_s)
    }

    /// The deadline of a body of which this many bytes have been received.
    pub(super) fn body(&self, received: u64) -> Duration {
        duration(self.body_s) + Duration::from_secs(received / BODY_BYTES_PER_S)
    }

    pub(super) fn stall(&self) -> Duration {
        duration(self.stall_s)
    }

    /// The shortest deadline that a timer watches: checking at this interval misses none.
    pub(super) fn shortest(&self) -> Duration {
        duration(self.handshake_s.min(self.head_s).min(self.idle_s).min(self.stall_s))
    }
}

fn duration(seconds: NonZeroU16) -> Duration {
    Duration::from_secs(seconds.get().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_comes_gets_more_time() {
        let deadlines = Deadlines::default();
        assert_eq!(deadlines.body(0), Duration::from_secs(20));
        assert_eq!(deadlines.body(64 << 10), Duration::from_secs(36));
    }
}
