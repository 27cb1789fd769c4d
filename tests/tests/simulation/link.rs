//! The network link of one gateway to the server. Requests may arrive late or get no response.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gateway_core::uplink::{Event, SentBatch};
use jiff::Timestamp;
use wire::command::Response;
use wire::ids::CommandId;
use wire::report::{Batch, Lane};

use super::gateway::Turn;
use super::invariant::Violation;
use super::network::{self, Fate, Network, latency};
use super::server::Server;

/// A request that arrives after its sender has given up.
#[derive(Debug)]
enum Late {
    Batch(Lane, Batch),
    Response(CommandId, Response),
}

/// The link of one gateway.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) server: Server,
    network: Rc<Network>,
    late: BTreeMap<(Duration, u64), Late>,
    /// Number of requests without a response.
    pub(crate) lost: u64,
    /// Number of requests that arrived late.
    pub(crate) arrived_late: u64,
    /// Whether the server has stored a batch since the last call.
    stored: bool,
    begin: Timestamp,
}

impl Link {
    pub(crate) fn new(network: Rc<Network>, begin: Timestamp) -> Self {
        let (server, late) = (Server::default(), BTreeMap::new());
        Self { server, network, late, lost: 0, arrived_late: 0, stored: false, begin }
    }

    /// The server's clock.
    pub(crate) fn clock(&self, now: Duration) -> Timestamp {
        self.begin + jiff::SignedDuration::try_from(now).unwrap()
    }

    /// When the next late request arrives.
    pub(crate) fn next(&self) -> Duration {
        self.late.first_key_value().map_or(Duration::MAX, |((at, _), _)| *at)
    }

    /// Whether the server has stored a batch since the last call.
    pub(crate) fn has_stored(&mut self) -> bool {
        std::mem::take(&mut self.stored)
    }

    /// Delivers late requests. Their responses are lost.
    pub(crate) fn arrive(&mut self, now: Duration) -> Result<(), Violation> {
        while self.next() <= now
            && let Some((_, late)) = self.late.pop_first()
        {
            self.arrived_late += 1;
            match late {
                Late::Batch(lane, batch) => self.server.take(lane, &batch, self.clock(now)).map(drop)?,
                Late::Response(command, response) => self.server.respond(command, &response).map(drop)?,
            }
        }
        Ok(())
    }

    /// Polls; `problem` is whether the gateway reports that it can't store anything.
    pub(crate) fn poll(&mut self, problem: bool, turn: &mut Turn<'_>) -> (Duration, Event) {
        let fate = self.fate(turn);
        let response = fate.arrives().then(|| self.server.poll(problem, self.clock(turn.now)));
        match (fate, response) {
            (Fate::Answered, Some(response)) => {
                (turn.now + latency(turn.chance), Event::Polled(Ok(response)))
            }
            (Fate::Busy, _) => {
                (turn.now + latency(turn.chance), Event::Polled(Err(network::busy(turn.chance))))
            }
            (Fate::Answered | Fate::ResponseLost | Fate::Lost { .. }, _) => {
                let (at, error) = network::unreachable(turn.now);
                (at, Event::Polled(Err(error)))
            }
        }
    }

    pub(crate) fn send_batch(
        &mut self,
        lane: Lane,
        sent: SentBatch,
        batch: Batch,
        turn: &mut Turn<'_>,
    ) -> Result<(Duration, Event), Violation> {
        let fate = self.fate(turn);
        let result = |result| Event::BatchSent(Some((sent, result)));
        let taken = if fate.arrives() {
            self.stored = true;
            Some(self.server.take(lane, &batch, self.clock(turn.now))?)
        } else {
            None
        };
        Ok(match (fate, taken) {
            (Fate::Answered, Some(taken)) => {
                let refused = |problem| gateway_core::uplink::RequestError::Refused {
                    what: "simulated",
                    problem,
                    retry_after: None,
                };
                (turn.now + latency(turn.chance), result(taken.map_err(refused)))
            }
            (Fate::Busy, _) => (turn.now + latency(turn.chance), result(Err(network::busy(turn.chance)))),
            (fate, _) => {
                self.delay(fate, Late::Batch(lane, batch));
                let (at, error) = network::unreachable(turn.now);
                (at, result(Err(error)))
            }
        })
    }

    pub(crate) fn send_response(
        &mut self,
        command: CommandId,
        response: Response,
        turn: &mut Turn<'_>,
    ) -> Result<(Duration, Event), Violation> {
        let fate = self.fate(turn);
        let taken = if fate.arrives() { Some(self.server.respond(command, &response)?) } else { None };
        Ok(match (fate, taken) {
            (Fate::Answered, Some(taken)) => {
                (turn.now + latency(turn.chance), Event::ResponseSent(Ok(taken)))
            }
            (Fate::Busy, _) => {
                (turn.now + latency(turn.chance), Event::ResponseSent(Err(network::busy(turn.chance))))
            }
            (fate, _) => {
                self.delay(fate, Late::Response(command, response));
                let (at, error) = network::unreachable(turn.now);
                (at, Event::ResponseSent(Err(error)))
            }
        })
    }

    fn fate(&mut self, turn: &mut Turn<'_>) -> Fate {
        let fate = self.network.fate(turn.now, turn.chance);
        self.lost += u64::from(!matches!(fate, Fate::Answered));
        fate
    }

    fn delay(&mut self, fate: Fate, late: Late) {
        if let Fate::Lost { arrives: Some(at) } = fate {
            self.late.insert((at, self.lost), late);
        }
    }
}

impl Fate {
    /// Whether the request arrives before its sender gives up.
    const fn arrives(&self) -> bool {
        matches!(self, Self::Answered | Self::ResponseLost)
    }
}
