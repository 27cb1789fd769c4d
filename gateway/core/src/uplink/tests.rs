//! Exchanges step by step: events, and the resulting requests.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;
use wire::command::{Command, CommandResponseAck, Order, Response, ResponseState};
use wire::ids::{CommandId, SpoolId};
use wire::poll::PollResponse;
use wire::problem::{Problem, ProblemCode};
use wire::report::{BatchResponse, Lane, Lanes};

use super::*;
use crate::outbox::{Acknowledgement, LaneState};

/// An uplink whose spool has these reports waiting in each lane, all of them numbered.
struct Bench {
    uplink: Uplink,
    storage: Storage,
    now: Duration,
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lane(waiting: u64) -> LaneState {
    LaneState { base: Some(0), made: waiting, acknowledged: 0, unconfirmed: None }
}

impl Bench {
    fn new(urgent: u64, bulk: u64) -> Self {
        let lanes = Lanes { urgent: lane(urgent), bulk: lane(bulk) };
        let storage = Storage { spool: SpoolId(Uuid::from_u128(1)), lanes, problem: None };
        Self { uplink: Uplink::new(storage.clone(), s(0), 0.0, 1.0), storage, now: s(0) }
    }

    /// The same after a first poll, whose response had an interval of one hour.
    fn polled(urgent: u64, bulk: u64) -> Self {
        let mut bench = Self::new(0, 0);
        assert_eq!(bench.next(), "poll");
        bench.answer_poll(&[]);
        assert_eq!(bench.rest(), ["ended"]);
        bench.change(|storage| storage.lanes = Lanes { urgent: lane(urgent), bulk: lane(bulk) });
        bench
    }

    fn event(&mut self, event: Event) {
        self.uplink.handle(event, self.now, 1.0);
    }

    fn change(&mut self, change: impl FnOnce(&mut Storage)) {
        change(&mut self.storage);
        self.event(Event::Storage(self.storage.clone()));
    }

    fn effect(&mut self) -> Option<Effect> {
        self.uplink.poll_effect(self.now, 1.0)
    }

    /// The next effect as text. Acknowledgements that change nothing are stored and not shown.
    fn next(&mut self) -> String {
        loop {
            let Some(effect) = self.effect() else { return "wait".to_owned() };
            if let Effect::Request(Request::Acknowledge { lane, number, .. }) = effect {
                let judged = self.storage.lanes.of(lane).judge(number);
                self.change(|storage| storage.lanes.of_mut(lane).apply(judged));
                self.event(Event::Acknowledged(judged));
                continue;
            }
            return name(&effect);
        }
    }

    /// All effects until the uplink waits.
    fn rest(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let next = self.next()
            && next != "wait"
        {
            names.push(next);
        }
        names
    }

    fn answer_poll(&mut self, commands: &[Command]) {
        let acknowledged = Lanes {
            urgent: self.storage.lanes.urgent.acknowledged_number(),
            bulk: self.storage.lanes.bulk.acknowledged_number(),
        };
        let response = PollResponse { next_poll_s: 3600, acknowledged, commands: commands.to_vec() };
        self.event(Event::Polled(Ok(response)));
    }

    fn answer_batch(&mut self, lane: Lane) {
        let made = self.storage.lanes.of(lane).made_number();
        let response = BatchResponse { acknowledged: made, next_poll_s: 3600, quarantined: Vec::new() };
        self.event(Event::BatchSent(Some((batch(1, made), Ok(response)))));
    }

