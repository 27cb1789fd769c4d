//! The uplink: the gateway calls the communication server, and never the other way round.
//!
//! One exchange at a time: urgent reports, answers to commands, bulk reports, then the poll. What is sent stays in the
//! spool until the server says that it is on its disk.

mod client;
mod exchange;
mod link;
mod verdict;

pub use client::{CommServer, UplinkError};
pub use exchange::{Uplink, UplinkEvent};
pub use link::{Facts, UplinkHandle};

#[cfg(test)]
mod tests;
