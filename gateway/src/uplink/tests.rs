//! The uplink with a server over mutual TLS that loses responses, rejects requests, and loses its data.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path as PathPart, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use axum::{Json, Router};
use gateway_core::uplink::RequestError;
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request as CertificateRequest};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use runtime::identity::LiveIdentity;
use runtime::listener::{ClientAuth, ListenerAuth};
use runtime::problem_response::ProblemResponse;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::codec;
use wire::command::{Command, CommandResponseAck, Order, Response, ResponseState};
use wire::ids::{CommandId, SpoolId};
use wire::limits::BATCH_BYTES;
use wire::poll::{Poll, PollResponse};
use wire::problem::{Problem, ProblemCode};
use wire::report::{Batch, BatchResponse, Call, CallKind, Edge, Lane, Lanes, Report};

use super::*;
use crate::spool::{Changes, Spool, SpoolSettings};

/// What the server does with the next request instead of responding normally.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It stores the request, and its response is lost.
    AnswerLost,
    /// It responds 503 with `Retry-After`.
    Overloaded,
    /// It fails.
    Fails,
}

/// The data that the server has.
#[derive(Debug, Default)]
struct Held {
    reports: Lanes<BTreeMap<u64, Report>>,
    base: Lanes<u64>,
    polls: Vec<Poll>,
    /// For each urgent report, by number: the epoch of the spool in the last poll before the report arrived.
    lives: BTreeMap<u64, Option<SpoolId>>,
    commands: Vec<Command>,
    responses: Vec<(String, Response)>,
    trouble: VecDeque<Trouble>,
    /// A report with this detail is always rejected.
    refuses: Option<&'static str>,
}

impl Held {
    fn acknowledged(&self, lane: Lane) -> u64 {
        let last = self.reports.of(lane).last_key_value().map(|(number, _)| *number);
        last.unwrap_or(*self.base.of(lane))
    }
}

#[derive(Debug, Clone)]
struct Server {
    held: Arc<Mutex<Held>>,
    changed: watch::Sender<u64>,
    next_poll_s: u32,
}

impl Server {
    fn with<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        let result = change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Waits until the server holds what is expected.
    async fn until(&self, what: &str, holds: impl Fn(&Held) -> bool) {
        let mut changed = self.changed.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while !holds(&self.held.lock().unwrap_or_else(PoisonError::into_inner)) {
                changed.changed().await.unwrap();
            }
        });
        assert!(waited.await.is_ok(), "{what}: {:?}", self.held);
    }
}

fn trouble(held: &mut Held) -> Option<HttpResponse> {
    let problem = match held.trouble.pop_front()? {
        Trouble::AnswerLost => return Some(StatusCode::BAD_GATEWAY.into_response()),
        Trouble::Overloaded => Problem::new(ProblemCode::Overloaded, "later"),
        Trouble::Fails => Problem::new(ProblemCode::Internal, "nothing was stored"),
    };
    Some(ProblemResponse(problem).into_response())
}

async fn poll(State(server): State<Server>, body: Bytes) -> HttpResponse {
    let poll: Poll = codec::decode(&body, None, 1 << 20).unwrap();
    server.with(|held| {
        if let Some(trouble) = trouble(held) {
            return trouble;
        }
        held.polls.push(poll);
        let acknowledged =
            Lanes { urgent: held.acknowledged(Lane::Urgent), bulk: held.acknowledged(Lane::Bulk) };
        let commands = held.commands.clone();
        Json(PollResponse { next_poll_s: server.next_poll_s, acknowledged, commands }).into_response()
    })
}

