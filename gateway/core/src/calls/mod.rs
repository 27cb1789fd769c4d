//! Calls: what changed between two readings of a device, as calls that open and end.
//!
//! A [`CallState`] holds the open calls, so that none is opened twice; it is stored in the same batch as the reports
//! that it produced. Alert rows such as "Sleep" or "Ready" are no calls: a call requires a person to act.
//!
//! ```
//! use platen_gateway_core::calls::{CallRules, CallState};
//! use platen_gateway_core::reading::Coverage;
//! use wire::reading::Reading;
//! use wire::report::{CallKind, Edge};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reading: Reading = serde_json::from_str(
//!     r#"{"address": "192.0.2.7", "read_at": "2026-11-29T09:00:00Z", "took_ms": 12, "requests": 4, "identity": {},
//!         "status": {"detected_errors": ["serviceRequested"], "console": ["SC542"]}}"#,
//! )?;
//! let (device, rules) = ("ricoh:E174M210001".parse()?, CallRules::default());
//! let mut state = CallState::default();
//! let calls = state.on_reading(&rules, None, &device, (&reading, Coverage::WHOLE));
//! assert_eq!((calls[0].call, calls[0].edge), (CallKind::ServiceCall, Edge::Raised));
//! assert_eq!(calls[0].detail, "SC542");
//! // The call is open: the same reading opens no second one.
//! assert!(state.on_reading(&rules, None, &device, (&reading, Coverage::WHOLE)).is_empty());
//! # Ok(())
//! # }
//! ```

mod alarms;
mod bits;
mod colorants;
mod condition;
mod conditions;
mod counters;
mod facts;
mod grounds;
mod judged;
mod levels;
mod rows;
mod supplies;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::ids::DeviceId;
use wire::reading::Reading;
use wire::report::{Call, CallKind, Edge};

use crate::reading::Coverage;
use crate::reading::profiles::Profile;

pub(crate) use self::alarms::POWER_SAVER;
pub use self::colorants::Marking;
use self::condition::{Condition, Observation, Verdict};
use self::conditions::conditions;
use self::counters::Meters;
pub use self::facts::name as supply_name;
use self::grounds::Grounds;
use self::levels::SupplyMemory;

/// The configured thresholds of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallRules {
    /// A supply is near its end at this percentage and below.
    pub near_end_percent: f64,
    /// A device is offline after this number of timeouts in a row.
    pub offline_after: u32,
}

impl Default for CallRules {
    fn default() -> Self {
        Self { near_end_percent: 10.0, offline_after: 3 }
    }
}

/// The number of readings in a row that must show a condition before its call opens, and must not show it before the
/// call ends. A cover that is opened to add paper is not a call. A service call opens at once, and ends only when two
/// readings agree.
const fn settling(kind: CallKind) -> (u8, u8) {
    match kind {
        CallKind::ServiceCall => (1, 2),
        CallKind::Jam | CallKind::CoverOpen => (2, 1),
        CallKind::SupplyNearEnd
        | CallKind::SupplyEnd
        | CallKind::SupplyReplaced
        | CallKind::DeviceOffline
        | CallKind::CounterRegression => (1, 1),
    }
}

/// The open calls of a device, and the history that they are derived from; stored in the spool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallState {
    /// Calls that are open.
    pub open: Vec<OpenCall>,
    settling: Vec<Settling>,
    missed: u32,
    supplies: BTreeMap<String, SupplyMemory>,
    /// Compared per source. Earlier versions stored `counters` without sources; those are ignored.
    meters: Meters,
    /// Whether `lowToner` was set in the last reading that had the error bits.
    was_low: Option<bool>,
}

/// A call that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// The kind of call.
    pub call: CallKind,
    /// The part of the device: a supply's index, a counter's name, or empty for the device.
    pub subject: String,
    /// The text for operators.
    pub detail: String,
    /// When a reading first showed it.
    pub since: Timestamp,
    /// Why the call is open; empty for a device that is offline, and for a call that an earlier version opened.
    #[serde(default, skip_serializing_if = "Grounds::is_empty")]
    grounds: Grounds,
}

