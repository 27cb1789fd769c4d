//! Batches of numbered reports, and their acknowledgement.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Report;
use crate::codec::{self, CodecError};

/// Consecutive reports of one lane, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// At most [`crate::limits::BATCH_REPORTS`].
    pub reports: Vec<Envelope>,
    /// The gateway's clock when it sends: the times in the reports are by that clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A numbered report whose body is not parsed yet, so that an unusable body is quarantined without affecting others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The sequence number in the lane, from 1, without gaps.
    pub seq: u64,
    /// When the gateway made it.
    pub at: Timestamp,
    /// A [`Report`] as JSON.
    pub report: Box<RawValue>,
}

impl Envelope {
    /// Wraps a report.
    ///
    /// # Errors
    /// The report can't be serialised.
    pub fn new(seq: u64, at: Timestamp, report: &Report) -> Result<Self, CodecError> {
        let report = serde_json::value::to_raw_value(report).map_err(CodecError::Encode)?;
        Ok(Self { seq, at, report })
    }

    /// Parses the report.
    ///
    /// # Errors
    /// The body isn't a [`Report`]; the error names the path, what was found and what was expected.
    pub fn parse(&self) -> Result<Report, CodecError> {
        codec::from_json(self.report.get().as_bytes())
    }
}

/// The response to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResponse {
    /// The server has stored everything up to this number.
    pub acknowledged: u64,
    /// Seconds until the next poll.
    pub next_poll_s: u32,
    /// Reports that were quarantined because they are unusable; they count as acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
}

/// A report that was quarantined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its number.
    pub seq: u64,
    /// The reason.
    pub reason: String,
}
