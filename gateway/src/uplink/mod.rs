//! The uplink: the gateway calls the communication server, and never the other way round.
//!
//! What is sent, in which order and when, decides `gateway_core::uplink`; this module performs its requests. What is sent
//! stays in the spool until the server says that it is on its disk.

mod client;
mod link;
mod runner;
mod transport;

pub(crate) use client::{CommServer, SetupError};
pub(crate) use link::{Facts, UplinkHandle};
pub(crate) use runner::Uplink;
pub(crate) use transport::UplinkEvent;

#[cfg(test)]
mod tests;