    fn refuse_batch(&mut self, sent: SentBatch, code: ProblemCode, expected: Option<u64>) {
        self.event(Event::BatchSent(Some((sent, Err(refused(code, expected))))));
    }
}

fn batch(first: u64, last: u64) -> SentBatch {
    let count = last - first + 1;
    SentBatch { first, last, count: usize::try_from(count).unwrap(), bytes: 1000 }
}

fn refused(code: ProblemCode, expected_seq: Option<u64>) -> RequestError {
    let problem = Problem { expected_seq, ..Problem::new(code, "x") };
    RequestError::Refused { what: "test", problem, retry_after: Some(s(30)) }
}

fn response(state: ResponseState) -> Response {
    Response { state, at: Timestamp::UNIX_EPOCH, detail: String::new(), result: None }
}

fn name(effect: &Effect) -> String {
    match effect {
        Effect::Request(Request::Poll(poll)) if poll.storage_problem.is_some() => "poll: refuses".into(),
        Effect::Request(Request::Poll(_)) => "poll".into(),
        Effect::Request(Request::SendBatch { lane, .. }) => lane.name().into(),
        Effect::Request(Request::Acknowledge { .. }) => "acknowledge".into(),
        Effect::Request(Request::Quarantine { seq, .. }) => format!("quarantine {seq}"),
        Effect::Request(Request::SendResponse { response, .. }) => format!("response {:?}", response.state),
        Effect::Request(Request::Deliver(commands)) => format!("deliver {}", commands.len()),
        Effect::ReportAgain => "report again".into(),
        Effect::ResponseDone { rejected, .. } if rejected.is_some() => "response rejected".into(),
        Effect::ResponseDone { .. } => "response stored".into(),
        Effect::Ended(Ok(())) => "ended".into(),
        Effect::Ended(Err(failure)) => format!("failed: {}", failure.error),
    }
}

fn command() -> Command {
    Command::new(CommandId(Uuid::from_u128(7)), Timestamp::UNIX_EPOCH, &Order::Discovery).unwrap()
}

#[test]
fn what_a_command_produced_goes_before_its_final_response_and_after_what_is_urgent() {
    let mut bench = Bench::polled(1, 2);
    bench.event(Event::ResponseMade(CommandId(Uuid::nil()), response(ResponseState::Done)));
    bench.event(Event::CommandDone);
    assert_eq!(bench.next(), "urgent");
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.next(), "bulk");
    bench.answer_batch(Lane::Bulk);
    assert_eq!(bench.next(), "response Done");
    bench.event(Event::ResponseSent(Ok(CommandResponseAck { next_poll_s: 3600 })));
    assert_eq!(bench.next(), "response stored");
    assert_eq!(bench.next(), "poll");
    bench.answer_poll(&[]);
    assert_eq!(bench.rest(), ["ended"]);
    assert_eq!(bench.uplink.poll_timeout(), Some(s(3600)));
}

#[test]
fn bulk_reports_wait_for_the_poll_where_nothing_wants_them() {
    let mut bench = Bench::polled(1, 1);
    bench.event(Event::UrgentMade);
    assert_eq!(bench.next(), "urgent");
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.rest(), ["ended"]);
    bench.now = s(3600);
    assert_eq!(bench.next(), "bulk");
    bench.answer_batch(Lane::Bulk);
    assert_eq!(bench.next(), "poll");
}

#[test]
fn a_lane_that_is_not_confirmed_polls_before_its_first_number() {
    let mut bench = Bench::new(0, 0);
    let new = LaneState { base: None, made: 1, ..LaneState::default() };
    bench.change(|storage| storage.lanes.urgent = new);
    bench.event(Event::UrgentMade);
    assert_eq!(bench.next(), "poll");
    let acknowledged = Lanes { urgent: 7, bulk: 0 };
    let response = PollResponse { next_poll_s: 60, acknowledged, commands: Vec::new() };
    bench.event(Event::Polled(Ok(response)));
    assert_eq!(bench.next(), "urgent");
    assert_eq!(bench.storage.lanes.urgent.made_number(), 8);
}

