//! Devices that send invalid responses: each causes a clear error or a bounded reading, never a panic, and doesn't
//! delay other devices.

#![expect(clippy::unwrap_used, reason = "a test that can't begin fails")]

mod hostile;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hostile::{Agent, GET, GETBULK, Request, integer, response, tlv};
use platen_gateway::profile_files;
use platen_gateway::snmp::{Credentials, ReadError, ReadScope, Reader, Target};
use wire::reading::Counter;

const SYS_OBJECT_ID: &str = "1.3.6.1.2.1.1.2.0";
const LIFE_COUNT: &str = "1.3.6.1.2.1.43.10.2.1.4.1.1";

async fn reader() -> Reader {
    Reader::new(Arc::new(profile_files::load(None).unwrap())).await.unwrap()
}

fn target(agent: &Agent) -> Target {
    Target {
        address: agent.address,
        credentials: Credentials::V2c("public".into()).into(),
        timeout: Duration::from_millis(150),
        retries: 1,
    }
}

/// A device with one counter, which is read together with the hostile one.
fn good(request: &Request) -> Vec<Vec<u8>> {
    let value = |oid: &str| match oid {
        LIFE_COUNT => tlv(0x41, &[0x01, 0x00]),
        _ => tlv(0x81, &[]),
    };
    match request.tag {
        GET => vec![response(request, request.oids.iter().map(|oid| (oid.clone(), value(oid))))],
        _ => vec![response(request, request.oids.iter().map(|oid| (oid.clone(), tlv(0x82, &[]))))],
    }
}

