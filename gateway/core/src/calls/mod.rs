//! Calls: what the difference between two looks at a device means.
//!
//! A [`CallState`] remembers what is open, so that nothing is raised twice; it is stored beside the reports that it
//! caused, in one batch. Rows such as "Sleep" or "Ready" are no alarm: only what a person must act on is.

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
use self::condition::{Condition, Look, Verdict};
use self::conditions::conditions;
use self::counters::Meters;
pub use self::facts::name as supply_name;
use self::grounds::Grounds;
use self::levels::SupplyMemory;

/// What decides about calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallRules {
    /// A supply is near its end at this percentage and below.
    pub near_end_percent: f64,
    /// A device is offline after so many looks without an answer.
    pub offline_after: u32,
}

impl Default for CallRules {
    fn default() -> Self {
        Self { near_end_percent: 10.0, offline_after: 3 }
    }
}

/// How often in a row a condition must be seen before it is raised, and be gone before it is cleared. A door that is
/// opened to add paper is no call; a service call is one at once, and reset only when it stays away.
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

/// What is remembered of a device so that no call is raised twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallState {
    /// Calls that are open.
    pub open: Vec<OpenCall>,
    settling: Vec<Settling>,
    missed: u32,
    supplies: BTreeMap<String, SupplyMemory>,
    /// Earlier versions kept `counters` without their sources; there is nothing to compare those with.
    meters: Meters,
    /// Whether the bit `lowToner` was set at the last look that read the bits.
    was_low: Option<bool>,
}

/// A call that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// What it is.
    pub call: CallKind,
    /// Which part of the device.
    pub subject: String,
    /// What a person should read.
    pub detail: String,
    /// When it was seen first.
    pub since: Timestamp,
    /// On what it stands; nothing where an earlier version raised it, and where the device is silent.
    #[serde(default, skip_serializing_if = "Grounds::is_empty")]
    grounds: Grounds,
}

/// A condition that was seen, or is gone, not yet often enough.
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

    /// Whether something was seen that another look must confirm.
    #[must_use]
    pub const fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// Whether the device answered when it was last looked at.
    #[must_use]
    pub const fn answers(&self) -> bool {
        self.missed == 0
    }

    /// Looks without an answer, in a row.
    #[must_use]
    pub const fn missed(&self) -> u32 {
        self.missed
    }

    /// Whether nothing is going on that the next look might end or confirm: then a glance will do.
    #[must_use]
    pub fn allows_change_check(&self) -> bool {
        let lasting = |open: &OpenCall| matches!(open.call, CallKind::SupplyNearEnd | CallKind::SupplyEnd);
        self.missed == 0
            && self.settling.is_empty()
            && self.open.iter().all(lasting)
            && !self.supplies.values().any(SupplyMemory::doubts)
    }

    /// The device answered: what that means. The counters of a part are judged where there are any; `coverage` tells what
    /// was read to its end, so that what isn't there is gone. `profile` is the vendor's: it knows what a service code looks
    /// like.
    pub fn on_reading(
        &mut self,
        rules: &CallRules,
        profile: Option<&Profile>,
        device: &DeviceId,
        (reading, coverage): (&Reading, Coverage),
    ) -> Vec<Call> {
        let mut calls = Calls { device, at: reading.read_at, made: Vec::new() };
        self.missed = 0;
        self.clear(&mut calls, CallKind::DeviceOffline, "", "answers again");
        counters::judge(&mut self.meters, reading, &mut calls);
        let codes = profile.map(|profile| profile.service_codes.as_slice()).unwrap_or_default();
        let (open, supplies) = (&self.open, &self.supplies);
        let look = Look { rules, codes, reading, coverage, open, supplies, was_low: self.was_low };
        let seen = conditions(&look);
        if coverage.errors {
            self.was_low = Some(look.has_bit("lowToner"));
        }
        levels::judge(&mut self.supplies, reading, &mut calls);
        self.settle(&seen, &mut calls);
        calls.made
    }

    /// The device did not answer: what that means.
    pub fn on_silence(&mut self, rules: &CallRules, device: &DeviceId, at: Timestamp) -> Vec<Call> {
        let mut calls = Calls { device, at, made: Vec::new() };
        self.missed = self.missed.saturating_add(1);
        if self.missed >= rules.offline_after.max(1) {
            let detail = format!("no answer {} times in a row", self.missed);
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
        // Looks after which a call that isn't shown is over; nothing where it isn't known to be.
        let over = |call: CallKind, subject: &str| -> Option<u8> {
            match found(call, subject).map(|condition| condition.verdict) {
                _ if call == CallKind::DeviceOffline => None,
                Some(Verdict::Holds | Verdict::Unknown) => None,
                Some(Verdict::Over { looks }) => Some(looks),
                None => Some(settling(call).1),
            }
        };
        let open: Vec<_> = self.open.iter().map(|o| (o.call, o.subject.clone(), o.detail.clone())).collect();
        for (call, subject, detail) in open {
            let Some(looks) = over(call, &subject) else { continue };
            if self.count(call, &subject, Edge::Cleared) >= looks {
                // What is there now says more than what was there when it began.
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

/// Whether another call of the same look tells a person the same: a supply that was replaced is neither near its end nor at
/// it, and one that is no longer at its end isn't told to be no longer near it as well.
#[must_use]
pub fn is_told_by_another(call: &Call, look: &[Call]) -> bool {
    let same = |other: &&Call| other.device == call.device && other.subject == call.subject;
    let mut others = look.iter().filter(same);
    match (call.call, call.edge) {
        (CallKind::SupplyNearEnd, Edge::Cleared) => others.any(|other| {
            other.call == CallKind::SupplyReplaced
                || (other.call == CallKind::SupplyEnd && other.edge == Edge::Cleared)
        }),
        (CallKind::SupplyEnd, Edge::Cleared) => others.any(|other| other.call == CallKind::SupplyReplaced),
        (_, Edge::Raised | Edge::Cleared) => false,
    }
}

/// Calls that one look at a device makes.
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