#[test]
fn reports_of_a_new_epoch_follow_a_poll_that_names_it() {
    let mut bench = Bench::polled(3, 0);
    bench.event(Event::UrgentMade);
    assert_eq!(bench.next(), "urgent");
    // The server has lost what it had: the spool begins a new epoch.
    bench.refuse_batch(batch(1, 3), ProblemCode::SequenceGap, Some(1));
    let Some(Effect::Request(Request::Acknowledge { number: 0, last: None, .. })) = bench.effect() else {
        panic!("the gap is stored");
    };
    bench.change(|storage| storage.spool = SpoolId(Uuid::from_u128(2)));
    bench.event(Event::Acknowledged(Acknowledgement::ServerBehind { base: 0, lost: 1 }));
    assert_eq!(bench.next(), "report again");
    assert_eq!(bench.next(), "poll");
    bench.answer_poll(&[]);
    assert_eq!(bench.next(), "urgent");
}

#[test]
fn gaps_without_end_fail_the_exchange() {
    let mut bench = Bench::polled(3, 0);
    bench.event(Event::UrgentMade);
    for _ in 0..4 {
        assert_eq!(bench.next(), "urgent");
        bench.refuse_batch(batch(1, 3), ProblemCode::SequenceGap, Some(1));
    }
    assert_eq!(bench.next(), "urgent");
    bench.refuse_batch(batch(1, 3), ProblemCode::SequenceGap, Some(1));
    assert_eq!(bench.rest(), ["failed: test: rejected by the communication server: x (status 409)"]);
    // A server that accepts a batch and acknowledges less than it had is no better.
    bench.now = bench.uplink.poll_timeout().unwrap();
    assert_eq!(bench.next(), "urgent");
    let response = BatchResponse { acknowledged: 0, next_poll_s: 60, quarantined: Vec::new() };
    bench.event(Event::BatchSent(Some((batch(1, 3), Ok(response)))));
    let failed = "failed: the server and the spool disagree on the sequence numbers of lane urgent";
    assert_eq!(bench.rest(), [failed]);
}

#[test]
fn a_batch_is_split_until_the_one_report_is_found_that_is_refused() {
    let mut bench = Bench::polled(2, 0);
    bench.event(Event::UrgentMade);
    bench.next();
    bench.refuse_batch(batch(1, 2), ProblemCode::BodyTooLarge, None);
    let Some(Effect::Request(Request::SendBatch { byte_limit: 500, .. })) = bench.effect() else {
        panic!("half of it is sent");
    };
    bench.refuse_batch(batch(1, 1), ProblemCode::BodyTooLarge, None);
    assert_eq!(bench.next(), "quarantine 1");
    bench.event(Event::Quarantined);
    assert_eq!(bench.next(), "urgent");
    bench.refuse_batch(batch(1, 2), ProblemCode::Conflict, None);
    let Some(Effect::Request(Request::SendBatch { byte_limit: 1, .. })) = bench.effect() else {
        panic!("one after the other is sent");
    };
}

#[test]
fn a_gateway_that_can_store_nothing_polls_and_does_nothing_else() {
    let mut bench = Bench::polled(1, 1);
    bench.event(Event::UrgentMade);
    bench.now = s(1);
    bench.change(|storage| storage.problem = Some("x".repeat(1000)));
    let Some(Effect::Request(Request::Poll(poll))) = bench.effect() else { panic!("a poll says so") };
    assert_eq!(poll.storage_problem.unwrap().len(), 300);
    bench.answer_poll(&[command()]);
    assert_eq!(bench.rest(), ["ended"]);
    assert_eq!(bench.uplink.poll_timeout(), Some(s(3601)), "said once");
    // It stores again: said soon, not at once, and then everything is sent.
    bench.change(|storage| storage.problem = None);
    assert_eq!(bench.uplink.poll_timeout(), Some(s(0)), "the urgent report waits");
    assert_eq!(bench.next(), "urgent");
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.next(), "bulk");
    bench.answer_batch(Lane::Bulk);
    assert_eq!(bench.next(), "poll");
    bench.answer_poll(&[]);
    assert_eq!(bench.rest(), ["ended"]);
    // A disk that refuses again at once is not a reason for a poll of its own within ten seconds.
    bench.change(|storage| storage.problem = Some("full".to_owned()));
    assert_eq!(bench.uplink.poll_timeout(), Some(s(11)));
}

