//! Requests of a reading and their responses.

use std::fmt;

use super::{Oid, Value, objects};

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// GET.
    Get(Vec<Oid>),
    /// GETNEXT.
    GetNext(Vec<Oid>),
    /// GETBULK without non-repeaters.
    GetBulk {
        /// The last object of each column so far.
        oids: Vec<Oid>,
        /// max-repetitions.
        repetitions: u32,
    },
}

impl Request {
    /// The objects.
    #[must_use]
    pub fn oids(&self) -> &[Oid] {
        match self {
            Self::Get(oids) | Self::GetNext(oids) | Self::GetBulk { oids, .. } => oids,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(_) => f.write_str("GET")?,
            Self::GetNext(_) => f.write_str("GETNEXT")?,
            Self::GetBulk { repetitions, .. } => write!(f, "GETBULK x{repetitions}")?,
        }
        if let Some(first) = self.oids().first() {
            write!(f, " {}", objects::name(first.arcs()))?;
        }
        match self.oids().len() {
            0 | 1 => Ok(()),
            more => write!(f, " and {} more", more - 1),
        }
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Varbinds, in the order of the response.
    Varbinds(Vec<(Oid, Value)>),
    /// An error status.
    Error(ErrorStatus),
    /// No response, after all retries.
    Timeout,
}

/// An error-status (RFC 3416 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The response would be too large.
    TooBig,
    /// There is no object at this position of the request, from 1 (v1).
    NoSuchName(usize),
    /// Any other.
    Other,
}
