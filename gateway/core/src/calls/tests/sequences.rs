//! Sequences of readings, and the edges of the resulting calls: `+near 1.1`, `-end 1.5`, `new 1.1`.

use super::*;

/// A supply in short form: row, type, colour, description, percentage or state; `W` for a receptacle.
#[derive(Debug, Clone, Copy)]
struct Row(u32, &'static str, &'static str, &'static str, i64);

const CYAN: Row = Row(1, "toner", "cyan", "Cyanpatron", 60);
const GULE: Row = Row(3, "toner", "yellow", "Gul patron", 60);
const BLACK: Row = Row(4, "toner", "black", "Svart patron", 60);
const DRUM: Row = Row(6, "opc", "", "Bildutrustn.", 54);
const WASTE: Row = Row(5, "wasteToner", "", "Waste box", 0);

impl Row {
    const fn at(self, level: i64) -> Self {
        Self(self.0, self.1, self.2, self.3, level)
    }

    fn supply(self) -> Supply {
        let Self(row, kind, color, description, level) = self;
        let waste = kind.starts_with("waste");
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let class = if waste { "receptacleThatIsFilled" } else { "supplyThatIsConsumed" };
        Supply {
            index: format!("1.{row}"),
            description: text(description),
            supply_type: Some(Label::name(kind)),
            class: Some(Label::name(class)),
            color: text(color),
            unit: None,
            level: Some(level),
            level_state: Some(match level {
                -3 => LevelState::SomeRemaining,
                -2 => LevelState::Unknown,
                _ => LevelState::Units,
            }),
            max: Some(100),
            percent: (level >= 0).then(|| f64::from(i32::try_from(level).unwrap())),
            private: None,
        }
    }
}

/// A reading: bits, supplies, rows of the alert table as `(code, group index)`, and the coverage.
#[derive(Debug, Clone)]
struct See {
    bits: &'static [&'static str],
    rows: Vec<Row>,
    alerts: Vec<(i64, i64)>,
    printer: &'static str,
    coverage: Coverage,
}

fn see_rows(rows: &[Row]) -> See {
    See { bits: &[], rows: rows.to_vec(), alerts: vec![], printer: "idle", coverage: Coverage::WHOLE }
}

impl See {
    fn bits(self, bits: &'static [&'static str]) -> Self {
        Self { bits, ..self }
    }

    fn alert(self, code: i64, index: i64) -> Self {
        Self { alerts: vec![(code, index)], ..self }
    }

    fn reading(&self) -> Reading {
        let mut reading =
            reading(&Look { bits: self.bits.to_vec(), printer: self.printer, ..Look::default() });
        reading.supplies = self.rows.iter().map(|row| row.supply()).collect();
        let row = |(code, index): &(i64, i64)| {
            let mut row = alert("critical", "untrained", *code, "Meldung");
            row.group_index = Some(*index);
            row
        };
        reading.alerts = self.alerts.iter().map(row).collect();
        reading
    }
}

const LOW: &[&str] = &["lowToner"];
const NO: &[&str] = &["noToner"];
const BOTH: &[&str] = &["lowToner", "noToner"];

fn edges(calls: &[Call]) -> String {
    let edge = |call: &Call| {
        let kind = call.call.name().trim_start_matches("supply_").trim_end_matches("_end");
        if call.call == CallKind::SupplyReplaced {
            return format!("new {}", call.subject);
        }
        let sign = if call.edge == Edge::Raised { '+' } else { '-' };
        format!("{sign}{kind} {}", call.subject).trim_end().to_owned()
    };
    let mut edges: Vec<String> = calls.iter().map(edge).collect();
    edges.sort();
    edges.join(", ")
}

/// Processes the readings and compares the edges. The state is stored and loaded between readings.
fn plays(name: &str, looks: &[(See, &str)]) -> Vec<Call> {
    let mut state = CallState::default();
    let mut all = Vec::new();
    for (at, (look, expected)) in looks.iter().enumerate() {
        let calls = state.on_reading(&RULES, None, &device(), (&look.reading(), look.coverage));
        let mut expected: Vec<&str> = expected.split(", ").collect();
        expected.sort_unstable();
        assert_eq!(edges(&calls), expected.join(", "), "{name}, look {}: {look:?}", at + 1);
        all.extend(calls);
        state = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
    }
    all
}

