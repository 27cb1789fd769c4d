//! Tables of the changes that each report makes; the sequence rules, compared with a simple model.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::value::RawValue;
use wire::ids::DeviceId;
use wire::report::{Batch, Call, CallKind, Envelope, Lane, Report};

use super::*;
use crate::calls::ReportRef;

fn envelope(seq: u64, report: &str) -> Envelope {
    let report = RawValue::from_string(report.to_owned()).unwrap();
    Envelope { seq, at: Timestamp::UNIX_EPOCH, report }
}

fn arrivals(reports: &[&str]) -> Vec<Arrival> {
    let reports = reports.iter().zip(1..).map(|(report, seq)| envelope(seq, report)).collect();
    parse(&Batch { at: None, reports })
}

fn jam(edge: &str) -> String {
    format!(
        r#"{{"kind":"call","device":"ricoh:E1","call":"jam","edge":"{edge}","detail":"tray 1",
            "seen_at":"2026-01-01T00:00:00Z"}}"#
    )
}

fn meters(total: u64, hour: u32) -> String {
    format!(
        r#"{{"kind":"counter_set","device":"ricoh:E1","read_at":"2026-01-01T{hour:02}:00:00Z",
            "counters":{{"total":{total},"black":1}},
            "evidence":{{"total":{{"oid":"1.3.6","value":{total}}}}}}}"#
    )
}

