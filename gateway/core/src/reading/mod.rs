//! Reading a device: which requests come next, what their responses mean, and the reading that they give.
//!
//! A reading is a value ([`DeviceReading`]): the shell takes the next [`Request`] from it, sends that, hands the
//! [`Response`] back, and takes the finished reading. Standard MIBs come first (RFC 2790, RFC 3805), then the vendor's
//! [profile](profiles). Nothing here knows a socket or a clock, and no response may make it panic or run
//! indefinitely: see [`limits`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use platen_gateway_core::reading::{DeviceReading, ReadContext, ReadScope, Request, Response, Value};
//!
//! // Stands for a device with a serial number and nothing else; a shell sends the request instead.
//! fn respond(request: &Request) -> Response {
//!     let value = |oid: &str| match (request, oid) {
//!         (Request::Get(_), "1.3.6.1.2.1.43.5.1.1.17.1") => Value::octets(b"E174M210001"),
//!         (Request::Get(_), _) => Value::Missing,
//!         (Request::GetNext(_) | Request::GetBulk { .. }, _) => Value::EndOfView,
//!     };
//!     let varbind = |oid: &platen_gateway_core::reading::Oid| (oid.clone(), value(&oid.to_string()));
//!     Response::Varbinds(request.oids().iter().map(varbind).collect())
//! }
//!
//! let mut reading = DeviceReading::new(Arc::default(), ReadScope::Full, true);
//! let mut requests = 0;
//! while let Some(request) = reading.next_request() {
//!     requests += 1;
//!     let goes_on = reading.handle_response(&request, respond(&request));
//!     assert!(goes_on, "the device stopped responding");
//! }
//! let read_at = jiff::Timestamp::UNIX_EPOCH;
//! let context = ReadContext { address: "192.0.2.7".to_owned(), read_at, took_ms: 12, requests };
//! let completed = reading.finish(context);
//! assert_eq!(completed.reading.identity.serial.as_deref(), Some("E174M210001"));
//! ```
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