#[test]
fn a_disk_that_fills_during_an_exchange_ends_it_with_a_poll() {
    let mut bench = Bench::polled(1, 0);
    let id = CommandId(Uuid::nil());
    bench.event(Event::ResponseMade(id, response(ResponseState::Done)));
    bench.event(Event::CommandDone);
    assert_eq!(bench.next(), "urgent");
    bench.change(|storage| storage.problem = Some("full".to_owned()));
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.next(), "poll: refuses", "no acknowledgement is stored, and no response is sent");
    bench.answer_poll(&[command()]);
    assert_eq!(bench.rest(), ["ended"]);
    bench.change(|storage| storage.problem = None);
    bench.now = s(10);
    assert_eq!(bench.next(), "urgent");
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.next(), "response Done");
}

#[test]
fn commands_that_are_not_stored_in_time_fail_the_exchange() {
    let mut bench = Bench::polled(0, 0);
    bench.now = s(3600);
    assert_eq!(bench.next(), "poll");
    bench.answer_poll(&[command()]);
    assert_eq!(bench.next(), "deliver 1");
    assert_eq!(bench.uplink.poll_timeout(), Some(s(3660)));
    assert_eq!(bench.next(), "wait");
    bench.now = s(3660);
    assert_eq!(bench.rest(), ["failed: the gateway did not decide on the commands in time"]);
    bench.event(Event::CommandsStored);
    assert_eq!(bench.rest(), Vec::<String>::new(), "a late result changes nothing");
    // A disk that fills meanwhile: the next poll says so.
    bench.now = bench.uplink.poll_timeout().unwrap();
    assert_eq!(bench.next(), "poll");
    bench.answer_poll(&[command()]);
    assert_eq!(bench.next(), "deliver 1");
    bench.change(|storage| storage.problem = Some("full".to_owned()));
    assert_eq!(bench.next(), "poll: refuses");
}

#[test]
fn a_failure_keeps_what_was_wanted_and_waits_as_long_as_the_server_says() {
    let mut bench = Bench::polled(1, 0);
    bench.event(Event::CommandDone);
    assert_eq!(bench.next(), "urgent");
    bench.refuse_batch(batch(1, 1), ProblemCode::Overloaded, None);
    let Some(Effect::Ended(Err(failure))) = bench.effect() else { panic!("it fails") };
    assert_eq!((failure.failures, failure.wait), (1, s(45)));
    assert_eq!(bench.uplink.poll_timeout(), Some(s(45)));
    bench.now = s(45);
    assert_eq!(bench.next(), "urgent");
    bench.answer_batch(Lane::Urgent);
    assert_eq!(bench.next(), "poll");
}

#[test]
fn a_response_that_is_not_final_is_held_and_replaced_by_a_newer_one() {
    let mut bench = Bench::polled(0, 0);
    let id = CommandId(Uuid::nil());
    bench.event(Event::ResponseMade(id, response(ResponseState::Accepted)));
    assert_eq!(bench.uplink.poll_timeout(), Some(s(3)));
    bench.event(Event::ResponseMade(id, response(ResponseState::Done)));
    assert_eq!(bench.next(), "response Done");
    // A newer one that comes while this is sent stays.
    bench.event(Event::ResponseMade(id, response(ResponseState::Failed)));
    bench.event(Event::ResponseSent(Ok(CommandResponseAck { next_poll_s: 60 })));
    assert_eq!(bench.rest(), ["response stored", "ended", "response Failed"]);
    bench.event(Event::ResponseSent(Err(refused(ProblemCode::NotFound, None))));
    assert_eq!(bench.rest(), ["response rejected", "ended"]);
}
