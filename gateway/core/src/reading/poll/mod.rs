//! Which requests a reading needs, and what is learned of a device while it answers them.

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
