//! The reading of a device whose responses are the input.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use gateway_core::reading::limits::{
    COLUMNS_PER_KNOWN_BULK, OIDS_PER_GET, REQUESTS_PER_READING, VARBINDS_PER_READING,
};
use gateway_core::reading::profiles::{Profile, Profiles};
use gateway_core::reading::{
    CompletedReading, DeviceReading, ErrorStatus, Oid, ReadContext, ReadScope, Request, Response, Value,
};
use jiff::Timestamp;
use wire::limits::BATCH_BYTES;
use wire::reading::Reading;

use crate::tape::Tape;

/// Profiles that together use every kind of source of a value.
const PROFILES: [&str; 5] = [
    include_str!("../../../gateway/profiles/brother.yaml"),
    include_str!("../../../gateway/profiles/konica.yaml"),
    include_str!("../../../gateway/profiles/kyocera.yaml"),
    include_str!("../../../gateway/profiles/ricoh.yaml"),
    include_str!("../../../gateway/profiles/xerox.yaml"),
];

/// Enterprise numbers of these profiles, which a fuzzer would rarely guess.
const ENTERPRISES: [u32; 8] = [2435, 18334, 1347, 367, 253, 297, 11, 1];

/// Length of a long text, octets.
const LONG: usize = 5_000;

/// The input: an octet for scope and version, then the responses one after the other.
///
/// # Panics
/// The reading exceeds one of its limits, or results in a value that can't be sent.
pub fn reading(data: &[u8]) {
    let mut tape = Tape::new(data);
    let kind = tape.octet();
    let scope = if kind & 1 == 0 { ReadScope::Full } else { ReadScope::Status };
    if let Some(finished) = read(built_in(), scope, kind & 2 == 0, &mut tape) {
        check(&finished);
    }
}

fn built_in() -> Arc<Profiles> {
    static BUILT_IN: OnceLock<Arc<Profiles>> = OnceLock::new();
    let parse = |yaml: &&str| Profile::parse("built in", yaml).ok();
    Arc::clone(BUILT_IN.get_or_init(|| Arc::new(Profiles::new(PROFILES.iter().filter_map(parse)))))
}

/// A reading with these profiles; `None` if the device was given up.
pub(crate) fn read(
    profiles: Arc<Profiles>,
    scope: ReadScope,
    bulk: bool,
    tape: &mut Tape<'_>,
) -> Option<CompletedReading> {
    let mut reading = DeviceReading::new(profiles, scope, bulk);
    let mut device = Device::default();
    let mut requests = 0;
    while let Some(request) = reading.next_request() {
        requests += 1;
        assert!(requests <= REQUESTS_PER_READING, "endless");
        let limit = if matches!(request, Request::Get(_)) { OIDS_PER_GET } else { COLUMNS_PER_KNOWN_BULK };
        assert!((1..=limit).contains(&request.oids().len()), "{} objects", request.oids().len());
        assert!(bulk || !matches!(request, Request::GetBulk { .. }), "GETBULK to SNMP v1");
        assert!(!request.to_string().is_empty());
        if !reading.handle_response(&request, device.answer(&request, tape)) {
            return None;
        }
    }
    assert!(reading.mib().len() <= VARBINDS_PER_READING);
    Some(reading.finish(ReadContext {
        address: "192.0.2.7".to_owned(),
        read_at: Timestamp::UNIX_EPOCH,
        took_ms: 1,
        requests,
    }))
}

/// A finished reading can be encoded, and decodes to the same value.
pub(crate) fn check(finished: &CompletedReading) {
    let reading = &finished.reading;
    let json = serde_json::to_string(reading).expect("a reading serialises");
    assert!(json.len() <= BATCH_BYTES / 2, "{} octets of JSON", json.len());
    let back: Reading = serde_json::from_str(&json).expect("a reading is read back");
    assert_eq!(&back, reading);
    let texts = [&reading.identity.model, &reading.identity.serial, &reading.identity.name];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
    for supply in &reading.supplies {
        assert!(supply.percent.is_none_or(|percent| percent.is_finite() && percent >= 0.0), "{supply:?}");
    }
    assert!(finished.printer || reading.supplies.is_empty());
}

