//! The real program as a process: killed while it works, and fed with what it must refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
mod kill;
mod memory;
mod server;
mod slow;
