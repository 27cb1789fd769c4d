//! The uplink's decisions, as a state machine without input or output: when the communication server is polled, which
//! lane is sent first, what an acknowledgement or an error means for what follows.
//!
//! The caller feeds [`Uplink::handle`] with what happened, takes effects from [`Uplink::poll_effect`] until there is none,
//! and calls that again after an event, and when [`Uplink::poll_timeout`] has come. Each [`Request`] has an event as its
//! result; the state of the spool comes as an event before the result of a request that changed it. Time and random
//! numbers are passed in.
//!
//! ```
//! use std::time::Duration;
//!
//! use platen_gateway_core::uplink::{Effect, Event, Request, Storage, Uplink};
//! use wire::ids::SpoolId;
//! use wire::poll::PollResponse;
//! use wire::report::Lanes;
//!
//! let spool = SpoolId("0190d5f0-0000-7000-8000-000000000001".parse().unwrap());
//! let storage = Storage { spool, lanes: Lanes::default(), problem: None };
//! let mut uplink = Uplink::new(storage, Duration::ZERO, 0.5, 1.0);
//!
//! // The first poll is due after half of half a minute.
//! let due = uplink.poll_timeout().unwrap();
//! assert_eq!(due, Duration::from_secs(15));
//! assert!(uplink.poll_effect(Duration::ZERO, 0.5).is_none());
//! assert!(matches!(uplink.poll_effect(due, 0.5), Some(Effect::Request(Request::Poll(_)))));
//!
//! // The shell sends it. The response says what the server has, and when to poll next.
//! let response = PollResponse { next_poll_s: 60, acknowledged: Lanes::default(), commands: Vec::new() };
//! uplink.handle(Event::Polled(Ok(response)), due, 0.5);
//! let next = uplink.poll_effect(due, 0.5);
//! assert!(matches!(next, Some(Effect::Request(Request::Acknowledge { number: 0, .. }))));
//! ```

mod effect;
mod error;
mod event;
mod exchange;
mod machine;
mod results;
mod wants;

pub use effect::{Effect, ExchangeFailure, PollRequest, Request};
pub use error::{Disposition, ExchangeError, RequestError, StorageError};
pub use event::{Event, SentBatch, Storage};
pub use machine::Uplink;

#[cfg(test)]
mod tests;
