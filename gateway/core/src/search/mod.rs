//! Searching networks: which addresses are asked, and how long that takes.
//!
//! Nothing here sends anything; the shell asks for the addresses and paces its packets.

mod announced;
mod span;
mod sweep;

pub use announced::{Announced, judge as judge_announced};
pub use span::{InvalidSpan, Span};
pub use sweep::{ADDRESSES, Estimate, Part, Sweep};