/// A device whose responses are taken from the input.
#[derive(Default)]
struct Device {
    given: HashSet<Oid>,
}

impl Device {
    /// Responds with values from the input. After its end every value is missing, so that the reading ends.
    fn answer(&mut self, request: &Request, tape: &mut Tape<'_>) -> Response {
        if tape.is_empty() {
            return Response::Varbinds(
                request.oids().iter().map(|oid| (oid.clone(), Value::EndOfView)).collect(),
            );
        }
        match tape.octet() % 10 {
            0 => Response::Timeout,
            1 => Response::Error(ErrorStatus::TooBig),
            2 => Response::Error(ErrorStatus::NoSuchName(usize::from(tape.octet()))),
            3 => Response::Error(ErrorStatus::Other),
            4 => Response::Varbinds(strangers(tape)),
            5 => {
                // The same again and again, or backwards.
                let value = value(tape);
                let count = usize::from(tape.octet()) * 8;
                Response::Varbinds(
                    request
                        .oids()
                        .iter()
                        .cycle()
                        .take(count)
                        .map(|oid| (oid.clone(), value.clone()))
                        .collect(),
                )
            }
            _ => Response::Varbinds(self.varbinds(request, tape)),
        }
    }

    fn varbinds(&mut self, request: &Request, tape: &mut Tape<'_>) -> Vec<(Oid, Value)> {
        let repetitions = match request {
            Request::Get(oids) => return oids.iter().map(|oid| (oid.clone(), value(tape))).collect(),
            Request::GetNext(_) => 1,
            Request::GetBulk { repetitions, .. } => *repetitions,
        };
        let mut cursors = request.oids().to_vec();
        let mut varbinds = Vec::new();
        for _ in 0..repetitions {
            for cursor in &mut cursors {
                *cursor = self.after(cursor, tape);
                varbinds.push((cursor.clone(), value(tape)));
            }
        }
        varbinds
    }

    /// The row after this one; if there was none yet, the first one of the column.
    fn after(&mut self, cursor: &Oid, tape: &mut Tape<'_>) -> Oid {
        let next = match cursor.arcs().split_last() {
            Some((last, head)) if self.given.contains(cursor) => {
                Oid::new(&[head, &[last.saturating_add(1 + u32::from(tape.octet() & 3))]].concat())
            }
            _ => {
                let row = tape.octet();
                let depth = if row < 200 { 1 } else { usize::from(row - 200) * 2 };
                cursor.join(&vec![u32::MAX; depth]).join(&[u32::from(row)])
            }
        };
        self.given.insert(next.clone());
        next
    }
}

fn strangers(tape: &mut Tape<'_>) -> Vec<(Oid, Value)> {
    let count = tape.octet();
    (0..count).map(|_| (Oid::new(&arcs(tape)), value(tape))).collect()
}

fn arcs(tape: &mut Tape<'_>) -> Vec<u32> {
    match tape.octet() {
        own @ 0..8 => {
            let enterprise = ENTERPRISES.get(usize::from(own)).copied().unwrap_or(0);
            vec![1, 3, 6, 1, 4, 1, enterprise, u32::from(tape.octet())]
        }
        length => (0..length % 140).map(|_| tape.word()).collect(),
    }
}

fn value(tape: &mut Tape<'_>) -> Value {
    match tape.octet() % 10 {
        0 => Value::Missing,
        1 => Value::EndOfView,
        2 => Value::Integer(i64::from(tape.octet())),
        3 => Value::Integer(tape.long().cast_signed()),
        4 => Value::Unsigned(u64::from(tape.octet())),
        5 => Value::Unsigned(tape.long()),
        6 => Value::from(Oid::new(&arcs(tape))),
        7 => Value::octets(&vec![tape.octet(); LONG]),
        _ => {
            let length = usize::from(tape.octet());
            Value::octets(tape.octets(length))
        }
    }
}
