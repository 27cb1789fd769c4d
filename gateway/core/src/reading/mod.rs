//! Reading a device: which requests come next, what their responses mean, and the reading that they give.
//!
//! A reading is a value ([`DeviceReading`]): the shell asks it for the next [`Request`], sends that, hands the
//! [`Response`] back, and takes the finished reading. Standard MIBs come first (RFC 2790, RFC 3805), then the vendor's
//! [profile](profiles). Nothing here knows a socket or a clock, and no response may make it panic or go on
//! indefinitely: see [`limits`].
//!
//! The folders depend on each other in one direction: `poll` → `interpret` → `profiles` → `mib`.

mod interpret;
pub mod limits;
mod mib;
mod poll;
pub mod profiles;
#[cfg(test)]
mod tests;

pub use interpret::{Provenance, labels};
pub(crate) use mib::INLINE_ARCS;
pub use mib::{
    ErrorStatus, InvalidOid, Mib, Oid, Request, Response, Row, Value, clean, dotted, objects, percent,
};
pub use poll::{
    AgentQuirks, ChangeFingerprint, CompletedReading, Coverage, DeviceReading, ReadContext, ReadScope,
    TableHints,
};
