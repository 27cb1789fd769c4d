//! The requests of a reading, and what is learned about the agent from its responses.

mod change_check;
mod completed;
mod coverage;
mod hints;
mod machine;
mod plan;
mod quirks;
mod responses;
mod scope;
mod walk;

pub use change_check::ChangeFingerprint;
pub use completed::{CompletedReading, ReadContext};
pub use coverage::Coverage;
pub use hints::TableHints;
pub use machine::DeviceReading;
pub use quirks::AgentQuirks;
pub use scope::ReadScope;