async fn malformed(answer: impl Fn(&Request) -> Vec<Vec<u8>> + Send + 'static) -> String {
    let agent = Agent::start(answer).await;
    let error = reader().await.read(&target(&agent), ReadScope::Full).await.unwrap_err();
    assert!(matches!(error, ReadError::Malformed { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&agent.address.to_string()) && text.contains("GET SYS_OBJECT_ID.0"), "{text}");
    text
}

#[tokio::test]
async fn invalid_responses_are_distinguished_from_timeouts_and_named() {
    let cut = malformed(|request| {
        let mut whole = good(request).remove(0);
        whole.truncate(whole.len() / 2);
        vec![whole]
    });
    assert!(cut.await.contains("truncated"));
    let wrong_id = malformed(|request| good(&Request { id: request.id ^ 1, ..request.clone() }));
    assert!(wrong_id.await.contains("response to request"));
    // Not the request's id repeated: it is random, and one in 256 begins with the tag of a SEQUENCE.
    let noise = malformed(|_| vec![[0xde, 0xad, 0xbe, 0xef].repeat(70)]);
    assert!(noise.await.contains("not an SNMP message"));
    let oversized = malformed(|_| vec![vec![0x30; 65_000]]);
    assert!(oversized.await.contains("malformed"));
    let inside = malformed(|request| {
        // A whole message with the right id, and varbinds that end in the middle of one.
        vec![hostile::message(request, &[0x30, 0x20, 0x06, 0x03, 0x2b, 0x06])]
    });
    assert!(inside.await.contains("can't be decoded: expected"));
}

#[tokio::test]
async fn a_timeout_is_reported_and_a_late_response_is_ignored() {
    let agent = Agent::start(|_| Vec::new()).await;
    let reader = reader().await;
    let error = reader.read(&target(&agent), ReadScope::Full).await.unwrap_err();
    assert!(matches!(error, ReadError::NoAnswer { attempts: 2, .. }) && error.is_silence(), "{error}");

    // Everything is answered one request late, as by a device that needs longer than the time-out.
    let last = std::sync::Mutex::new(None::<Request>);
    let agent = Agent::start(move |request| {
        let late = last.lock().unwrap().replace(request.clone());
        late.filter(|late| late.id != request.id).map(|late| good(&late)).unwrap_or_default()
    })
    .await;
    for _ in 0..3 {
        assert!(reader.read(&target(&agent), ReadScope::Status).await.is_err());
    }
}

#[tokio::test]
async fn an_endless_table_and_a_circle_give_a_bounded_reading() {
    let endless = Agent::start(|request| match request.tag {
        GET => good(request),
        _ => {
            let rows = (1..=request.repetitions.max(1)).flat_map(|row| {
                let next = move |oid: &String| (format!("{oid}.{row}"), integer(7));
                request.oids.iter().map(next).collect::<Vec<_>>()
            });
            vec![response(request, rows)]
        }
    })
    .await;
    let reading = reader().await.read(&target(&endless), ReadScope::Full).await.unwrap();
    assert!(reading.requests <= 250 && reading.supplies.len() <= 10_000, "{}", reading.requests);

    let circle = Agent::start(|request| match request.tag {
        GET => good(request),
        _ => vec![response(
            request,
            request.oids.iter().map(|_| ("1.3.6.1.2.1.43.11.1.1.9.1.1".into(), integer(1))),
        )],
    })
    .await;
    let reading = reader().await.read(&target(&circle), ReadScope::Full).await.unwrap();
    assert_eq!(reading.counters[&Counter::Total], 256);
    assert!(reading.requests < 100, "{}", reading.requests);
}

#[tokio::test]
async fn getbulk_that_is_refused_or_unanswered_falls_back_to_getnext() {
    let supplies = |request: &Request| match request.tag {
        GET => good(request),
        GETBULK => Vec::new(),
        _ => {
            let next = |oid: &String| match oid.as_str() {
                "1.3.6.1.2.1.43.11.1.1.9" => (format!("{oid}.1.1"), integer(40)),
                _ => (oid.clone(), tlv(0x82, &[])),
            };
            vec![response(request, request.oids.iter().map(next))]
        }
    };
    let agent = Agent::start(supplies).await;
    let reading = reader().await.read(&target(&agent), ReadScope::Full).await.unwrap();
    assert_eq!(reading.supplies[0].level, Some(40));
    let agent = Agent::start(move |request| match request.tag {
        GETBULK => vec![hostile::error(request, 5, 0)],
        _ => supplies(request),
    })
    .await;
    let reading = reader().await.read(&target(&agent), ReadScope::Full).await.unwrap();
    assert_eq!(reading.supplies[0].level, Some(40));
}

#[tokio::test]
async fn every_refusal_ends_and_large_requests_are_halved() {
    for status in 1..=18 {
        let agent = Agent::start(move |request| vec![hostile::error(request, status, 1)]).await;
        let reading = reader().await.read(&target(&agent), ReadScope::Full).await.unwrap();
        assert!(reading.counters.is_empty() && reading.requests <= 250, "{status}: {}", reading.requests);
    }
    let small = Agent::start(|request| match request.oids.len() {
        0..=3 => good(request),
        _ => vec![hostile::error(request, 1, 0)],
    })
    .await;
    let reading = reader().await.read(&target(&small), ReadScope::Full).await.unwrap();
    assert_eq!(reading.counters[&Counter::Total], 256);
}

#[tokio::test]
async fn a_count_that_does_not_fit_is_dropped_and_hides_no_other() {
    let agent = Agent::start(|request| {
        let value = |oid: &String| match oid.as_str() {
            LIFE_COUNT => tlv(0x02, &[0x01, 0x00, 0x00, 0x00, 0x00]),
            SYS_OBJECT_ID => tlv(0x06, &[0x2b, 0x06, 0x01]),
            _ => tlv(0x81, &[]),
        };
        match request.tag {
            GET => vec![response(request, request.oids.iter().map(|oid| (oid.clone(), value(oid))))],
            _ => good(request),
        }
    })
    .await;
    let reading = reader().await.read(&target(&agent), ReadScope::Full).await.unwrap();
    assert_eq!(reading.identity.sys_object_id.as_deref(), Some("1.3.6.1"));
    assert!(reading.counters.is_empty(), "{:?}", reading.counters);
}

#[tokio::test]
async fn hostile_devices_do_not_hold_up_a_good_one() {
    let reader = reader().await;
    let silent = join_all((0..8).map(|_| Agent::start(|_| Vec::new()))).await;
    let noisy = join_all((0..8).map(|_| Agent::start(|_| vec![vec![0xff; 1_400]; 20]))).await;
    let well = Agent::start(good).await;
    let patient = |agent: &Agent| Target { timeout: Duration::from_secs(20), ..target(agent) };
    let bad: Vec<Target> = silent.iter().chain(&noisy).map(patient).collect();
    let well = patient(&well);
    let hostile = join_all(bad.iter().map(|target| reader.read(target, ReadScope::Full)));
    tokio::select! {
        reading = reader.read(&well, ReadScope::Full) => {
            assert_eq!(reading.unwrap().counters[&Counter::Total], 256);
        }
        _ = hostile => panic!("the hostile ones were waited for"),
    }
}

/// A device that doesn't respond to GETBULK and has one supply.
fn without_bulk(request: &Request) -> Vec<Vec<u8>> {
    const LEVEL: &str = "1.3.6.1.2.1.43.11.1.1.9.1.1";
    if request.tag == GETBULK {
        return Vec::new();
    }
    let (value, absent) = (tlv(0x02, &[50]), tlv(0x80, &[]));
    let get = request.tag == GET;
    vec![response(
        request,
        request.oids.iter().map(|oid| match oid.as_str() {
            LEVEL if get => (oid.clone(), value.clone()),
            "1.3.6.1.2.1.43.11.1.1.9" if !get => (LEVEL.to_owned(), value.clone()),
            _ if get => (oid.clone(), absent.clone()),
            _ => (oid.clone(), tlv(0x82, &[])),
        }),
    )]
}

#[tokio::test]
async fn the_fall_back_from_getbulk_is_remembered() {
    let agent = Agent::start(without_bulk).await;
    let reader = reader().await;
    let target = target(&agent);
    let first = reader.read(&target, ReadScope::Status).await.unwrap();
    let second = reader.read(&target, ReadScope::Status).await.unwrap();
    assert_eq!(first.supplies.len(), 1);
    assert_eq!(first.supplies, second.supplies);
    assert_eq!(second.requests + 2, first.requests, "a GETBULK and its repetition are spared");
    assert!(!reader.access(agent.address).unwrap().quirks.bulk);
}