fn names(effects: &[Effect<'_>]) -> Vec<&'static str> {
    let name = |effect: &Effect<'_>| match effect {
        Effect::Keep { .. } => "keep",
        Effect::Quarantine { .. } => "quarantine",
        Effect::UpsertDevice(_) => "meet",
        Effect::UpdateReading(..) => "describe",
        Effect::SetOffline(..) => "offline",
        Effect::AddCounters { .. } => "counters",
        Effect::SetTotal(..) => "total",
        Effect::Raise { open: true, .. } => "open",
        Effect::Raise { open: false, .. } => "record",
        Effect::Close { .. } => "close",
        Effect::Firmware(_) => "firmware",
        Effect::Lost { .. } => "lost",
    };
    effects.iter().map(name).collect()
}

#[test]
fn a_call_opens_and_closes() {
    let arrivals = arrivals(&[&jam("raised"), &jam("raised"), &jam("cleared"), &jam("cleared")]);
    let effects = effects(Known::default(), Lane::Urgent, &arrivals);
    let expected = ["keep", "meet", "open", "keep", "meet", "keep", "meet", "close", "keep", "meet"];
    assert_eq!(names(&effects), expected);
    let raised_by = ReportRef { lane: Lane::Urgent, seq: 1 };
    assert!(matches!(effects[7], Effect::Close { raised_by: r, by, .. } if r == raised_by && by.seq == 3));
}

#[test]
fn a_device_goes_offline_and_comes_back() {
    let offline = jam("raised").replace("\"jam\"", "\"device_offline\"");
    let arrivals = arrivals(&[&offline, &offline.replace("raised", "cleared")]);
    let effects = effects(Known::default(), Lane::Urgent, &arrivals);
    assert_eq!(names(&effects), ["keep", "meet", "offline", "open", "keep", "meet", "offline", "close"]);
    assert!(matches!(effects[2], Effect::SetOffline(_, true)));
    assert!(matches!(effects[6], Effect::SetOffline(_, false)));
}

#[test]
fn a_total_that_falls_is_a_call_once() {
    let arrivals = arrivals(&[&meters(100, 1), &meters(90, 2), &meters(95, 3)]);
    let effects = effects(Known::default(), Lane::Bulk, &arrivals);
    let one = ["keep", "meet", "counters", "total"];
    assert_eq!(names(&effects), [one.as_slice(), &one, &["record"], &one].concat());
    let Effect::Raise { call, by, .. } = &effects[8] else { panic!("{effects:?}") };
    assert_eq!((call.detail.as_str(), by.lane, by.seq), ("total fell from 100 to 90", Lane::Bulk, 2));
}

#[test]
fn a_total_that_falls_is_no_second_call_where_the_gateway_made_one() {
    let device: DeviceId = "ricoh:E1".parse().unwrap();
    let hour = |hour| Timestamp::constant(1_767_225_600, 0) + SignedDuration::from_hours(hour);
    let mut known = Known::default();
    known.totals.insert(device.clone(), LastTotal { value: 100, read_at: hour(1) });
    known.regressions.insert(device, hour(2));
    let arrivals = arrivals(&[&meters(90, 2)]);
    assert!(!names(&effects(known, Lane::Bulk, &arrivals)).contains(&"record"));
}

#[test]
fn totals_of_two_sources_are_never_compared_and_one_takes_the_others_place_when_that_is_gone() {
    let of = |source: &str, total, hour: u32| {
        let day = 1 + hour / 24;
        let at = format!("2026-01-{day:02}T{:02}:", hour % 24);
        meters(total, 0).replace("2026-01-01T00:", &at).replace("1.3.6", source)
    };
    let steps = [
        ("1.9", 100, 1, true),
        // The other one counts more, and is seen once.
        ("1.8", 111, 2, false),
        ("1.9", 101, 3, true),
        ("1.8", 112, 50, false),
        ("1.8", 113, 51, true),
        ("1.9", 150, 52, false),
        ("1.8", 114, 53, true),
    ];
    let reports: Vec<String> =
        steps.iter().map(|(source, total, hour, _)| of(source, *total, *hour)).collect();
    let reports: Vec<&str> = reports.iter().map(String::as_str).collect();
    let arrivals = arrivals(&reports);
    let all = effects(Known::default(), Lane::Bulk, &arrivals);
    let totals: Vec<u64> = all
        .iter()
        .filter_map(|effect| if let Effect::SetTotal(_, total) = effect { Some(total.value) } else { None })
        .collect();
    let expected: Vec<u64> = steps.iter().filter(|step| step.3).map(|step| step.1).collect();
    assert_eq!(totals, expected);
    assert!(!names(&all).contains(&"record"), "{:?}", names(&all));
    assert_eq!(names(&all).iter().filter(|name| **name == "counters").count(), steps.len());
    // A fall within one source is one, whatever another said between.
    let fallen: Vec<String> =
        [("1.9", 100, 1), ("1.8", 50, 2), ("1.9", 90, 3)].map(|s| of(s.0, s.1, s.2)).into();
    let arrivals = self::arrivals(&fallen.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        names(&effects(Known::default(), Lane::Bulk, &arrivals)).iter().filter(|n| **n == "record").count(),
        1
    );
}

#[test]
fn what_cannot_be_used_is_quarantined_with_its_path_and_blocks_nothing() {
    let cases = [
        (jam("raised").replace("detail", "detial"), "at report.detial: unknown field `detial`"),
        (jam("sideways"), "at report.edge: unknown variant `sideways`"),
        (jam("raised").replace("\"call\",", "\"coffee\","), "unknown variant `coffee`"),
        (
            meters(1, 1).replace("\"black\":1", "\"black\":-1"),
            "at report.counters.?: invalid value: integer `-1`",
        ),
        (meters(u64::MAX, 1), "at report.counters.total: 18446744073709551615 is larger than"),
        ("[]".to_owned(), "at ."),
        (
            jam("raised").replace("{\"", &format!("{{\"subject\":\"{}\",\"", "s".repeat(129))),
            "at report.subject has 129 bytes: expected at most 128",
        ),
        (
            format!(
                "{{\"kind\":\"loss\",\"lane\":\"bulk\",\"reports\":1,\"detail\":\"{}\"}}",
                "é".repeat(1025)
            ),
            "at report.detail has 2050 bytes: expected at most 2048",
        ),
        ("{\"kind\":\"loss\"}".to_owned(), "missing field"),
    ];
    for (bad, expected) in cases {
        let arrivals = arrivals(&[&bad, &jam("raised")]);
        let effects = effects(Known::default(), Lane::Urgent, &arrivals);
        assert_eq!(names(&effects), ["quarantine", "keep", "meet", "open"], "{bad}");
        let Effect::Quarantine { reason, .. } = effects[0] else { panic!() };
        assert!(reason.contains(expected), "{reason} lacks {expected}");
    }
}

#[test]
fn texts_for_people_are_bounded_and_printable() {
    assert_eq!(readable("a\u{0}b\nc"), "abc");
    assert_eq!(readable("IM \u{202e}0054C\u{2069}\u{feff}\u{1b}[2J"), "IM 0054C[2J");
    assert_eq!(readable(&"x".repeat(10_000)).len(), 500);
}

#[test]
fn a_batch_must_be_a_sequence() {
    let check = |numbers: &[u64]| {
        let reports: Vec<_> = numbers.iter().map(|&seq| envelope(seq, "{}")).collect();
        check_sequence(&reports)
    };
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[7, 8, 9]), Ok(()));
    assert_eq!(check(&[7, 9]), Err(BatchError::NotInSequence { index: 1, given: 9, expected: 8 }));
    assert_eq!(check(&[7, 7]), Err(BatchError::NotInSequence { index: 1, given: 7, expected: 8 }));
    assert_eq!(check(&[0, 1]), Err(BatchError::OutOfRange { index: 0, given: 0 }));
    assert_eq!(check(&[u64::MAX]), Err(BatchError::OutOfRange { index: 0, given: u64::MAX }));
    assert_eq!(check(&vec![1; 501]), Err(BatchError::TooMany { given: 501 }));
}

