//! The gateway's decisions about its site, as a state machine without I/O: which device is where, when each is read,
//! what a reading means, which command it answers, which search goes first, and which image may be pushed.
//!
//! The caller passes events to [`Site::handle`], calls [`Site::advance`] at [`Site::poll_timeout`], and takes
//! [`Site::outcome`]: it stores the outcome's records and reports in one commit, and performs the effects only then.
//! Clock and random bits are passed in; the same inputs give the same outcome.

mod addresses;
mod answers;
mod commands;
mod context;
mod effect;
mod event;
mod firmware;
mod machine;
mod moment;
mod placement;
mod readings;
mod reports;
mod rules;
mod searches;
mod silence;

pub use addresses::ReadRequest;
pub use context::State;
pub use effect::{Effect, Notice, Outcome, PushOrder};
pub use event::{Event, Job, ReadFailure, StagedImage, StagingFailure};
pub use machine::Site;
pub use moment::Moment;
pub use rules::SiteRules;
pub use searches::{SearchEnd, SearchRequest, Searches};

#[cfg(test)]
mod tests;