#[test]
fn a_bit_counts_beside_levels_and_is_about_the_one_that_shows_none() {
    let rows = |cyan| see_rows(&[CYAN.at(cyan), GULE, BLACK, WASTE, DRUM]);
    let calls = plays(
        "one of three",
        &[
            (rows(30), ""),
            (rows(-3).bits(LOW), "+near 1.1"),
            (rows(-3).bits(LOW), ""),
            (rows(-3).bits(NO), "+end 1.1"),
            (rows(-3).bits(BOTH), ""),
            (rows(100), "new 1.1, -end 1.1, -near 1.1"),
        ],
    );
    assert_eq!(calls[0].detail, "Cyanpatron is low");
    assert_eq!(calls[1].detail, "Cyanpatron is empty");
    plays(
        "one level is not a sensor in steps",
        &[(rows(30), ""), (rows(-3).bits(LOW), "+near 1.1"), (rows(30), "-near 1.1"), (rows(30), "")],
    );
    let yellow = |level| see_rows(&[CYAN, GULE.at(level), BLACK, DRUM]);
    let calls = plays("the colour is named", &[(yellow(-2).bits(LOW), "+near 1.3")]);
    assert_eq!(calls[0].detail, "Gul patron (yellow toner) is low");
}

#[test]
fn bits_and_levels_disagree() {
    let all = |cyan, black| see_rows(&[CYAN.at(cyan), BLACK.at(black), DRUM]);
    let cases: [(&str, &[(See, &str)]); 12] = [
        ("all show a level", &[(all(40, 50).bits(LOW), ""), (all(40, 50).bits(NO), "")]),
        ("nobody knows which", &[(all(-3, -3).bits(LOW), "+near"), (all(-3, -3).bits(NO), "+end")]),
        ("a level explains it", &[(all(-3, 8).bits(LOW), "+near 1.4"), (all(-3, 7).bits(LOW), "")]),
        (
            "nothing else changed with it",
            &[(all(-3, 8), "+near 1.4"), (all(-3, 8).bits(LOW), "+near 1.1"), (all(-3, 8).bits(LOW), "")],
        ),
        ("its level went", &[(all(30, 8).bits(LOW), "+near 1.4"), (all(-3, 8).bits(LOW), "+near 1.1")]),
        (
            "another one follows",
            &[
                (all(-3, 50).bits(LOW), "+near 1.1"),
                (all(-3, 9).bits(LOW), "+near 1.4"),
                (all(-3, 100).bits(LOW), "new 1.4, -near 1.4"),
            ],
        ),
        (
            "at its end at 5 %",
            &[
                (all(40, 5), "+near 1.4"),
                (all(40, 5).bits(NO), "+end 1.4"),
                (all(40, 98), "new 1.4, -end 1.4, -near 1.4"),
            ],
        ),
        (
            "two near, one bit",
            &[(all(9, 6).bits(LOW), "+near 1.1, +near 1.4"), (all(9, 6).bits(NO), "+end 1.4")],
        ),
        (
            "two near, one level",
            &[
                (all(9, -3), "+near 1.1"),
                (all(9, -3).bits(LOW), "+near 1.4"),
                (all(9, -3).bits(NO), "+end 1.4"),
            ],
        ),
        (
            "which was near is at its end",
            &[(all(-3, 50).bits(LOW), "+near 1.1"), (all(-3, -3).bits(NO), "+end 1.1")],
        ),
        (
            "a level comes back",
            &[
                (all(-3, 50).bits(LOW), "+near 1.1"),
                (all(12, 50).bits(LOW), ""),
                (all(60, 50), "new 1.1, -near 1.1"),
            ],
        ),
        (
            "its level goes and comes",
            &[
                (all(9, 50), "+near 1.1"),
                (all(-3, 50), ""),
                (all(-3, 50), ""),
                (all(-2, 50), ""),
                (all(-3, 50), ""),
                (all(8, 50), ""),
                (all(90, 50), "new 1.1, -near 1.1"),
            ],
        ),
    ];
    for (name, looks) in cases {
        plays(name, looks);
    }
}

