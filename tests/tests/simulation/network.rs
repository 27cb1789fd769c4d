//! The network between gateways and server: loses requests and responses, and delays some requests.

use std::time::Duration;

use gateway_core::uplink::RequestError;
use rand::RngExt as _;
use rand::rngs::StdRng;
use wire::problem::{Problem, ProblemCode};

/// When the faults of a week end.
pub(crate) const HORIZON: Duration = Duration::from_secs(7 * 86_400);

const OUTAGE: Duration = Duration::from_secs(72 * 3600);

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What happens to a request.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The request and its response arrive.
    Answered,
    /// The request arrives; its response is lost.
    ResponseLost,
    /// The request is lost, or arrives after its sender has given up.
    Lost { arrives: Option<Duration> },
    /// The server rejects it with a time to retry.
    Busy,
}

#[derive(Debug)]
pub(crate) struct Network {
    /// Begin of the outage.
    outage: Duration,
}

impl Network {
    pub(crate) fn new(chance: &mut StdRng) -> Self {
        Self { outage: Duration::from_secs(chance.random_range(0..3 * 86_400)) }
    }

    /// Decides what happens to a request that is sent now.
    pub(crate) fn fate(&self, now: Duration, chance: &mut StdRng) -> Fate {
        let out = now > self.outage && now < self.outage + OUTAGE;
        if !out && (now >= HORIZON || chance.random_bool(0.75)) {
            return Fate::Answered;
        }
        match chance.random_range(0..10) {
            0..=3 if !out => Fate::ResponseLost,
            4 if !out => Fate::Busy,
            5..=6 => {
                let late = Duration::from_secs(chance.random_range(30..7200));
                Fate::Lost { arrives: Some(now + TIMEOUT + late) }
            }
            _ => Fate::Lost { arrives: None },
        }
    }
}

/// The error of a request without a response, and the time of the timeout.
pub(crate) fn unreachable(now: Duration) -> (Duration, RequestError) {
    (now + TIMEOUT, RequestError::Unreachable { what: "simulated", problem: "lost".into() })
}

/// The error of an overloaded server.
pub(crate) fn busy(chance: &mut StdRng) -> RequestError {
    let retry_after = Some(Duration::from_secs(chance.random_range(5..900)));
    RequestError::Refused {
        what: "simulated",
        problem: Problem::new(ProblemCode::Overloaded, "busy"),
        retry_after,
    }
}

/// Duration of a request.
pub(crate) fn latency(chance: &mut StdRng) -> Duration {
    Duration::from_millis(chance.random_range(20..3000))
}