async fn reports(
    State(server): State<Server>,
    PathPart(lane): PathPart<String>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let lane: Lane = lane.parse().unwrap();
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
    let batch: Batch = codec::decode(&body, encoding, BATCH_BYTES).unwrap();
    server.with(|held| {
        let lost = matches!(held.trouble.front(), Some(Trouble::AnswerLost));
        if !lost && let Some(trouble) = trouble(held) {
            return trouble;
        }
        let is_refused = |detail: &str| held.refuses.is_some_and(|refused| detail == refused);
        for envelope in &batch.reports {
            if matches!(envelope.parse().unwrap(), Report::Call(call) if is_refused(&call.detail)) {
                return ProblemResponse::new(ProblemCode::MalformedBody, "never").into_response();
            }
        }
        for envelope in batch.reports {
            let expected = held.acknowledged(lane) + 1;
            if envelope.seq > expected {
                let mut problem = Problem::new(ProblemCode::SequenceGap, "a gap");
                problem.expected_seq = Some(expected);
                return ProblemResponse(problem).into_response();
            }
            if envelope.seq == expected {
                if lane == Lane::Urgent {
                    held.lives.insert(envelope.seq, held.polls.last().map(|poll| poll.spool));
                }
                held.reports.of_mut(lane).insert(envelope.seq, envelope.parse().unwrap());
            }
        }
        if lost && let Some(trouble) = trouble(held) {
            return trouble;
        }
        let answer = BatchResponse {
            acknowledged: held.acknowledged(lane),
            next_poll_s: server.next_poll_s,
            quarantined: Vec::new(),
        };
        Json(answer).into_response()
    })
}

async fn response(State(server): State<Server>, PathPart(id): PathPart<String>, body: Bytes) -> HttpResponse {
    let response: Response = codec::decode(&body, None, 1 << 20).unwrap();
    server.with(|held| {
        held.commands.retain(|command| command.id.to_string() != id);
        held.responses.push((id, response));
        Json(CommandResponseAck { next_poll_s: server.next_poll_s }).into_response()
    })
}

/// A gateway's uplink and its server.
struct Site {
    dir: tempfile::TempDir,
    server: Server,
    spool: Spool,
    link: Arc<UplinkHandle>,
    delivered: mpsc::UnboundedReceiver<UplinkEvent>,
    shutdown: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn authority(dir: &Path) -> Authority {
    let domain = "test.example".parse().unwrap();
    Authority::init(dir, &domain, &Passphrase::InsecureNone, Timestamp::now()).unwrap()
}

fn identity(authority: &Authority, out: &Path, profile: PartyKind, name: &str) -> Identity {
    let ips = vec!["127.0.0.1".parse().unwrap()];
    let ips = if profile == PartyKind::CommServer { ips } else { Vec::new() };
    let request = CertificateRequest { profile, name: name.to_owned(), dns: Vec::new(), ips };
    authority.issue(&request, Timestamp::now()).unwrap().write(out).unwrap();
    let file = |name: &str| out.join(name);
    let (certificate, key, root) = (file("cert.pem"), file("key.pem"), file("root.pem"));
    Identity::load(&IdentityConfig { certificate, key, root, crl: None }).unwrap()
}

async fn serve(identity: &Identity, server: Server, shutdown: CancellationToken) -> SocketAddr {
    let live = LiveIdentity::fixed(identity.clone());
    let auth = ListenerAuth::new("gateways", &live, ClientAuth::Required(&[PartyKind::Gateway])).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route(wire::POLLS_PATH, post(poll))
        .route(wire::REPORTS_PATH, post(reports))
        .route(wire::RESPONSES_PATH, post(response))
        .with_state(server);
    tokio::spawn(runtime::listener::serve(listener, auth, router, shutdown));
    address
}

impl Site {
    /// A running uplink whose intervals are shortened.
    async fn begin(next_poll_s: u32, change: impl FnOnce(&mut Held)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = authority(&dir.path().join("ca"));
        let shutdown = CancellationToken::new();
        let server = Server { held: Arc::default(), changed: watch::Sender::new(0), next_poll_s };
        server.with(change);
        let comm = identity(&own, &dir.path().join("comm"), PartyKind::CommServer, "comm-1");
        let address = serve(&comm, server.clone(), shutdown.clone()).await;
        let gateway = identity(&own, &dir.path().join("gw"), PartyKind::Gateway, "gw-1");
        let (spool, _) =
            Spool::open(SpoolSettings { data_dir: dir.path().to_owned(), limit_bytes: 64 << 20 })
                .await
                .unwrap();
        let (deliveries, delivered) = mpsc::unbounded_channel();
        let link = Arc::new(UplinkHandle::default());
        let url = format!("https://{address}");
        let client = CommServer::new(&url, None, LiveIdentity::fixed(gateway)).unwrap();
        let uplink = Uplink::new(client, spool.clone(), Arc::clone(&link), deliveries, &url, 1000.0);
        tokio::spawn(uplink.run(shutdown.clone()));
        Self { dir, server, spool, link, delivered, shutdown }
    }

