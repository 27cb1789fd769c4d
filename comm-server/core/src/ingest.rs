//! What a batch of reports changes.
//!
//! Duplicates are dropped, a gap is refused with the number expected, and a report that can't be used is put aside
//! with the reason and blocks nothing. The order of a lane's numbers is the order of things; the gateway's clock,
//! which may be years off, decides nothing, and is set right by the server's.

mod dates;
mod effects;
mod late;
mod parse;

pub use dates::{CLOCK_TOLERANCE, GatewayClock, in_order};
pub use effects::{CounterRow, Effect, Known, LastTotal, effects, readable};
pub use late::{Later, late_effects};
pub use parse::{Arrival, Content, parse, parse_one};

use wire::limits::BATCH_REPORTS;
use wire::report::Envelope;

/// A batch that isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Reports before it are missing.
    #[error("the batch begins with number {given}, but number {expected} is expected")]
    Gap {
        /// The number that is expected next.
        expected: u64,
        /// Its first number.
        given: u64,
    },
    /// Its numbers aren't a sequence.
    #[error("at reports[{index}].seq: number {given}, expected {expected}")]
    NotInSequence {
        /// Position in the batch.
        index: usize,
        /// The number there.
        given: u64,
        /// The number that follows the one before.
        expected: u64,
    },
    /// A number that the store can't hold.
    #[error("at reports[{index}].seq: number {given}, expected 1 to {}", i64::MAX)]
    OutOfRange {
        /// Position in the batch.
        index: usize,
        /// The number there.
        given: u64,
    },
    /// Too many reports.
    #[error("at reports: {given} reports, expected at most {BATCH_REPORTS}")]
    TooMany {
        /// How many.
        given: usize,
    },
}

/// Checks that a batch is a sequence, whatever was acknowledged before.
///
/// # Errors
/// It has too many reports, or their numbers don't follow one another.
pub fn check_sequence(reports: &[Envelope]) -> Result<(), BatchError> {
    if reports.len() > BATCH_REPORTS {
        return Err(BatchError::TooMany { given: reports.len() });
    }
    let mut before: Option<u64> = None;
    for (index, report) in reports.iter().enumerate() {
        let given = report.seq;
        if given == 0 || i64::try_from(given).is_err() {
            return Err(BatchError::OutOfRange { index, given });
        }
        if let Some(expected) = before.map(|before| before + 1).filter(|&expected| expected != given) {
            return Err(BatchError::NotInSequence { index, given, expected });
        }
        before = Some(given);
    }
    Ok(())
}

/// The reports that are new, of a batch that is in sequence.
///
/// # Errors
/// Reports before it are missing.
pub fn fresh(acknowledged: u64, arrivals: &[Arrival]) -> Result<&[Arrival], BatchError> {
    let expected = acknowledged.saturating_add(1);
    let Some(first) = arrivals.first() else { return Ok(arrivals) };
    if first.seq > expected {
        return Err(BatchError::Gap { expected, given: first.seq });
    }
    let duplicates = arrivals.iter().take_while(|arrival| arrival.seq < expected).count();
    Ok(arrivals.get(duplicates..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
