//! The first contact with a device over sockets. A device that doesn't respond to requests for many objects is still
//! found and read; a device that is off costs no additional packet; an agent that is not a printer is not reported.

#![expect(clippy::unwrap_used, reason = "a test that can't begin fails")]

#[expect(dead_code, reason = "what only hostile answers need")]
mod hostile;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway_core::search::{Part, Sweep};
use hostile::{Agent, GET, Request, response, tlv};
use platen_gateway::discovery::{Found, Pace, Search, discover};
use platen_gateway::profile_files;
use platen_gateway::snmp::{Credentials, ReadError, ReadScope, Reader, Target};
use wire::reading::Counter;

const SYS_OBJECT_ID: &str = "1.3.6.1.2.1.1.2.0";
const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
const LIFE_COUNT: &str = "1.3.6.1.2.1.43.10.2.1.4.1.1";

async fn reader() -> Reader {
    Reader::new(Arc::new(profile_files::load(None).unwrap())).await.unwrap()
}

fn target(agent: &Agent, retries: u32) -> Target {
    Target {
        address: agent.address,
        credentials: Credentials::V2c("public".into()).into(),
        timeout: Duration::from_millis(150),
        retries,
    }
}

/// Responds with single objects; all tables are empty.
fn answer(request: &Request, objects: &[(&str, Vec<u8>)]) -> Vec<Vec<u8>> {
    let value = |oid: &String| objects.iter().find(|(own, _)| own == oid).map(|(_, value)| value.clone());
    let missing = if request.tag == GET { 0x81 } else { 0x82 };
    let value = |oid: &String| value(oid).filter(|_| request.tag == GET).unwrap_or_else(|| tlv(missing, &[]));
    vec![response(request, request.oids.iter().map(|oid| (oid.clone(), value(oid))))]
}

fn printer() -> Vec<(&'static str, Vec<u8>)> {
    vec![(SYS_DESCR, tlv(4, b"Acme X1")), (LIFE_COUNT, tlv(0x41, &[0x01, 0x00]))]
}

/// Sends no response to a request for more than this number of objects.
async fn shy(most: usize) -> Agent {
    let own = printer();
    Agent::start(move |request| if request.oids.len() > most { Vec::new() } else { answer(request, &own) })
        .await
}

#[tokio::test]
async fn a_device_that_times_out_on_many_objects_is_read_at_once_and_with_few_from_then_on() {
    for most in [1, 4, 10] {
        let (reader, agent) = (reader().await, shy(most).await);
        for retries in [0, 2] {
            let reading = reader.read(&target(&agent, retries), ReadScope::Full).await.unwrap();
            assert_eq!(reading.counters.get(&Counter::Total), Some(&256), "{most}");
        }
        let manner = reader.access(agent.address).unwrap().quirks;
        assert!(manner.objects <= most, "{most}: {manner:?}");
        let status = reader.read(&target(&agent, 0), ReadScope::ChangeCheck).await.unwrap();
        assert_eq!(status.identity.sys_object_id, None);
    }
}

#[tokio::test]
async fn a_device_that_is_off_costs_as_many_packets_as_before() {
    for (retries, expected) in [(1, 2), (2, 3), (0, 2)] {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let agent = Agent::start(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Vec::new()
        })
        .await;
        let error = reader().await.read(&target(&agent, retries), ReadScope::Full).await.unwrap_err();
        assert!(matches!(error, ReadError::NoAnswer { attempts, .. } if attempts == expected), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), expected);
    }
}

/// The result of a search of one address.
async fn found(agent: &Agent) -> Vec<Found> {
    let span = agent.address.ip().to_string().parse().unwrap();
    let part = Part { span, port: agent.address.port(), swept: true };
    let search = Search {
        sweep: Sweep { parts: vec![part], exclude: Vec::new() },
        announced: Vec::new(),
        credentials: Credentials::V2c("public".into()).into(),
        skip: 0,
    };
    let pace =
        Pace { timeout: Duration::from_millis(150), retries: 1, concurrency: 4, packets_per_s: 10_000 };
    let mut all = Vec::new();
    discover(&reader().await, &search, pace, &mut |found| all.push(found)).await;
    all
}

#[tokio::test]
async fn a_search_finds_a_shy_printer_and_no_projector() {
    let found_shy = found(&shy(4).await).await;
    assert!(matches!(found_shy.as_slice(), [Found::Device(..)]), "{found_shy:?}");
    // A projector of a maker of printers: its number, its name, and nothing that a printer has.
    let epson_projector = [0x2b, 6, 1, 4, 1, 0x89, 0x60, 4, 1];
    let things = [
        (tlv(6, &epson_projector), "EPSON EB-1"),
        (tlv(6, &[0x2b, 6, 1, 4, 1, 0x82, 0x6f, 9, 1]), "RICOH PJ X1"),
        (tlv(6, &[0x2b, 6, 1, 4, 1, 0x8c, 0x42, 9, 1]), "Canon Network Camera"),
    ];
    for (number, name) in things {
        let own = vec![(SYS_OBJECT_ID, number), (SYS_DESCR, tlv(4, name.as_bytes()))];
        let agent = Agent::start(move |request| answer(request, &own)).await;
        let found = found(&agent).await;
        assert!(matches!(found.as_slice(), [Found::Other(..)]), "{name}: {found:?}");
    }
}
