use std::borrow::Cow;

use proptest::prelude::*;
use wire::reading::{Alert, Counter, Identity, Label, LevelState, Status, Supply};

use super::*;

const RULES: CallRules = CallRules { near_end_percent: 10.0, offline_after: 3 };

/// A reading in short form: error bits, console lines, level of the only supply.
#[derive(Debug, Clone, Default)]
struct Look {
    bits: Vec<&'static str>,
    console: Vec<&'static str>,
    alerts: Vec<Alert>,
    level: Option<i64>,
    max: Option<i64>,
    total: Option<u64>,
    printer: &'static str,
}

fn device() -> DeviceId {
    "ricoh:E1".parse().unwrap()
}

fn reading(look: &Look) -> Reading {
    let supply = |level: i64| Supply {
        index: "1.1".into(),
        description: Some("Black Toner".into()),
        supply_type: Some(Label::name("toner")),
        class: Some(Label::name("supplyThatIsConsumed")),
        color: None,
        unit: None,
        level: Some(level),
        level_state: Some(match level {
            -1 => LevelState::Other,
            -2 => LevelState::Unknown,
            -3 => LevelState::SomeRemaining,
            _ => LevelState::Units,
        }),
        max: look.max.or(Some(100)),
        percent: (level >= 0).then(|| f64::from(i32::try_from(level).unwrap())),
        private: None,
    };
    Reading {
        address: "127.0.0.1".into(),
        read_at: Timestamp::UNIX_EPOCH,
        took_ms: 1,
        requests: 1,
        identity: Identity::default(),
        status: Status {
            device: Some(Label::name("running")),
            printer: Some(Label::name(if look.printer.is_empty() { "idle" } else { look.printer })),
            detected_errors: look.bits.iter().map(|bit| Cow::Borrowed(*bit)).collect(),
            console: look.console.iter().map(ToString::to_string).collect(),
        },
        counters: look.total.map(|total| (Counter::Total, total)).into_iter().collect(),
        counter_unit: None,
        evidence: BTreeMap::new(),
        supplies: look.level.map(supply).into_iter().collect(),
        marker_life: None,
        trays: Vec::new(),
        covers: Vec::new(),
        alerts: look.alerts.clone(),
    }
}

fn alert(severity: &'static str, training: &'static str, code: i64, description: &str) -> Alert {
    Alert {
        index: "1.1".into(),
        severity: Some(Label::name(severity)),
        training: Some(Label::name(training)),
        group: Some(11),
        group_name: None,
        group_index: Some(1),
        location: None,
        code: Some(code),
        code_name: None,
        description: Some(description.into()),
    }
}

fn see(state: &mut CallState, reading: &Reading) -> Vec<Call> {
    state.on_reading(&RULES, None, &device(), (reading, Coverage::WHOLE))
}

/// Calls in short form: `+service_call:SC542`.
fn short(calls: &[Call]) -> Vec<String> {
    let sign = |edge| if edge == Edge::Raised { '+' } else { '-' };
    calls.iter().map(|c| format!("{}{}:{}", sign(c.edge), c.call.name(), c.detail)).collect()
}

fn play(looks: &[Look]) -> Vec<Vec<String>> {
    let mut state = CallState::default();
    looks.iter().map(|look| short(&see(&mut state, &reading(look)))).collect()
}

fn level(level: i64) -> Look {
    Look { level: Some(level), ..Look::default() }
}

