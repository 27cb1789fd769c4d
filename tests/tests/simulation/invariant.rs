//! The invariants that hold in every week.

use std::fmt;

/// An invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// The server has stored every report that a gateway made, once and in the order of its lane. A loss stands for a
    /// report that was evicted from a full spool.
    StoredOnceInOrder,
    /// A day after the last fault, nothing is waiting any more.
    Drained,
    /// Reports with a number in the urgent lane at the start of an exchange are sent before bulk reports; the reports
    /// of a command are sent before its final response.
    LaneOrder,
    /// Each fault of a device opened one service call, and the calls that are open at the end are those that devices
    /// show.
    CallsOnce,
    /// The gateway polls at the interval of the server: each hour, or each minute while a service call is open.
    Cadence,
    /// A command is executed once, and gets a final response.
    CommandsOnce,
    /// A device keeps its id when it moves, and its record has its current address.
    Identity,
    /// No counter falls, whatever the clocks show.
    Counters,
    /// A gateway that can't store anything polls, reports the problem, and does nothing else.
    FullDisk,
}

/// A violated invariant.
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

/// Returns a violation unless the condition is true.
pub(crate) fn require(
    holds: bool,
    invariant: Invariant,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}
