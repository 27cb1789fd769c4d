//! The changes that a batch of reports makes.
//!
//! Duplicates are dropped, a gap is rejected with the expected sequence number, and a report that can't be used is
//! quarantined with the reason and blocks no other. Reports take effect in the order of their sequence numbers;
//! decisions don't depend on the gateway's clock, which may be wrong by years and is corrected by the server's.
//!
//! ```
//! use platen_comm_server_core::ingest::{BatchError, Effect, Known, check_sequence, effects, fresh, parse};
//! use wire::report::{Batch, Lane};
//!
//! let batch: Batch = serde_json::from_str(
//!     r#"{"reports": [
//!         {"seq": 6, "at": "2026-01-01T00:00:00Z", "report": {"kind": "from a newer gateway"}},
//!         {"seq": 7, "at": "2026-01-01T00:00:01Z", "report": {"kind": "loss", "lane": "bulk", "reports": 2, "detail": "full"}}
//!     ]}"#,
//! )?;
//! check_sequence(&batch.reports)?;
//! let arrivals = parse(&batch);
//! // The store has 4, so that 5 is missing; after 6, only 7 is new.
//! assert_eq!(fresh(4, &arrivals), Err(BatchError::Gap { expected: 5, given: 6 }));
//! assert_eq!(fresh(6, &arrivals)?.len(), 1);
//! let changes = effects(Known::default(), Lane::Urgent, &arrivals);
//! let quarantined = changes.iter().filter(|change| matches!(change, Effect::Quarantine { .. }));
//! assert_eq!(quarantined.count(), 1);
//! assert!(changes.iter().any(|change| matches!(change, Effect::Lost { reports: 2, .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dates;
mod effects;
mod late;
mod parse;

pub use dates::{GatewayClock, in_order};
pub(crate) use effects::SOURCE_LASTS;
pub use effects::{CounterRow, Effect, Known, LastTotal, effects, readable};
pub use late::{Later, late_effects};
pub use parse::{Arrival, Content, parse, parse_one};

use wire::limits::BATCH_REPORTS;
use wire::report::Envelope;

/// A batch that is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Reports before it are missing.
    #[error("the batch begins with sequence number {given}: expected {expected}")]
    Gap {
        /// The expected sequence number.
        expected: u64,
        /// Its first number.
        given: u64,
    },
    /// Its numbers are not consecutive.
    #[error("at reports[{index}].seq: number {given}, expected {expected}")]
    NotInSequence {
        /// Position in the batch.
        index: usize,
        /// The number at this position.
        given: u64,
        /// The number that follows its predecessor's.
        expected: u64,
    },
    /// A number beyond the range of the store.
    #[error("at reports[{index}].seq: number {given}, expected 1 to {}", i64::MAX)]
    OutOfRange {
        /// Position in the batch.
        index: usize,
        /// The number at this position.
        given: u64,
    },
    /// Too many reports.
    #[error("at reports: {given} reports, expected at most {BATCH_REPORTS}")]
    TooMany {
        /// The number of reports.
        given: usize,
    },
}

/// Checks that a batch is consecutive, whatever was acknowledged before.
///
/// # Errors
/// It has too many reports, or their numbers are not consecutive.
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

/// The new reports of a consecutive batch.
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