/// A condition that appeared or disappeared in too few readings so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settling {
    call: CallKind,
    subject: String,
    edge: Edge,
    times: u8,
}

impl CallState {
    /// Whether a call of this kind is open.
    #[must_use]
    pub fn has_open(&self, call: CallKind) -> bool {
        self.open.iter().any(|open| open.call == call)
    }

    /// Whether a condition needs another reading to be confirmed.
    #[must_use]
    pub(crate) const fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// Whether the last read had a response.
    #[must_use]
    pub const fn answers(&self) -> bool {
        self.missed == 0
    }

    /// Timeouts in a row.
    #[must_use]
    pub const fn missed(&self) -> u32 {
        self.missed
    }

    /// Whether a change check is enough: nothing is open or unconfirmed that the next reading might end or confirm.
    #[must_use]
    pub(crate) fn allows_change_check(&self) -> bool {
        let lasting = |open: &OpenCall| matches!(open.call, CallKind::SupplyNearEnd | CallKind::SupplyEnd);
        self.missed == 0
            && self.settling.is_empty()
            && self.open.iter().all(lasting)
            && !self.supplies.values().any(SupplyMemory::doubts)
    }

    /// The device was read. `coverage` states which tables were read to their end: a row is gone only if its table
    /// was. The `profile` defines the vendor's service codes. Counters are compared where the reading has any.
    pub fn on_reading(
        &mut self,
        rules: &CallRules,
        profile: Option<&Profile>,
        device: &DeviceId,
        (reading, coverage): (&Reading, Coverage),
    ) -> Vec<Call> {
        let mut calls = Calls { device, at: reading.read_at, made: Vec::new() };
        self.missed = 0;
        self.clear(&mut calls, CallKind::DeviceOffline, "", "responds again");
        counters::judge(&mut self.meters, reading, &mut calls);
        let codes = profile.map(|profile| profile.service_codes.as_slice()).unwrap_or_default();
        let (open, supplies) = (&self.open, &self.supplies);
        let observed = Observation { rules, codes, reading, coverage, open, supplies, was_low: self.was_low };
        let seen = conditions(&observed);
        if coverage.errors {
            self.was_low = Some(observed.has_bit("lowToner"));
        }
        levels::judge(&mut self.supplies, reading, &mut calls);
        self.settle(&seen, &mut calls);
        calls.made
    }

    /// The read timed out.
    pub fn on_silence(&mut self, rules: &CallRules, device: &DeviceId, at: Timestamp) -> Vec<Call> {
        let mut calls = Calls { device, at, made: Vec::new() };
        self.missed = self.missed.saturating_add(1);
        if self.missed >= rules.offline_after.max(1) {
            let detail = format!("no response to {} consecutive reads", self.missed);
            let offline = Condition { detail, ..Condition::unknown(CallKind::DeviceOffline, "") };
            self.raise(&mut calls, &offline);
        }
        calls.made
    }

