//! Reading a device: which requests come next, what their answers mean, and the reading that they give.
//!
//! A reading is a value ([`DeviceReading`]): the shell asks it for the next [`Request`], sends that, hands the
//! [`Answer`] back, and takes the finished reading. Standard MIBs come first (RFC 2790, RFC 3805), then the vendor's
//! [profile](crate::profiles). Nothing here knows a socket or a clock, and no answer may make it panic or go on for
//! ever: see [`limits`].

mod charset;
mod counters;
mod coverage;
mod covers;
mod glimpse;
mod identity;
mod kind;
pub mod labels;
pub mod limits;
mod machine;
mod manner;
mod mib;
mod model;
pub mod objects;
mod oid;
mod plan;
mod shape;
mod status;
mod supplies;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod utf16;
mod value;
mod walk;

pub use coverage::Coverage;
pub use glimpse::Glimpse;
pub use machine::{Answer, Circumstances, DeviceReading, Finished, Provenance, Refusal, Request, Scope};
pub use manner::Manner;
pub use mib::{Mib, Row};
pub(crate) use oid::INLINE_ARCS;
pub use oid::{InvalidOid, Oid, dotted};
pub use shape::Shape;
pub(crate) use supplies::level_state;
pub use supplies::percent;
pub use text::clean;
pub use value::Value;
