//! Tolerances of the verifier: clock skew, and overdue revocation lists. Nothing else is tolerated.

use serde::{Deserialize, Serialize};

/// Tolerances of the verifier: part of every program's configuration (key `tolerance`), every field defaulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// The tolerated clock skew, seconds; for certificates and revocation lists.
    pub clock_skew_s: u32,
    /// How long an overdue revocation list is still used after its `nextUpdate`, seconds. Programs report it as an
    /// error ([`crate::revocation::Freshness::Grace`]); after that, every peer is rejected.
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
