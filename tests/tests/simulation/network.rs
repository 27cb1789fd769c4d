//! The network between gateways and server: it loses requests and responses, and delivers some long after their time.

use std::time::Duration;

use gateway_core::uplink::RequestError;
use rand::RngExt as _;
use rand::rngs::StdRng;
use wire::problem::{Problem, ProblemCode};

/// When a week of trouble ends.
pub(crate) const HORIZON: Duration = Duration::from_secs(7 * 86_400);

const OUTAGE: Duration = Duration::from_secs(72 * 3600);

/// Time until a request fails that has no response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It arrives, and its response does.
    Answered,
    /// It arrives; its response doesn't.
    ResponseLost,
    /// It is lost, or arrives after its sender gave up.
    Lost { arrives: Option<Duration> },
    /// The server wants it later.
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

    /// What becomes of a request that is sent now.
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

/// The error of a request that has no response, and when it shows.
pub(crate) fn unreachable(now: Duration) -> (Duration, RequestError) {
    (now + TIMEOUT, RequestError::Unreachable { what: "simulated", problem: "lost".into() })
}

/// The error of a server that is busy.
pub(crate) fn busy(chance: &mut StdRng) -> RequestError {
    let retry_after = Some(Duration::from_secs(chance.random_range(5..900)));
    RequestError::Refused {
        what: "simulated",
        problem: Problem::new(ProblemCode::Overloaded, "busy"),
        retry_after,
    }
}

/// Time that a request takes.
pub(crate) fn latency(chance: &mut StdRng) -> Duration {
    Duration::from_millis(chance.random_range(20..3000))
}