#[test]
fn a_late_report_is_kept_and_changes_nothing_newer() {
    let device: DeviceId = "ricoh:E1".parse().unwrap();
    let hour = |hour| Timestamp::constant(1_767_225_600, 0) + SignedDuration::from_hours(hour);
    let mut known = Known::default();
    known.totals.insert(device, LastTotal { value: 100, read_at: hour(5) });
    let late = |report: &str, later: &Later| {
        let arrivals = arrivals(&[report]);
        names(&late_effects(&known, Lane::Bulk, &arrivals[0], later))
    };
    let nothing = Later::default();
    // Older meters count, and are neither the newest total nor a fall of it.
    assert_eq!(late(&meters(90, 2), &nothing), ["keep", "meet", "counters"]);
    assert_eq!(late(&meters(110, 6), &nothing), ["keep", "meet", "counters", "total"]);
    assert_eq!(late(&meters(90, 6), &nothing), ["keep", "meet", "counters", "total", "record"]);

    let Content::Usable(Report::Call(end)) = arrivals(&[&jam("cleared")]).remove(0).content else { panic!() };
    let ended = Later { calls: vec![end.clone()], ..Later::default() };
    assert_eq!(late(&jam("raised"), &nothing), ["keep", "meet", "open"]);
    assert_eq!(late(&jam("raised"), &ended), ["keep", "meet", "record"]);
    let other = Later { calls: vec![Call { subject: "2".to_owned(), ..end }], ..Later::default() };
    assert_eq!(late(&jam("raised"), &other), ["keep", "meet", "open"]);
}

