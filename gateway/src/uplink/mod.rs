//! The uplink: the gateway opens all connections to the communication server, never the server to the gateway.
//!
//! `gateway_core::uplink` decides what is sent, in which order and when; this module performs its requests. What is
//! sent stays in the spool until the server acknowledges it.

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
