//! Access to a device: the order in which credentials are tried, what is stored about the one that worked, and the
//! agent's quirks. A credential is only a name here; secrets stay in the shell.

mod ladder;

use std::fmt;
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::reading::AgentQuirks;

pub use ladder::{CredentialLadder, Step, StepFailure};

/// Age at which quirks expire and the defaults are tried again: a firmware update may have changed the agent.
const QUIRKS_LAST: SignedDuration = SignedDuration::from_hours(24);

/// Other credentials are tried after the 2nd, 4th, 8th ... timeout in a row, and from this number on after every
/// multiple of it.
const RETRY_EVERY: u32 = 64;

/// Port of an SNMP agent where none is given.
pub const SNMP_PORT: u16 = 161;

/// An address for people: without the port if it is [`SNMP_PORT`].
#[must_use]
pub fn address_text(address: SocketAddr) -> String {
    if address.port() == SNMP_PORT { address.ip().to_string() } else { address.to_string() }
}

/// An SNMP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// SNMP v1.
    #[serde(rename = "1")]
    V1,
    /// SNMP v2c.
    #[serde(rename = "2c")]
    V2c,
    /// SNMP v3.
    #[serde(rename = "3")]
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "1",
            Self::V2c => "2c",
            Self::V3 => "3",
        })
    }
}

/// What worked with a device; stored in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Name of the credential.
    pub credential: String,
    /// SNMP version.
    pub version: Version,
    /// The SNMP context that has the printer's objects; `None` for the default context.
    #[serde(default)]
    pub context: Option<String>,
    /// The agent's quirks.
    #[serde(default, rename = "manner")]
    pub quirks: AgentQuirks,
    /// When it was learned.
    pub learned_at: Timestamp,
}

impl Access {
    /// Whether it is recent enough to be used without a new trial.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.learned_at);
        // After the clock was set back, what was learned "in the future" is not trusted.
        age < QUIRKS_LAST && age >= SignedDuration::ZERO
    }

    /// The quirks to read the device with now.
    #[must_use]
    pub fn quirks_now(&self, now: Timestamp) -> AgentQuirks {
        if self.is_fresh(now) { self.quirks } else { AgentQuirks::default() }
    }
}

/// What is stored about an address that has responded before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The last access that worked.
    pub access: Access,
    /// Timeouts since then.
    pub failures: u32,
}

impl Memory {
    /// As loaded from the spool.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self { access, failures: 0 }
    }

    /// The last access, if it was with this credential.
    #[must_use]
    pub fn access_with(&self, credential: &str, version: Version) -> Option<&Access> {
        Some(&self.access).filter(|access| access.credential == credential && access.version == version)
    }

    /// A read succeeded. Quirks that were already known keep their date, unless they had expired.
    pub fn worked(&mut self, access: Access) {
        self.failures = 0;
        let known = Access { learned_at: access.learned_at, ..self.access.clone() };
        if known != access || !self.access.is_fresh(access.learned_at) {
            self.access = access;
        }
    }

    /// A read timed out.
    pub const fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }
}

/// One credential to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its position in the list.
    pub at: usize,
    /// Retries of a request until the device has responded once.
    pub retries: u32,
}

/// The credentials to try for one read, in this order. `candidates` are names and versions in the order of the
/// configuration.
///
/// For a new address, all are tried: the first with the configured retries, each other with one packet. For a known
/// address, the one that worked is tried, and the others only occasionally.
#[must_use]
pub(crate) fn attempts(
    memory: Option<&Memory>,
    candidates: &[(&str, Version)],
    retries: u32,
) -> Vec<Attempt> {
    let remembered = memory.and_then(|memory| {
        let is = |(name, version): &(&str, Version)| memory.access_with(name, *version).is_some();
        candidates.iter().position(is).map(|at| (at, memory.failures))
    });
    let (first, others) = remembered.map_or((0, true), |(at, failures)| {
        let look = failures.saturating_add(1);
        let again = look > 1 && (look.is_power_of_two() && look <= RETRY_EVERY || look % RETRY_EVERY == 0);
        (at, again)
    });
    let rest = (0..candidates.len()).filter(|at| others && *at != first);
    let rest = rest.map(|at| Attempt { at, retries: 0 });
    let first = (first < candidates.len()).then_some(Attempt { at: first, retries });
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V1, V2c, V3};

    const LIST: [(&str, Version); 4] = [("office", V3), ("old", V2c), ("old", V1), ("spare", V2c)];

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    fn access(credential: &str, version: Version, hours: i64) -> Access {
        Access {
            credential: credential.into(),
            version,
            context: None,
            quirks: AgentQuirks::default(),
            learned_at: at(hours),
        }
    }

    fn tried(memory: Option<&Memory>) -> Vec<(usize, u32)> {
        attempts(memory, &LIST, 2).into_iter().map(|attempt| (attempt.at, attempt.retries)).collect()
    }

    #[test]
    fn a_new_address_is_tried_in_order_and_a_known_one_as_remembered() {
        assert_eq!(tried(None), [(0, 2), (1, 0), (2, 0), (3, 0)]);
        let mut memory = Memory::new(access("old", V1, 0));
        assert_eq!(tried(Some(&memory)), [(2, 2)]);
        memory.failed();
        assert_eq!(tried(Some(&memory)), [(2, 2), (0, 0), (1, 0), (3, 0)]);
        memory.failed();
        assert_eq!(tried(Some(&memory)), [(2, 2)]);
        let gone = Memory::new(access("removed", V2c, 0));
        assert_eq!(
            tried(Some(&gone)),
            [(0, 2), (1, 0), (2, 0), (3, 0)],
            "its credential is no longer configured"
        );
        assert!(attempts(None, &[], 2).is_empty());
    }

    #[test]
    fn a_device_that_times_out_gets_ever_fewer_packets() {
        let mut memory = Memory::new(access("office", V3, 0));
        let mut looks = Vec::new();
        for look in 1..=200 {
            if tried(Some(&memory)).len() > 1 {
                looks.push(look);
            }
            memory.failed();
        }
        assert_eq!(looks, [2, 4, 8, 16, 32, 64, 128, 192]);
        memory.worked(access("spare", V2c, 1));
        assert_eq!((memory.failures, tried(Some(&memory))), (0, vec![(3, 2)]));
    }

    #[test]
    fn what_was_learned_keeps_its_date_and_ages() {
        let narrow =
            Access { quirks: AgentQuirks { bulk: false, ..AgentQuirks::default() }, ..access("old", V2c, 0) };
        let mut memory = Memory::new(narrow.clone());
        memory.worked(Access { learned_at: at(12), ..narrow.clone() });
        assert_eq!(memory.access.learned_at, at(0));
        assert_eq!(memory.access.quirks_now(at(12)), narrow.quirks);
        assert_eq!(memory.access.quirks_now(at(24)), AgentQuirks::default());
        assert_eq!(memory.access.quirks_now(at(-1)), AgentQuirks::default());
        memory.worked(Access { learned_at: at(24), ..narrow });
        assert_eq!(memory.access.learned_at, at(24), "it was proved again");
    }
}