fn bits(bits: &[&'static str]) -> Look {
    Look { bits: bits.to_vec(), ..Look::default() }
}

#[test]
fn a_service_call_is_raised_at_once_and_reset_when_it_stays_away() {
    let sc = Look { bits: vec!["serviceRequested"], console: vec!["SC542 Fusing"], ..Look::default() };
    let none: Vec<String> = Vec::new();
    let played = play(&[sc.clone(), sc.clone(), bits(&[]), sc, bits(&[]), bits(&[]), bits(&[])]);
    let expected = ["+service_call:SC542", "", "", "", "", "-service_call:SC542", ""];
    for (at, (calls, expected)) in played.iter().zip(expected).enumerate() {
        let expected = if expected.is_empty() { none.clone() } else { vec![expected.to_owned()] };
        assert_eq!(*calls, expected, "look {at}");
    }
}

#[test]
fn a_service_call_is_recognised_by_bit_row_or_console() {
    let row = alert("critical", "fieldService", 1, "Fusing unit failed");
    for (look, detail) in [
        (bits(&["serviceRequested"]), "the device requests service"),
        (Look { console: vec!["Call service", "SC670-01"], ..Look::default() }, "SC670-01"),
        (Look { alerts: vec![row], ..Look::default() }, "Fusing unit failed"),
    ] {
        assert_eq!(play(&[look])[0], [format!("+service_call:{detail}")]);
    }
    let quiet =
        [alert("other", "noInterventionRequired", 1, "Sleep"), alert("warning", "fieldService", 1, "PM")];
    assert!(play(&[Look { alerts: quiet.to_vec(), ..Look::default() }])[0].is_empty());
}

#[test]
fn a_door_opened_for_a_moment_is_no_call_and_an_open_one_is() {
    let open = bits(&["doorOpen"]);
    assert!(play(&[open.clone(), bits(&[]), open.clone(), bits(&[])]).iter().all(Vec::is_empty));
    let row = Look { alerts: vec![alert("critical", "untrained", 5, "Interlock")], ..Look::default() };
    let played = play(&[open, row, bits(&[])]);
    assert_eq!(played[1], ["+cover_open:Interlock"]);
    assert_eq!(played[2], ["-cover_open:Interlock"]);
    let jam = bits(&["jammed"]);
    assert_eq!(play(&[jam.clone(), jam])[1], ["+jam:paper is jammed"]);
}

#[test]
fn a_supply_runs_down_and_is_replaced() {
    let played = play(&[level(40), level(10), level(9), level(12), level(0), level(0), level(95)]);
    let expected: [&[&str]; 7] = [
        &[],
        &["+supply_near_end:Black Toner 10 %"],
        &[],
        &[],
        &["+supply_end:Black Toner 0 %"],
        &[],
        &[
            "+supply_replaced:Black Toner 95 %",
            "-supply_near_end:Black Toner 95 %",
            "-supply_end:Black Toner 95 %",
        ],
    ];
    for (calls, expected) in played.iter().zip(expected) {
        assert_eq!(calls, expected);
    }
}

#[test]
fn a_replaced_supply_is_reported_once() {
    let mut state = CallState::default();
    let told = |state: &mut CallState, look: Look| {
        let calls = see(state, &reading(&look));
        let news: Vec<Call> =
            calls.iter().filter(|call| !is_covered_by_another(call, &calls)).cloned().collect();
        short(&news)
    };
    assert_eq!(told(&mut state, level(9)), ["+supply_near_end:Black Toner 9 %"]);
    assert_eq!(told(&mut state, level(0)), ["+supply_end:Black Toner 0 %"]);
    assert_eq!(told(&mut state, level(95)), ["+supply_replaced:Black Toner 95 %"]);
    assert_eq!(told(&mut state, level(4)), [""; 0], "an odd fall");
    assert_eq!(told(&mut state, level(4)), ["+supply_near_end:Black Toner 4 %"]);
    assert_eq!(told(&mut state, level(26)), ["-supply_near_end:Black Toner 26 %"]);
}

#[test]
fn states_of_a_level_raise_nothing_and_clear_nothing() {
    assert!(play(&[level(-3), level(-2), level(-1)]).iter().all(Vec::is_empty));
    let played = play(&[level(5), level(-3), level(-2), bits(&[]), level(5)]);
    assert_eq!(played[0], ["+supply_near_end:Black Toner 5 %"]);
    assert!(played.iter().skip(1).all(Vec::is_empty), "{played:?}");
    let warm = Look { printer: "warmup", ..level(0) };
    assert!(play(&[level(80), warm, level(80)]).iter().all(Vec::is_empty));
}

#[test]
fn an_empty_supply_is_one_call_and_bits_count_without_levels() {
    assert_eq!(play(&[level(0)])[0], ["+supply_end:Black Toner 0 %"]);
    let mut empty = level(0);
    empty.bits = vec!["noToner", "lowToner"];
    assert_eq!(play(&[empty])[0], ["+supply_end:Black Toner 0 %"]);
    assert_eq!(play(&[bits(&["noToner", "lowToner"])])[0], ["+supply_end:no toner or ink"]);
    let low = Look { bits: vec!["lowToner"], ..level(-3) };
    assert_eq!(play(&[low])[0], ["+supply_near_end:Black Toner is low"]);
    let row = Look { alerts: vec![alert("warning", "untrained", 1104, "Toner low")], ..level(-3) };
    assert_eq!(play(&[row])[0], ["+supply_near_end:Black Toner"]);
}

#[test]
fn another_capacity_is_another_supply() {
    let small = Look { max: Some(5000), ..level(50) };
    let large = Look { max: Some(9000), ..level(60) };
    assert_eq!(play(&[small, large])[1], ["+supply_replaced:Black Toner 60 %"]);
}

/// Levels and the resulting calls: `N` near end, `E` end, `R` replaced; lower case when the call ends.
#[test]
fn the_habits_of_sensors_are_no_alarm() {
    let cases: [(&str, &[i64], &str); 11] = [
        ("shaken", &[14, 10, 14, 9, 15, 8, 2, 0, 3, 0, 2, 0], ".N.....E...."),
        ("shaken, then new", &[12, 9, 15, 8, 100, 99], ".N.. Rn."),
        ("some remaining between", &[12, 9, -3, 9, -2, -3, 8], ".N....."),
        ("steps of 10", &[30, 20, 10, 20, 10, 20, 10, 0, 10, 0], "..N....E.."),
        ("steps of 25", &[75, 50, 25, 0, 25, 0, 25, 0], "...E...."),
        ("steps of 25, new", &[75, 50, 25, 0, 100, 75], "...E Re."),
        ("gone for one look", &[80, 0, 80, 79], "...."),
        ("gone for good", &[80, 0, 0, 0], "..E."),
        ("a used one", &[9, 9, 40], "N. Rn"),
        ("an emptier one", &[9, 9, 25], "N.n"),
        ("new at once", &[50, 49, 98], "..R"),
    ];
    for (name, levels, expected) in cases {
        let letter = |call: &String| {
            let (letter, kind) = (call.chars().next().unwrap(), call.get(1..).unwrap());
            let kind = if kind.starts_with("supply_near") {
                'N'
            } else if kind.starts_with("supply_end") {
                'E'
            } else {
                'R'
            };
            if letter == '+' { kind } else { kind.to_ascii_lowercase() }
        };
        let looks: Vec<Look> = levels.iter().map(|l| level(*l)).collect();
        let told: String = play(&looks)
            .iter()
            .map(|calls| if calls.is_empty() { ".".to_owned() } else { calls.iter().map(letter).collect() })
            .collect();
        assert_eq!(told, expected.replace(' ', ""), "{name}");
    }
}

#[test]
fn a_replaced_supply_is_recognised_by_its_own_fields() {
    let described = |text: &str, level: i64| {
        let mut reading = reading(&Look { level: Some(level), ..Look::default() });
        reading.supplies[0].description = Some(text.to_owned());
        reading
    };
    for (before, after, replaced) in [
        (("Black S/N:CRUM-1111", 50), ("Black S/N:CRUM-2222", 40), true),
        (("Black Toner", 50), ("Black Toner TK-8", 60), true),
        (("Black Toner", 50), ("Toner noir", 50), false),
        (("Black Toner", 50), ("Black Toner", 60), false),
    ] {
        let mut state = CallState::default();
        see(&mut state, &described(before.0, before.1));
        let calls = see(&mut state, &described(after.0, after.1));
        assert_eq!(calls.iter().any(|c| c.call == CallKind::SupplyReplaced), replaced, "{after:?}");
    }
}

#[test]
fn a_service_code_is_as_the_vendors_profile_defines() {
    let profile = |pattern: &str| {
        let yaml = format!("vendor: x\nmatch: [{{model: x}}]\nservice_codes: ['{pattern}']\n");
        Profile::parse("x.yaml", &yaml).unwrap()
    };
    let konica = profile(r"\bC-[0-9A-F]{4}\b");
    let state = |profile, line| {
        let look = Look { console: vec![line], ..Look::default() };
        short(&CallState::default().on_reading(
            &RULES,
            profile,
            &device(),
            (&reading(&look), Coverage::WHOLE),
        ))
    };
    assert_eq!(state(Some(&konica), "Malfunction. C-2557"), ["+service_call:C-2557"]);
    assert!(state(Some(&konica), "Ready to copy").is_empty() && state(None, "C-2557").is_empty());
}

#[test]
fn rows_that_report_a_normal_state_open_no_call() {
    for text in [
        "Sleep",
        "Sleep mode",
        "Ready",
        "Ready to print.",
        "Idle...",
        "Energy Saver Mode",
        "Power saver mode on",
    ] {
        let rows = vec![alert("critical", "fieldService", 501, text), alert("warning", "untrained", 8, text)];
        let look = Look { alerts: rows, ..Look::default() };
        assert!(play(&[look.clone(), look]).iter().all(Vec::is_empty), "{text}");
    }
    let look =
        Look { alerts: vec![alert("critical", "fieldService", 1, "Not ready: fuser")], ..Look::default() };
    assert_eq!(play(&[look])[0].len(), 1);
}

#[test]
fn a_device_is_calm_when_no_look_is_waited_for() {
    let mut state = CallState::default();
    let mut look = |look: Look| {
        see(&mut state, &reading(&look));
        state.allows_change_check()
    };
    assert!(look(level(80)) && !look(level(0)) && look(level(0)), "an odd fall is looked at again");
    assert!(!look(Look { bits: vec!["jammed"], ..level(0) }) && look(level(0)));
    assert!(!look(Look { bits: vec!["serviceRequested"], ..level(0) }));
}

#[test]
fn a_falling_counter_is_a_call_and_power_on_is_none() {
    let total = |total| Look { total: Some(total), ..Look::default() };
    let played = play(&[total(100), total(101), bits(&[]), total(40), total(41)]);
    assert_eq!(played[3], ["+counter_regression:total fell from 101 to 40"]);
    assert!(played[4].is_empty());
    let mut state = CallState::default();
    for value in [9, 0] {
        let mut reading = reading(&bits(&[]));
        reading.counters.insert(Counter::PowerOn, value);
        assert!(see(&mut state, &reading).is_empty());
    }
}

#[test]
fn a_device_that_times_out_is_offline_once_until_it_responds() {
    let mut state = CallState::default();
    let mut silent = || short(&state.on_silence(&RULES, &device(), Timestamp::UNIX_EPOCH));
    assert!(silent().is_empty() && silent().is_empty());
    assert_eq!(silent(), ["+device_offline:no response to 3 consecutive reads"]);
    assert!(silent().is_empty());
    let json = serde_json::to_vec(&state).unwrap();
    let mut state: CallState = serde_json::from_slice(&json).unwrap();
    assert!(short(&state.on_silence(&RULES, &device(), Timestamp::UNIX_EPOCH)).is_empty());
    let back = short(&see(&mut state, &reading(&bits(&[]))));
    assert_eq!(back, ["-device_offline:responds again"]);
}

fn any_look() -> impl Strategy<Value = Option<Look>> {
    let bit = prop::sample::select(vec![
        "serviceRequested",
        "jammed",
        "doorOpen",
        "noToner",
        "lowToner",
        "lowPaper",
    ]);
    let look = (prop::collection::vec(bit, 0..3), -3_i64..=100, any::<bool>(), prop::option::of(0_u64..50))
        .prop_map(|(bits, level, has_level, total)| Look {
            bits,
            level: has_level.then_some(level),
            total,
            ..Look::default()
        });
    prop::option::weighted(0.8, look)
}

proptest! {
    #[test]
    fn nothing_is_raised_twice_or_cleared_unraised(looks in prop::collection::vec(any_look(), 1..60)) {
        let mut state = CallState::default();
        let mut open = std::collections::BTreeSet::new();
        for look in looks {
            let calls = match look {
                Some(look) => see(&mut state, &reading(&look)),
                None => state.on_silence(&RULES, &device(), Timestamp::UNIX_EPOCH),
            };
            for call in calls.into_iter().filter(|call| call.call.stays_open()) {
                let key = (call.call, call.subject);
                match call.edge {
                    Edge::Raised => prop_assert!(open.insert(key)),
                    Edge::Cleared => prop_assert!(open.remove(&key)),
                }
            }
            // A restart at any point changes nothing.
            state = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
            let remembered: std::collections::BTreeSet<_> =
                state.open.iter().map(|o| (o.call, o.subject.clone())).collect();
            prop_assert_eq!(&open, &remembered);
        }
    }
}

mod sequences;
