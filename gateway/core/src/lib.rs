//! The gateway's decisions as pure code, without clock, socket, file or runtime. The shell collects events, passes them to
//! a state machine here, and performs the resulting effects.
//!
//! The modules can be used by themselves. [`reading`] and [`message`] are a reader of printer MIBs over SNMP: the example
//! `read_printer` reads a device with them and a UDP socket of the standard library.

pub mod access;
mod backoff;
pub mod cadence;
pub mod calls;
pub mod commands;
pub mod firmware;
pub mod inventory;
pub mod mail_queue;
pub mod message;
pub mod outbox;
pub mod reading;
pub mod receive_errors;
pub mod search;
pub mod sensing;
pub mod site;
pub mod storage;
pub mod traps;
pub mod uplink;
pub mod windows;

pub use backoff::backoff;