#[test]
fn a_device_found_again_ends_what_its_gateway_forgot() {
    let found = r#"{"kind":"device_information","device":"ricoh:E1","reason":"found","reading":{
        "address":"10.0.0.1","read_at":"2026-01-02T00:00:00Z","took_ms":1,"requests":1,"identity":{},
        "status":{"detected_errors":[],"console":[]},"counters":{},"evidence":{}}}"#;
    let by = ReportRef { lane: Lane::Urgent, seq: 7 };
    let mut known = Known::default();
    known.open.insert("ricoh:E1".parse().unwrap(), CallKind::Jam, String::new(), by);
    let closes = |known: &Known, reports: &[&str]| {
        let arrivals = arrivals(reports);
        let effects = effects(known.clone(), Lane::Bulk, &arrivals);
        effects.iter().filter(|e| matches!(e, Effect::Close { raised_by, .. } if *raised_by == by)).count()
    };
    assert_eq!(closes(&known, &[found]), 0, "nothing was forgotten");
    known.forgotten.insert(by);
    assert_eq!(closes(&known, &[found]), 1);
    assert_eq!(closes(&known, &[&found.replace("\"found\"", "\"changed\"")]), 0);
    assert_eq!(closes(&known, &[&found.replace("E1", "E2")]), 0, "another device");
    assert_eq!(closes(&known, &[&jam("raised"), found]), 0, "it was raised again");
}

#[test]
fn a_late_end_closes_only_what_was_raised_before_it() {
    let mut known = Known::default();
    let end = arrivals(&[&jam("raised"), &jam("cleared")]).remove(1);
    let raised = |known: &mut Known, seq| {
        let by = ReportRef { lane: Lane::Urgent, seq };
        known.open = crate::calls::OpenCalls::default();
        known.open.insert("ricoh:E1".parse().unwrap(), CallKind::Jam, String::new(), by);
    };
    for (seq, expected) in [(1, vec!["keep", "meet", "close"]), (3, vec!["keep", "meet"])] {
        raised(&mut known, seq);
        let effects = late_effects(&known, Lane::Urgent, &end, &Later::default());
        assert_eq!(names(&effects), expected);
    }
}

proptest! {
    /// Whatever the order, repetition and gaps of the batches: reports 1 to n are accepted once each, in order, and a
    /// rejection names the next expected number.
    #[test]
    fn any_order_of_batches_takes_each_report_once(
        batches in proptest::collection::vec((1_u64..30, 0_u64..10), 0..60)
    ) {
        let mut taken: Vec<u64> = Vec::new();
        for (first, count) in batches {
            let acknowledged = taken.len() as u64;
            let reports: Vec<_> = (first..first + count).map(|seq| envelope(seq, "{}")).collect();
            prop_assert_eq!(check_sequence(&reports), Ok(()));
            let arrivals = parse(&Batch { at: None, reports });
            match fresh(acknowledged, &arrivals) {
                Ok(new) => taken.extend(new.iter().map(|arrival| arrival.seq)),
                Err(BatchError::Gap { expected, given }) => {
                    prop_assert_eq!((expected, given), (acknowledged + 1, first));
                    prop_assert!(first > acknowledged + 1);
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        prop_assert_eq!(&taken, &(1..=taken.len() as u64).collect::<Vec<_>>());
    }

    /// Splitting a lane into batches in any way makes the same changes as one batch.
    #[test]
    fn how_reports_are_batched_does_not_matter(
        edges in proptest::collection::vec(any::<bool>(), 1..20), cut in 0_usize..20
    ) {
        let reports: Vec<String> =
            edges.iter().map(|&up| jam(if up { "raised" } else { "cleared" })).collect();
        let texts: Vec<&str> = reports.iter().map(String::as_str).collect();
        let all = arrivals(&texts);
        let whole = names(&effects(Known::default(), Lane::Urgent, &all));
        let (head, tail) = all.split_at(cut.min(all.len()));
        let mut parts = names(&effects(Known::default(), Lane::Urgent, head));
        let mut known = Known::default();
        let open = edges[..head.len()].iter().rev().take(1).any(|&up| up);
        if open {
            let device: DeviceId = "ricoh:E1".parse().unwrap();
            let by = ReportRef { lane: Lane::Urgent, seq: 1 };
            known.open.insert(device, CallKind::Jam, String::new(), by);
        }
        parts.extend(names(&effects(known, Lane::Urgent, tail)));
        prop_assert_eq!(whole, parts);
    }
}
