//! A condition of a device, and the input from which conditions are derived.

use std::collections::BTreeMap;

use wire::reading::Reading;
use wire::report::CallKind;

use super::grounds::Grounds;
use super::levels::SupplyMemory;
use super::{CallRules, OpenCall};
use crate::reading::Coverage;
use crate::reading::profiles::Pattern;

/// A reading, with what was known before it.
pub(super) struct Observation<'a> {
    pub(super) rules: &'a CallRules,
    /// The vendor's patterns for service codes.
    pub(super) codes: &'a [Pattern],
    pub(super) reading: &'a Reading,
    /// What was read to its end.
    pub(super) coverage: Coverage,
    pub(super) open: &'a [OpenCall],
    pub(super) supplies: &'a BTreeMap<String, SupplyMemory>,
    /// Whether `lowToner` was set in the reading before, if known.
    pub(super) was_low: Option<bool>,
}

impl Observation<'_> {
    pub(super) fn is_open(&self, call: CallKind, subject: &str) -> bool {
        self.open_call(call, subject).is_some()
    }

    pub(super) fn open_call(&self, call: CallKind, subject: &str) -> Option<&OpenCall> {
        self.open.iter().find(|open| open.call == call && open.subject == subject)
    }

    pub(super) fn has_bit(&self, bit: &str) -> bool {
        self.reading.status.detected_errors.iter().any(|error| error == bit)
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds.
    Holds,
    /// It no longer holds, once this number of readings in a row agree.
    Over {
        /// Readings in a row.
        readings: u8,
    },
    /// The reading doesn't show it.
    Unknown,
}

/// A condition, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) call: CallKind,
    pub(super) subject: String,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    /// What shows that it holds.
    pub(super) grounds: Grounds,
}

impl Condition {
    pub(super) fn unknown(call: CallKind, subject: &str) -> Self {
        let (subject, detail) = (subject.to_owned(), String::new());
        Self { call, subject, verdict: Verdict::Unknown, detail, grounds: Grounds::default() }
    }
}