    fn settle(&mut self, seen: &[Condition], calls: &mut Calls<'_>) {
        for condition in seen.iter().filter(|c| c.verdict == Verdict::Holds) {
            let same =
                |open: &&mut OpenCall| open.call == condition.call && open.subject == condition.subject;
            let (raise_after, _) = settling(condition.call);
            if let Some(open) = self.open.iter_mut().find(same) {
                open.grounds.extend(&condition.grounds);
                self.forget(condition.call, &condition.subject);
            } else if self.count(condition.call, &condition.subject, Edge::Raised) >= raise_after {
                self.raise(calls, condition);
            }
        }
        let found = |call, subject: &str| seen.iter().find(|c| c.call == call && c.subject == subject);
        // Readings without the condition after which its call ends; `None` if it isn't known to be gone.
        let over = |call: CallKind, subject: &str| -> Option<u8> {
            match found(call, subject).map(|condition| condition.verdict) {
                _ if call == CallKind::DeviceOffline => None,
                Some(Verdict::Holds | Verdict::Unknown) => None,
                Some(Verdict::Over { readings }) => Some(readings),
                None => Some(settling(call).1),
            }
        };
        let open: Vec<_> = self.open.iter().map(|o| (o.call, o.subject.clone(), o.detail.clone())).collect();
        for (call, subject, detail) in open {
            let Some(readings) = over(call, &subject) else { continue };
            if self.count(call, &subject, Edge::Cleared) >= readings {
                // The current text is more useful than the one from when the call opened.
                let now = found(call, &subject).map_or(detail.as_str(), |condition| &condition.detail);
                self.clear(calls, call, &subject, now);
            }
        }
        self.settling.retain(|s| s.edge == Edge::Cleared || over(s.call, &s.subject).is_none());
    }

    fn is_open(&self, call: CallKind, subject: &str) -> bool {
        self.open.iter().any(|open| open.call == call && open.subject == subject)
    }

    fn count(&mut self, call: CallKind, subject: &str, edge: Edge) -> u8 {
        let known = self.settling.iter_mut().find(|s| s.call == call && s.subject == subject);
        if let Some(settling) = known {
            settling.times = if settling.edge == edge { settling.times.saturating_add(1) } else { 1 };
            settling.edge = edge;
            return settling.times;
        }
        self.settling.push(Settling { call, subject: subject.to_owned(), edge, times: 1 });
        1
    }

    fn forget(&mut self, call: CallKind, subject: &str) {
        self.settling.retain(|s| s.call != call || s.subject != subject);
    }

    fn raise(&mut self, calls: &mut Calls<'_>, condition: &Condition) {
        let Condition { call, subject, verdict: _, detail, grounds } = condition.clone();
        self.forget(call, &subject);
        if self.is_open(call, &subject) {
            return;
        }
        calls.push(call, Edge::Raised, &subject, detail.clone());
        self.open.push(OpenCall { call, subject, detail, since: calls.at, grounds });
    }

    fn clear(&mut self, calls: &mut Calls<'_>, call: CallKind, subject: &str, detail: &str) {
        if !self.is_open(call, subject) {
            return;
        }
        self.forget(call, subject);
        self.open.retain(|open| open.call != call || open.subject != subject);
        calls.push(call, Edge::Cleared, subject, detail.to_owned());
    }
}

/// Whether another call of the same reading already covers this one: a replaced supply is neither near its end nor at
/// it, and the end of "supply end" includes the end of "near end".
#[must_use]
pub(crate) fn is_covered_by_another(call: &Call, calls: &[Call]) -> bool {
    let same = |other: &&Call| other.device == call.device && other.subject == call.subject;
    let mut others = calls.iter().filter(same);
    match (call.call, call.edge) {
        (CallKind::SupplyNearEnd, Edge::Cleared) => others.any(|other| {
            other.call == CallKind::SupplyReplaced
                || (other.call == CallKind::SupplyEnd && other.edge == Edge::Cleared)
        }),
        (CallKind::SupplyEnd, Edge::Cleared) => others.any(|other| other.call == CallKind::SupplyReplaced),
        (_, Edge::Raised | Edge::Cleared) => false,
    }
}

/// The calls that one reading or timeout produces.
struct Calls<'a> {
    device: &'a DeviceId,
    at: Timestamp,
    made: Vec<Call>,
}

impl Calls<'_> {
    fn push(&mut self, call: CallKind, edge: Edge, subject: &str, detail: String) {
        let (device, seen_at) = (self.device.clone(), self.at);
        self.made.push(Call { device, call, edge, subject: subject.to_owned(), detail, seen_at });
    }
}

#[cfg(test)]
mod tests;
