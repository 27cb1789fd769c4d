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
        /// Where each column goes on.
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

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Varbinds, in the order in which they came.
    Varbinds(Vec<(Oid, Value)>),
    /// An error status.
    Error(ErrorStatus),
    /// Nothing, after all repetitions.
    Timeout,
}

/// An error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The answer would not fit.
    TooBig,
    /// The object at this place, from 1, isn't there (v1).
    NoSuchName(usize),
    /// Any other.
    Other,
}
