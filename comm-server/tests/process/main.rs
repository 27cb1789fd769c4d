//! The program as a process: killed while it works, and given input that it must reject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
mod kill;
mod memory;
mod server;
mod slow;