#[test]
fn what_is_near_its_end_is_over_with_the_end_and_not_before() {
    let ink = |black| {
        see_rows(&[
            Row(1, "inkCartridge", "black", "Black Ink", black),
            Row(2, "ink", "cyan", "Cyan Ink", -3),
        ])
    };
    let calls = plays(
        "ink by bits",
        &[
            (ink(-3), ""),
            (ink(-3).bits(LOW), "+near"),
            (ink(-3).bits(NO), "+end"),
            (ink(-3).bits(NO), ""),
            // Shaken: the device says so itself.
            (ink(-3).bits(LOW), ""),
            (ink(-3).bits(LOW), "-end"),
            (ink(-3), ""),
            (ink(-3), "-near"),
        ],
    );
    let details: Vec<_> = calls.iter().map(|call| call.detail.as_str()).collect();
    assert_eq!(details, ["ink is low", "no ink", "no ink", "ink is low"]);
    let rows = || see_rows(&[CYAN.at(-3), BLACK.at(-3), WASTE]);
    plays(
        "toner by rows",
        &[
            (rows().alert(1104, 1), "+near 1.1"),
            (rows().alert(1101, 1), "+end 1.1"),
            (rows(), ""),
            (rows(), "-end 1.1, -near 1.1"),
        ],
    );
    plays(
        "near by a row, the end by a bit",
        &[
            (rows().alert(1104, 1), "+near 1.1"),
            (rows().bits(NO), "+end 1.1"),
            (rows(), ""),
            (rows(), "-end 1.1, -near 1.1"),
        ],
    );
    plays(
        "two near, one of them ends",
        &[
            (See { alerts: vec![(1104, 1), (1104, 4)], ..rows() }, "+near 1.1, +near 1.4"),
            (rows().bits(NO), "+end"),
            (rows().bits(NO), ""),
            (rows().alert(1104, 4), ""),
            (rows().alert(1104, 4), "-near 1.1, -end"),
            (rows(), ""),
            (rows(), "-near 1.4"),
        ],
    );
    let level = |level| see_rows(&[BLACK.at(level), DRUM]);
    plays(
        "by levels, shaken",
        &[
            (level(9), "+near 1.4"),
            (level(0), "+end 1.4"),
            (level(4), ""),
            (level(9), "-end 1.4"),
            (level(0), "+end 1.4"),
            (level(95), "new 1.4, -end 1.4, -near 1.4"),
        ],
    );
}

#[test]
fn near_end_is_not_over_when_the_end_comes_with_a_table_that_is_cut() {
    let whole = || see_rows(&[BLACK.at(-3), WASTE.at(-3)]);
    let cut =
        || See { coverage: Coverage { supplies: false, ..Coverage::WHOLE }, ..see_rows(&[BLACK.at(-3)]) };
    plays(
        "one toner without a level",
        &[
            (whole().bits(LOW), "+near 1.4"),
            (cut().bits(NO), ""),
            (cut().bits(NO), ""),
            (cut().bits(NO), ""),
            (whole().bits(NO), "+end 1.4"),
            (whole(), ""),
            (whole(), "-end 1.4, -near 1.4"),
        ],
    );
}

#[test]
fn a_call_by_a_row_ends_when_the_row_is_gone_from_a_table_that_was_read() {
    let rows = |waste| see_rows(&[CYAN.at(100), BLACK.at(100), WASTE.at(waste)]);
    let unread = Coverage { alerts: false, ..Coverage::WHOLE };
    plays(
        "a waste box",
        &[
            (rows(0), ""),
            (rows(100).alert(1109, 5), "+end 1.5"),
            (See { coverage: unread, ..rows(100) }, ""),
            (See { coverage: unread, ..rows(100) }, ""),
            (See { coverage: Coverage::NOTHING, rows: vec![], ..rows(100) }, ""),
            (rows(0), ""),
            (rows(0), "-end 1.5"),
            (rows(0), ""),
        ],
    );
    plays(
        "back at once",
        &[
            (rows(9).alert(1107, 5), "+near 1.5"),
            (rows(9), ""),
            (rows(9).alert(1107, 5), ""),
            (rows(9), ""),
            (rows(9), "-near 1.5"),
        ],
    );
    plays(
        "an index that is not a supply's",
        &[(rows(0).alert(1109, -1), "+end 1.5"), (rows(0), ""), (rows(0), "-end 1.5")],
    );
    plays("an index of another", &[(rows(0).alert(1109, 1), "+end 1.5")]);
    plays("nobody knows which", &[(rows(0).alert(1101, 9), "+end"), (rows(0), ""), (rows(0), "-end")]);
    plays(
        "codes of any subunit",
        &[
            (rows(0).alert(15, 5), "+end 1.5"),
            (rows(0).alert(14, 5), "+near 1.5"),
            (rows(0).alert(14, 5), "-end 1.5"),
        ],
    );
}

#[test]
fn a_call_by_a_row_or_a_bit_ends_where_no_level_can_be_read() {
    let silent = |alerts| See { alerts, ..see_rows(&[BLACK.at(-3), DRUM]) };
    plays(
        "a toner without a level",
        &[
            (silent(vec![(1101, 4)]), "+end 1.4"),
            (silent(vec![(1104, 4)]), "+near 1.4"),
            (silent(vec![(1104, 4)]), "-end 1.4"),
            (silent(vec![]), ""),
            (silent(vec![]), "-near 1.4"),
        ],
    );
    let warm = See { printer: "warmup", ..silent(vec![]) };
    plays(
        "warming up",
        &[
            (silent(vec![(1104, 4)]), "+near 1.4"),
            (warm.clone(), ""),
            (warm.clone(), ""),
            (warm, ""),
            (silent(vec![]), ""),
            (silent(vec![]), "-near 1.4"),
        ],
    );
    let both = |level, bits| See { bits, ..see_rows(&[BLACK.at(level), DRUM]) };
    plays(
        "the bit comes after the level",
        &[
            (both(9, &[]), "+near 1.4"),
            (both(8, LOW), ""),
            (both(-2, LOW), ""),
            (both(-2, &[]), ""),
            (both(-2, &[]), ""),
            (both(-2, &[]), "-near 1.4"),
        ],
    );
    plays(
        "replaced by one without a chip",
        &[
            (both(9, LOW), "+near 1.4"),
            (both(-2, LOW), ""),
            (both(-2, &[]), ""),
            (both(-2, &[]), ""),
            (both(-2, &[]), "-near 1.4"),
        ],
    );
}

