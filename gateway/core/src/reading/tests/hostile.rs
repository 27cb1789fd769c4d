//! Readings of agents that send arbitrary responses.

use proptest::prelude::*;

use super::*;

/// Texts of the maximum length of a datagram, columns with different rows, rows with the longest index.
#[test]
fn the_largest_reading_that_a_device_can_cause_fits_a_message() {
    let mut row = 0;
    let (reading, _) = run(ReadScope::Full, |request| {
        let long = Value::octets(&[0x80; 4_000]);
        let mut rows = |column: &Oid| {
            row += 1;
            (column.join(&[u32::MAX; 90]).join(&[row]), long.clone())
        };
        Response::Varbinds(match request {
            Request::Get(oids) => oids.iter().map(|oid| (oid.clone(), Value::Missing)).collect(),
            Request::GetNext(oids) | Request::GetBulk { oids, .. } => {
                let column = |oid: &Oid| Oid::new(oid.arcs().split(|arc| *arc == u32::MAX).next().unwrap());
                oids.iter().cycle().take(72).map(|oid| rows(&column(oid))).collect()
            }
        })
    });
    let json = serde_json::to_vec(&reading).unwrap();
    assert!(json.len() < wire::limits::BODY_BYTES, "{} octets", json.len());
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Unsigned),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|octets| Value::octets(&octets)),
        prop::collection::vec(any::<u32>(), 0..20).prop_map(|arcs| Value::from(Oid::new(&arcs))),
        Just(Value::Missing),
        Just(Value::EndOfView),
    ]
}

fn any_answer() -> impl Strategy<Value = (u8, Vec<(u8, Vec<u32>, Value)>)> {
    let varbind =
        (any::<u8>(), prop::collection::vec(prop_oneof![0..12_u32, any::<u32>()], 0..4), any_value());
    (0..12_u8, prop::collection::vec(varbind, 0..40))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_answers_make_it_panic_or_go_on_for_ever(answers in prop::collection::vec(any_answer(), 1..30)) {
        let mut at = 0;
        run(ReadScope::Full, |request| {
            at += 1;
            let (kind, varbinds) = &answers[at % answers.len()];
            match kind {
                0 => Response::Timeout,
                1 => Response::Error(ErrorStatus::TooBig),
                2 => Response::Error(ErrorStatus::NoSuchName(varbinds.len())),
                3 => Response::Error(ErrorStatus::Other),
                _ => {
                    // Varbinds close to the request: those could do harm.
                    let oids = request.oids();
                    let near = |(which, more, value): &(u8, Vec<u32>, Value)| {
                        (oids[usize::from(*which) % oids.len()].join(more), value.clone())
                    };
                    Response::Varbinds(varbinds.iter().map(near).collect())
                }
            }
        });
    }
}
