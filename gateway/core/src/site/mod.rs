//! The gateway's decisions about its site, as a state machine without I/O: which device is where, when each is read,
//! what a reading means, which command it answers, which search goes first, and which image may be pushed.
//!
//! The caller passes events to [`Site::handle`], calls [`Site::advance`] at [`Site::poll_timeout`], and takes
//! [`Site::outcome`]: it stores the outcome's records and reports in one commit, and performs the effects only then.
//! Clock and random bits are passed in; the same inputs give the same outcome.
//!
//! ```
//! use std::time::Duration;
//!
//! use platen_gateway_core::site::{Effect, Event, Moment, ReadFailure, Site};
//!
//! # use std::sync::Arc;
//! # use jiff::SignedDuration;
//! # use platen_gateway_core::{calls::CallRules, firmware::UpdateRules, sensing::SensingRules, site::SiteRules};
//! # let minute = Duration::from_secs(60);
//! # let minutes = SignedDuration::from_mins(1);
//! # let rules = SiteRules {
//! #     sensing: SensingRules {
//! #         status: minute, idle: minute, asleep: minute, offline_after: 3, retries: 1, speedup: 1.0,
//! #     },
//! #     calls: CallRules::default(),
//! #     updates: UpdateRules {
//! #         restart_limit: minutes, read_back: minutes, push_pause: minutes, report_pause: minutes,
//! #     },
//! #     concurrency: 8,
//! #     discovery: 60 * minute,
//! #     reading: 60 * minute,
//! #     windows: Default::default(),
//! #     zone: jiff::tz::TimeZone::UTC,
//! #     sweep: platen_gateway_core::search::Sweep { parts: Vec::new(), exclude: Vec::new() },
//! #     single_devices: vec!["192.0.2.7:161".parse().unwrap()],
//! #     mails: false,
//! # };
//! // A site with one configured device, of which nothing is known yet.
//! let clock = jiff::Timestamp::UNIX_EPOCH;
//! let mut site = Site::new(rules, Arc::default(), Default::default(), Moment { clock, elapsed: Duration::ZERO }, 7);
//! let due = site.poll_timeout().expect("the device is to be read");
//! site.advance(Moment { clock, elapsed: due }, 8);
//! let effects = site.outcome().effects;
//! let Some(Effect::Read(request)) = effects.iter().find(|effect| matches!(effect, Effect::Read(_))) else {
//!     panic!("{effects:?}");
//! };
//! // The shell reads the device, and reports the result as an event.
//! let (address, scope) = (request.address, request.scope);
//! let result = Err(ReadFailure::NoResponse);
//! let event = Event::ReadCompleted { address, scope, access: None, result };
//! site.handle(event, Moment { clock, elapsed: due + Duration::from_secs(3) }, 9);
//! assert!(site.poll_timeout() > Some(due), "it is read again later");
//! ```

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
