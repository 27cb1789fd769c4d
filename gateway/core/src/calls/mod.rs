//! Calls: what the difference between two looks at a device means.
//!
//! A [`CallState`] remembers what is open, so that nothing is raised twice; it is stored beside the reports that it
//! caused, in one batch. Rows such as "Sleep" or "Ready" are no alarm: only what a person must act on is.

mod conditions;
mod counters;
mod levels;
mod supplies;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::ids::DeviceId;
use wire::reading::{Counter, Reading};
use wire::report::{Call, CallKind, Edge};

use crate::profiles::Profile;

use self::conditions::{Condition, Look, conditions};
use self::levels::SupplyMemory;
pub use self::supplies::name as supply_name;

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
    counters: BTreeMap<Counter, u64>,
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
    pub fn is_calm(&self) -> bool {
        let lasting = |open: &OpenCall| matches!(open.call, CallKind::SupplyNearEnd | CallKind::SupplyEnd);
        self.missed == 0
            && self.settling.is_empty()
            && self.open.iter().all(lasting)
            && !self.supplies.values().any(SupplyMemory::doubts)
    }

    /// The device answered: what that means. `whole` tells whether everything was read; the counters of a part are
    /// judged where there are any. `profile` is the vendor's: it knows what a service code looks like.
    pub fn on_reading(
        &mut self,
        rules: &CallRules,
        profile: Option<&Profile>,
        device: &DeviceId,
        reading: &Reading,
    ) -> Vec<Call> {
        let mut calls = Calls { device, at: reading.read_at, made: Vec::new() };
        self.missed = 0;
        self.clear(&mut calls, CallKind::DeviceOffline, "", "answers again");
        counters::judge(&mut self.counters, reading, &mut calls);
        let codes = profile.map(|profile| profile.service_codes.as_slice()).unwrap_or_default();
        let look = Look { rules, codes, reading, open: &self.open, supplies: &self.supplies };
        let seen = conditions(&look);
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
            self.raise(&mut calls, CallKind::DeviceOffline, "", &detail);
        }
        calls.made
    }

    fn settle(&mut self, seen: &[Condition], calls: &mut Calls<'_>) {
        for condition in seen.iter().filter(|c| c.holds == Some(true)) {
            let (raise_after, _) = settling(condition.call);
            if self.is_open(condition.call, &condition.subject) {
                self.forget(condition.call, &condition.subject);
            } else if self.count(condition.call, &condition.subject, Edge::Raised) >= raise_after {
                self.raise(calls, condition.call, &condition.subject, &condition.detail);
            }
        }
        let absent = |call: CallKind, subject: &str| {
            call != CallKind::DeviceOffline
                && !seen.iter().any(|c| c.call == call && c.subject == subject && c.holds != Some(false))
        };
        let open: Vec<_> = self.open.iter().map(|o| (o.call, o.subject.clone(), o.detail.clone())).collect();
        for (call, subject, detail) in open.into_iter().filter(|(call, subject, _)| absent(*call, subject)) {
            let (_, clear_after) = settling(call);
            if self.count(call, &subject, Edge::Cleared) >= clear_after {
                self.clear(calls, call, &subject, &detail);
            }
        }
        self.settling.retain(|s| s.edge == Edge::Cleared || !absent(s.call, &s.subject));
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

    fn raise(&mut self, calls: &mut Calls<'_>, call: CallKind, subject: &str, detail: &str) {
        self.forget(call, subject);
        if self.is_open(call, subject) {
            return;
        }
        let (subject, detail) = (subject.to_owned(), detail.to_owned());
        calls.push(call, Edge::Raised, &subject, detail.clone());
        self.open.push(OpenCall { call, subject, detail, since: calls.at });
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
