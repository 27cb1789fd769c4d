//! How far the verifier bends: clocks that differ, and revocation lists that come late. Nothing else bends.

use serde::{Deserialize, Serialize};

/// Tolerances of the verifier: part of every program's configuration (key `tolerance`), every field defaulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// By how much the clocks of the two sides may differ, seconds; for certificates and for revocation lists.
    pub clock_skew_s: u32,
    /// How long a revocation list still serves after its next update was due, seconds. Meanwhile it is an error that
    /// programs report ([`crate::revocation::Freshness::Grace`]); after that every peer is refused.
    pub crl_grace_s: u32,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { clock_skew_s: 300, crl_grace_s: 86_400 }
    }
}

impl Tolerance {
    pub(crate) const fn skew(self) -> i64 {
        self.clock_skew_s as i64
    }

    pub(crate) const fn grace(self) -> i64 {
        self.crl_grace_s as i64
    }
}
