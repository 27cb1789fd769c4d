//! What holds in every week, whatever happens.

use std::fmt;

/// What holds in every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// What a gateway made is what the server has, each report once and in the order of its lane; a loss stands for a report
    /// that was evicted from a full spool.
    StoredOnceInOrder,
    /// Nothing waits a day after the last trouble.
    Drained,
    /// What has a number in the urgent lane when an exchange begins is sent before bulk reports; what a command produced
    /// is sent before its final response.
    LaneOrder,
    /// Each fault of a device opened one service call, and what is open at the end is what devices show.
    CallsOnce,
    /// The gateway polls as the server says: each hour, or each minute while a service call is open.
    Cadence,
    /// A command is executed once, and answered.
    CommandsOnce,
    /// A device keeps its id when it moves, and its record has its address.
    Identity,
    /// No counter falls, whatever the clocks show.
    Counters,
    /// A gateway that can't store anything polls, reports the problem, and does nothing else.
    FullDisk,
}

/// An invariant that doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}

/// A violation unless the condition holds.
pub(crate) fn require(
    holds: bool,
    invariant: Invariant,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}
