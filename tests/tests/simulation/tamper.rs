//! Injects faults between the shell of the simulation and the state machines.

use std::time::Duration;

use gateway_core::{site, uplink};

/// Can change what passes between the shell and the state machines. By default, nothing is changed.
pub(crate) trait Tamper {
    fn site_event(&mut self, event: site::Event) -> site::Event {
        event
    }

    fn site_outcome(&mut self, _outcome: &mut site::Outcome) {}

    fn uplink_event(&mut self, event: uplink::Event) -> uplink::Event {
        event
    }

    /// Changes a request of the uplink. If an event is returned, it is the result, and the request is not performed.
    fn uplink_request(&mut self, request: uplink::Request) -> Result<uplink::Request, Box<uplink::Event>> {
        Ok(request)
    }

    /// Whether an outcome that the disk rejects is stored later.
    fn keeps_rejected(&mut self) -> bool {
        true
    }

    /// Whether a report that is evicted from a full spool leaves a loss.
    fn reports_loss(&mut self) -> bool {
        true
    }

    /// The time that is passed to the uplink.
    fn uplink_time(&self, now: Duration) -> Duration {
        now
    }
}

/// No fault.
pub(crate) struct Nothing;

impl Tamper for Nothing {}
