//! Searching networks: which addresses are asked, how long that takes, and when it may be done.
//!
//! Nothing here sends anything; the shell asks for the addresses and paces its packets.

mod announced;
mod span;
mod sweep;
mod window;

pub use announced::{Announced, judge as judge_announced};
pub use span::{InvalidSpan, Span};
pub use sweep::{ADDRESSES, Estimate, Part, Sweep};
pub use window::{InvalidWindow, Window, Windows};