    async fn make(&self, details: &[&str]) {
        let mut changes = Changes::new();
        for detail in details {
            changes.report(Timestamp::now(), &call(detail)).unwrap();
        }
        self.spool.commit(changes).await.unwrap();
        self.link.urgent_made();
    }
}

fn call(detail: &str) -> Report {
    Report::Call(Call {
        device: "a:1".parse().unwrap(),
        call: CallKind::Jam,
        edge: Edge::Raised,
        subject: String::new(),
        detail: detail.to_owned(),
        seen_at: Timestamp::UNIX_EPOCH,
    })
}

/// Numbers and details of the urgent reports that the server has.
fn urgent(held: &Held) -> Vec<(u64, String)> {
    let text = |report: &Report| match report {
        Report::Call(call) => call.detail.clone(),
        other @ (Report::Loss(_)
        | Report::CounterSet(_)
        | Report::DeviceInformation(_)
        | Report::FirmwareState(_)) => format!("{other:?}").chars().take(4).collect(),
    };
    held.reports.urgent.iter().map(|(number, report)| (*number, text(report))).collect()
}

fn expected(list: &[(u64, &str)]) -> Vec<(u64, String)> {
    list.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
}

#[tokio::test]
async fn urgent_reports_go_at_once_and_are_numbered_after_what_the_server_has() {
    let site = Site::begin(3600, |held| held.base.urgent = 7).await;
    site.make(&["a", "b"]).await;
    site.server.until("both", |held| urgent(held) == expected(&[(8, "a"), (9, "b")])).await;
    let polls = site.server.with(|held| held.polls.clone());
    assert_eq!(
        (polls.len(), polls[0].made.urgent),
        (1, 0),
        "asked once where it is, before anything was numbered"
    );
    site.make(&["c"]).await;
    site.server.until("the third", |held| urgent(held).len() == 3).await;
}

#[tokio::test]
async fn lost_answers_failures_and_overload_lose_nothing_and_double_nothing() {
    let troubles = [Trouble::Fails, Trouble::Overloaded, Trouble::AnswerLost];
    let site = Site::begin(3600, |held| held.trouble.extend([Trouble::Fails])).await;
    let mut all = Vec::new();
    for round in 0..6_u64 {
        let trouble = troubles[usize::try_from(round % 3).unwrap()];
        // The answer to the first poll ever may not be lost here: it is the one that numbers begin with.
        if round > 0 {
            site.server.with(|held| held.trouble.push_back(trouble));
        }
        let detail = format!("report {round}");
        site.make(&[&detail]).await;
        all.push((round + 1, detail));
        site.server.until("the report", |held| urgent(held) == all && held.trouble.is_empty()).await;
    }
}

#[tokio::test]
async fn a_server_that_lost_its_data_gets_everything_again_and_goes_on() {
    let site = Site::begin(3600, |_| {}).await;
    site.make(&["a", "b"]).await;
    site.server.until("both", |held| urgent(held).len() == 2).await;
    // The wait for the acknowledgement: a third one comes only after it.
    site.make(&["c"]).await;
    site.server.until("three", |held| urgent(held).len() == 3).await;
    site.server.with(|held| held.reports.urgent.retain(|number, _| *number <= 1));
    site.make(&["d"]).await;
    site.server
        .until("a loss and the new one", |held| {
            let texts: Vec<String> = urgent(held).into_iter().map(|(_, text)| text).collect();
            texts.contains(&"Loss".to_owned()) && texts.contains(&"d".to_owned())
        })
        .await;
}

#[tokio::test]
async fn nothing_of_a_new_epoch_of_the_spool_comes_before_a_poll_that_names_it() {
    let site = Site::begin(86_400, |_| {}).await;
    site.make(&["a", "b", "c"]).await;
    site.server.until("three", |held| urgent(held).len() == 3).await;
    let first = site.spool.snapshot().id;
    // It lost two of them, and learns by a gap that there is another life.
    site.server.with(|held| held.reports.urgent.retain(|number, _| *number <= 1));
    site.make(&["d"]).await;
    site.server.until("the new one", |held| urgent(held).iter().any(|(_, text)| text == "d")).await;
    let second = site.spool.snapshot().id;
    assert_ne!(first, second);
    let (lives, last) = site.server.with(|held| (held.lives.clone(), held.acknowledged(Lane::Urgent)));
    let new: Vec<_> = (2..=last).map(|number| lives[&number]).collect();
    assert!(new.iter().all(|life| *life == Some(second)), "{first:?} {second:?} {lives:?}");
}

#[tokio::test]
async fn a_report_that_is_refused_for_ever_blocks_nothing() {
    let site = Site::begin(3600, |held| held.refuses = Some("poison")).await;
    site.make(&["a", "b", "poison", "c", "d"]).await;
    let whole = expected(&[(1, "a"), (2, "b"), (3, "Loss"), (4, "c"), (5, "d")]);
    site.server.until("all but one", |held| urgent(held) == whole).await;
}

#[tokio::test]
async fn commands_are_handed_over_and_answered_until_the_server_has_the_answer() {
    let id = CommandId(Uuid::now_v7());
    let expires_at = Timestamp::now() + jiff::SignedDuration::from_secs(60);
    let command = Command::new(id, expires_at, &Order::Discovery).unwrap();
    let mut site = Site::begin(3600, |held| held.commands.push(command)).await;
    let Some(UplinkEvent::Commands(commands, decided)) = site.delivered.recv().await else {
        panic!("no commands")
    };
    assert_eq!(commands[0].id, id);
    let done =
        Response { state: ResponseState::Done, at: Timestamp::now(), detail: "4".into(), result: None };
    let accepted = Response { state: ResponseState::Accepted, ..done.clone() };
    site.link.respond(id, accepted);
    site.link.respond(id, done.clone());
    site.server.with(|held| held.trouble.push_back(Trouble::Fails));
    decided.send(()).unwrap();
    site.server.until("one answer", |held| held.responses == [(id.to_string(), done.clone())]).await;
    loop {
        match site.delivered.recv().await.unwrap() {
            UplinkEvent::ResponseStored(answered, response) => {
                assert_eq!((answered, response), (id, done));
                break;
            }
            UplinkEvent::Commands(_, decided) => decided.send(()).unwrap(),
            UplinkEvent::SequenceMismatch => {}
        }
    }
}

#[tokio::test]
async fn bulk_waits_for_the_poll_unless_a_call_or_a_command_wants_it() {
    let site = Site::begin(86_400, |_| {}).await;
    site.server.until("the first poll", |held| held.polls.len() == 1).await;
    let set = wire::report::CounterSet {
        device: "a:1".parse().unwrap(),
        read_at: Timestamp::UNIX_EPOCH,
        command: None,
        unit: None,
        counters: BTreeMap::new(),
        evidence: BTreeMap::new(),
    };
    let bulk = async || {
        let mut changes = Changes::new();
        changes.report(Timestamp::UNIX_EPOCH, &Report::CounterSet(set.clone())).unwrap();
        site.spool.commit(changes).await.unwrap();
    };
    bulk().await;
    site.make(&["urgent"]).await;
    site.server.until("the urgent one", |held| urgent(held).len() == 1).await;
    assert!(site.server.with(|held| held.reports.bulk.is_empty()));
    site.link.reading_made();
    site.server.until("bulk alone", |held| held.reports.bulk.len() == 1).await;
    assert_eq!(site.server.with(|held| held.polls.len()), 1);
    bulk().await;
    site.link.command_done();
    site.server
        .until("bulk, then a poll", |held| held.reports.bulk.len() == 2 && held.polls.len() == 2)
        .await;
}

#[tokio::test]
async fn a_server_of_another_authority_gets_nothing() {
    let site = Site::begin(3600, |_| {}).await;
    let foreign = authority(&site.dir.path().join("foreign"));
    let gateway = identity(&foreign, &site.dir.path().join("foreigner"), PartyKind::Gateway, "gw-1");
    let own = site.link.status().url;
    let client = CommServer::new(&own, None, LiveIdentity::fixed(gateway)).unwrap();
    let poll = Poll {
        at: Timestamp::now(),
        version: String::new(),
        spool: site.spool.snapshot().id,
        made: Lanes::default(),
        devices: 0,
        devices_offline: 0,
        uptime_s: 0,
        storage_problem: None,
    };
    let error = client.poll(&poll, false).await.unwrap_err();
    assert!(matches!(error, RequestError::Unreachable { .. }), "{error}");
}
