//! The objects of a device: numbers, values, and texts in the device's character set.

mod charset;
pub(crate) mod columns;
mod level;
pub mod objects;
mod oid;
mod request;
mod snapshot;
mod text;
mod utf16;
mod value;

pub(crate) use charset::Charset;
pub(crate) use level::level_state;
pub use level::percent;
pub(crate) use oid::{INLINE_ARCS, join};
pub use oid::{InvalidOid, Oid, dotted};
pub use request::{ErrorStatus, Request, Response};
pub use snapshot::{Mib, Row};
pub use text::clean;
pub use value::Value;