#[test]
fn a_jam_by_a_row_stays_while_the_table_is_not_read() {
    let row = see_rows(&[]).alert(8, 1);
    let unread = See { coverage: Coverage { alerts: false, ..Coverage::WHOLE }, ..see_rows(&[]) };
    plays(
        "a jam",
        &[(row.clone(), ""), (row, "+jam"), (unread.clone(), ""), (unread, ""), (see_rows(&[]), "-jam")],
    );
}

#[test]
fn another_serial_number_is_another_supply_without_a_level() {
    let row = |text, level| see_rows(&[Row(4, "toner", "black", text, level)]);
    plays(
        "a chip without a level",
        &[
            (row("Black S/N:AAAA1", 8), "+near 1.4"),
            (row("Black S/N:AAAA1", -2), ""),
            (row("Black S/N:BBBB2", -2), "new 1.4, -near 1.4"),
            (row("Black S/N:BBBB2", -2), ""),
        ],
    );
}

#[test]
fn a_state_of_an_earlier_version_goes_on() {
    let stored = r#"{"open":[
        {"call":"supply_end","subject":"1.5","detail":"Waste box","since":"2026-01-01T00:00:00Z"},
        {"call":"supply_near_end","subject":"","detail":"toner is low","since":"2026-01-01T00:00:00Z"},
        {"call":"supply_near_end","subject":"1.1","detail":"Cyan 9 %","since":"2026-01-01T00:00:00Z"},
        {"call":"jam","subject":"","detail":"jam","since":"2026-01-01T00:00:00Z"}],
        "settling":[],"missed":0,"supplies":{"1.1":{"percent":9.0,"max":100,"serial":null}},"counters":{"total":7}}"#;
    let mut state: CallState = serde_json::from_str(stored).unwrap();
    assert_eq!(state.open.len(), 4);
    let look = see_rows(&[CYAN.at(-3), BLACK.at(-3), WASTE]);
    let mut seen = || edges(&state.on_reading(&RULES, None, &device(), (&look.reading(), look.coverage)));
    assert_eq!(seen(), "-jam");
    assert_eq!(seen(), "-end 1.5, -near");
    assert_eq!(seen(), "", "a level that isn't shown says nothing");
}

#[test]
fn a_counter_is_compared_within_its_source_only() {
    let total = |source: &str, value| {
        let mut reading = reading(&Look { total: Some(value), ..Look::default() });
        let evidence = wire::reading::Evidence { oid: source.to_owned(), value };
        reading.evidence.insert(Counter::Total, evidence);
        reading
    };
    let mut state = CallState::default();
    for (source, value, expected) in [
        ("1.3.6.1.4.1.1347", 51_719, ""),
        ("1.3.6.1.2.1.43", 51_731, ""),
        ("1.3.6.1.4.1.1347", 51_720, ""),
        ("1.3.6.1.2.1.43", 51_733, ""),
        ("1.3.6.1.4.1.1347", 51_710, "total fell from 51720 to 51710"),
        // A swapped board makes both fall, and is reported once.
        ("1.3.6.1.2.1.43", 51_722, ""),
        ("1.3.6.1.4.1.1347", 51_711, ""),
        ("1.3.6.1.2.1.43", 51_721, "total fell from 51722 to 51721"),
    ] {
        let calls = see(&mut state, &total(source, value));
        let details: Vec<_> = calls.iter().map(|call| call.detail.as_str()).collect();
        assert_eq!(details.join(", "), expected, "{source} {value}");
        state = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
    }
}

#[test]
fn rows_that_report_an_idle_device_open_no_call_in_any_language() {
    for code in [23, 24, 507, 502] {
        let row = alert("critical", "fieldService", code, "Bereitschafts-\nmodus ein");
        let look = Look { alerts: vec![row], ..Look::default() };
        assert!(play(&[look.clone(), look]).iter().all(Vec::is_empty), "{code}");
    }
}
