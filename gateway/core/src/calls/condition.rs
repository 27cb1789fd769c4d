//! A condition of a device, and what it is judged by.

use std::collections::BTreeMap;

use wire::reading::Reading;
use wire::report::CallKind;

use super::grounds::Grounds;
use super::levels::SupplyMemory;
use super::{CallRules, OpenCall};
use crate::reading::Coverage;
use crate::reading::profiles::Pattern;

/// What is looked at, and what is known.
pub(super) struct Look<'a> {
    pub(super) rules: &'a CallRules,
    /// What the vendor's service codes look like.
    pub(super) codes: &'a [Pattern],
    pub(super) reading: &'a Reading,
    /// What of the device was read to its end.
    pub(super) coverage: Coverage,
    pub(super) open: &'a [OpenCall],
    pub(super) supplies: &'a BTreeMap<String, SupplyMemory>,
    /// Whether `lowToner` was set at the look before, where that is known.
    pub(super) was_low: Option<bool>,
}

impl Look<'_> {
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
    /// It does.
    Holds,
    /// It doesn't, once so many looks in a row say so.
    Over {
        /// So many.
        looks: u8,
    },
    /// The reading doesn't tell.
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
