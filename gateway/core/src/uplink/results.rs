//! Handles the result of each request of an exchange.

use wire::command::{CommandResponseAck, Response};
use wire::ids::{CommandId, SpoolId};
use wire::poll::PollResponse;
use wire::report::{BatchResponse, Lane};

use super::effect::Effect;
use super::error::{Disposition, ExchangeError, RequestError};
use super::event::{Event, SentBatch};
use super::exchange::{Awaits, Exchange, GAPS_MAX, Sending, Step};
use super::machine::Uplink;

impl Uplink {
    /// Handles the result of the request in flight.
    pub(super) fn on_result(&mut self, result: Event) {
        let Some(exchange) = &mut self.exchange else { return };
        let ended = match (exchange.awaits.take(), result) {
            (Some(_), Event::StorageFailed(error)) => Err(error.into()),
            (Some(Awaits::Poll { spool, refuses }), Event::Polled(result)) => {
                result.map(|response| self.on_polled(spool, refuses, response)).map_err(Into::into)
            }
            (Some(Awaits::Batch(sending)), Event::BatchSent(Some((sent, result)))) => {
                self.on_batch(sending, sent, result)
            }
            (Some(Awaits::Batch(_)), Event::BatchSent(None))
            | (Some(Awaits::Quarantine), Event::Quarantined)
            | (Some(Awaits::Commands { .. }), Event::CommandsStored) => Ok(()),
            (Some(Awaits::Acknowledge), Event::Acknowledged(judged)) => {
                exchange.mismatch |= judged.is_new_epoch();
                Ok(())
            }
            (Some(Awaits::Response(command, response)), Event::ResponseSent(result)) => {
                self.on_response(command, response, result)
            }
            (Some(Awaits::Commands { .. }), Event::CommandsDropped) => Err(ExchangeError::Undecided),
            (awaits, _) => {
                exchange.awaits = awaits;
                Ok(())
            }
        };
        if let Err(error) = ended {
            self.fail(error);
        }
    }

    /// Handles the response to a poll. If nothing can be stored, only the time of the next poll is used: the server
    /// repeats its acknowledgements, and delivers commands with each poll until they have a response.
    fn on_polled(&mut self, spool: SpoolId, refuses: bool, response: PollResponse) {
        let PollResponse { next_poll_s, acknowledged, commands } = response;
        self.introduced = Some(spool);
        if refuses != self.refusal_told {
            (self.refusal_told, self.refusal_changed) = (refuses, Some(self.now));
        }
        self.cadence.on_poll(self.now, next_poll_s);
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| !exchange.heartbeat) else { return };
        exchange.polled = true;
        let deliver = (!commands.is_empty()).then_some(Step::Deliver(commands));
        exchange.first(deliver);
        exchange.first([Step::ReportAgain]);
        let acknowledge = |lane| Step::Acknowledge { lane, number: *acknowledged.of(lane), last: None };
        exchange.first(Lane::ALL.map(acknowledge));
    }

    fn on_batch(
        &mut self,
        sending: Sending,
        sent: SentBatch,
        result: Result<BatchResponse, RequestError>,
    ) -> Result<(), ExchangeError> {
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        let lane = sending.lane;
        let BatchResponse { acknowledged: number, next_poll_s, quarantined: _ } = match result {
            Ok(response) => response,
            Err(error) => return on_rejected_batch(exchange, sending, sent, error),
        };
        self.cadence.on_answer(self.now, next_poll_s);
        exchange.first([Step::Send(sending)]);
        exchange.first((number < sent.first).then_some(Step::Disagree(lane)));
        exchange.first([Step::Acknowledge { lane, number, last: Some(sent.last) }, Step::ReportAgain]);
        Ok(())
    }

    fn on_response(
        &mut self,
        command: CommandId,
        response: Response,
        result: Result<CommandResponseAck, RequestError>,
    ) -> Result<(), ExchangeError> {
        let rejected = match result {
            Ok(acknowledged) => {
                self.cadence.on_answer(self.now, acknowledged.next_poll_s);
                None
            }
            Err(error) => match error.disposition() {
                Disposition::Quarantine | Disposition::Split => Some(error),
                Disposition::RetryAfter(_) | Disposition::ResumeAt { .. } => return Err(error.into()),
            },
        };
        self.wants.on_sent(command, &response);
        self.effects.push_back(Effect::ResponseDone { command, response, rejected });
        Ok(())
    }
}

/// Handles a rejected batch: continues at the number that the server expects, with a smaller batch, or without the
/// report that the server will never accept.
fn on_rejected_batch(
    exchange: &mut Exchange,
    sending: Sending,
    sent: SentBatch,
    error: RequestError,
) -> Result<(), ExchangeError> {
    let Sending { lane, byte_limit: _, gaps } = sending;
    let SentBatch { first: seq, last: _, count, bytes } = sent;
    let (before, sending) = match error.disposition() {
        Disposition::ResumeAt { expected } if gaps < GAPS_MAX => {
            let number = expected.saturating_sub(1);
            let resume = Step::Acknowledge { lane, number, last: None };
            (vec![resume, Step::ReportAgain], Sending { gaps: gaps + 1, ..sending })
        }
        Disposition::Split if count > 1 => (Vec::new(), Sending { byte_limit: bytes / 2, ..sending }),
        Disposition::Split | Disposition::Quarantine if count == 1 => {
            (vec![Step::Quarantine { lane, seq, reason: error.to_string() }], sending)
        }
        Disposition::Quarantine => (Vec::new(), Sending { byte_limit: 1, ..sending }),
        Disposition::ResumeAt { .. } | Disposition::Split | Disposition::RetryAfter(_) => {
            return Err(error.into());
        }
    };
    exchange.first([Step::Send(sending)]);
    exchange.first(before);
    Ok(())
}
