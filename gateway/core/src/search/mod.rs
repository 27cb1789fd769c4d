//! Searching networks: which addresses are probed, and how long that takes. The shell sends the probes and limits
//! their rate.

mod announced;
mod span;
mod sweep;

pub use announced::{Announced, judge as judge_announced};
pub use span::{InvalidSpan, Span};
pub use sweep::{ADDRESSES, Estimate, Part, Sweep};
