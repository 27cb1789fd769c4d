//! The gateway's decisions as pure code: no clock, no socket, no file, no tokio. The shell reads the world, calls a
//! decision, and carries out what it answers.

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
pub mod traps;
pub mod uplink;
pub mod windows;

pub use backoff::backoff;
