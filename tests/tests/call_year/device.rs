//! A device's actual state, and what it shows of it: coarse levels, no levels, error bits, alert rows in its
//! own language.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gateway_core::reading::{ChangeFingerprint, Coverage};
use jiff::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use wire::reading::{Alert, Counter, Evidence, Identity, Label, LevelState, Reading, Status, Supply};
use wire::report::CallKind;

/// A call and its subject.
pub(crate) type Key = (CallKind, String);

/// What a sensor shows of the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sensor {
    /// Whole percents.
    Exact,
    /// Steps of this many percent.
    Steps(f64),
    /// Whole percents, and -3 from 12 % down.
    Lost,
    /// Always -3 or -2.
    Silent(i64),
}

/// How a device indicates a supply near or at its end, other than by a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    Levels,
    Bits,
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fine,
    Near,
    End,
}

/// Toner or ink, or a waste box that fills.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    pub(crate) index: u32,
    color: &'static str,
    kind: &'static str,
    pub(crate) left: f64,
    pub(crate) sensor: Sensor,
    /// Whether it is replaced before it is near its end.
    early: bool,
    /// Whether it was near its end, or at it, and hasn't been replaced since.
    near: bool,
    end: bool,
    /// Whether it has shown a level.
    pub(crate) has_shown: bool,
    /// Whether a read was completed while its level was near its end, and at its end.
    seen: (bool, bool),
    /// The level of the last completed read.
    read: Option<f64>,
}

impl Stock {
    fn stage(&self) -> Stage {
        match self.left {
            left if left <= 0.0 => Stage::End,
            left if left <= 10.0 => Stage::Near,
            _ => Stage::Fine,
        }
    }

    pub(crate) fn is_waste(&self) -> bool {
        self.kind == "wasteToner"
    }

    pub(crate) fn shown(&self) -> Option<f64> {
        match self.sensor {
            _ if self.is_waste() => None,
            Sensor::Exact => Some(self.left.round()),
            Sensor::Steps(step) => Some((self.left / step).ceil() * step),
            Sensor::Lost => (self.left > 12.0).then(|| self.left.round()),
            Sensor::Silent(_) => None,
        }
    }

    /// Whether a replacement is needed.
    pub(crate) fn is_wanted(&self) -> bool {
        self.left <= if self.early { 30.0 } else { 10.0 }
    }

    /// A shaken cartridge shows a slightly higher level for some time.
    ///
    /// A condition that no completed read has covered is then unknown: the device was off, or its table was
    /// truncated.
    pub(crate) fn shake(&mut self) {
        if self.shown().is_some() {
            (self.near, self.end) = (self.near && self.seen.0, self.end && self.seen.1);
        }
        self.left = match (self.shown().is_some(), self.end) {
            (true, false) => (self.left + 7.0).min(17.0),
            (true, true) => 4.0,
            (false, _) => 5.0,
        };
    }

    pub(crate) fn is_early(&self) -> bool {
        self.early
    }

    #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
    fn row(&self) -> Supply {
        let shown = self.shown();
        let level =
            shown.map_or(if let Sensor::Silent(state) = self.sensor { state } else { -3 }, |p| p as i64);
        let class = if self.is_waste() { "receptacleThatIsFilled" } else { "supplyThatIsConsumed" };
        Supply {
            index: format!("1.{}", self.index),
            description: Some(format!("{}-{}", self.kind, self.index)),
            supply_type: Some(Label::name(self.kind)),
            class: Some(Label::name(class)),
            color: (!self.color.is_empty()).then(|| self.color.to_owned()),
            unit: None,
            level: Some(level),
            level_state: Some(match level {
                -3 => LevelState::SomeRemaining,
                -2 => LevelState::Unknown,
                _ => LevelState::Units,
            }),
            max: Some(100),
            percent: shown,
            private: None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) stock: Vec<Stock>,
    voice: Voice,
    language: usize,
    /// Whether sleep is a row of the alert table; otherwise it is the standby status.
    sleep_row: bool,
    pub(crate) on: bool,
    pub(crate) asleep: bool,
    pub(crate) warming: bool,
    pub(crate) trouble: Option<CallKind>,
    trouble_by_row: bool,
    pub(crate) pages: u64,
    /// The difference between the private count and the standard one, caused by misfeeds.
    misfeeds: u64,
    has_private: bool,
    all_events: i64,
    rows: BTreeSet<(i64, i64)>,
    /// Whether the last completed read showed an odd level.
    odd: bool,
}

const LANGUAGES: [[&str; 2]; 4] = [
    ["Sleep mode on", "Replace"],
    ["Bereitschafts-\nmodus ein", "Bitte ersetzen"],
    ["Mode économie d'énergie", "Remplacer"],
    ["スリープ中", "交換してください"],
];

impl Device {
    pub(crate) fn new(kind: usize, chance: &mut StdRng) -> Self {
        let step = [10.0, 20.0, 25.0][chance.random_range(0..3)];
        let silent = Sensor::Silent(if chance.random_bool(0.5) { -3 } else { -2 });
        let (colors, sensor, voice, ink) = match kind % 7 {
            0 => (4, Sensor::Exact, Voice::Levels, false),
            1 => (4, Sensor::Steps(step), Voice::Levels, false),
            2 => (1, silent, Voice::Bits, false),
            3 => (4, silent, Voice::Bits, true),
            4 => (4, silent, Voice::Rows, false),
            5 => (4, Sensor::Lost, Voice::Bits, false),
            _ => (1, Sensor::Exact, Voice::Bits, false),
        };
        let lost = sensor == Sensor::Lost;
        let mut stock: Vec<Stock> = ["black", "cyan", "magenta", "yellow"]
            .into_iter()
            .zip(1..)
            .take(colors)
            .map(|(color, index)| Stock {
                index,
                color,
                kind: if ink { "inkCartridge" } else { "toner" },
                left: chance.random_range(40..100).into(),
                // If one supply loses its level, the others never get that low.
                sensor: if lost && index != 2 { Sensor::Exact } else { sensor },
                early: lost && index != 2,
                near: false,
                end: false,
                has_shown: false,
                seen: (false, false),
                read: None,
            })
            .collect();
        let waste = Stock { index: 5, color: "", kind: "wasteToner", early: false, ..stock[0].clone() };
        stock.extend((!ink).then_some(waste));
        Self {
            stock,
            voice,
            language: chance.random_range(0..LANGUAGES.len()),
            sleep_row: chance.random_bool(0.7),
            on: true,
            asleep: false,
            warming: false,
            trouble: None,
            trouble_by_row: chance.random_bool(0.5),
            pages: chance.random_range(1_000..100_000),
            misfeeds: chance.random_range(1..40),
            has_private: chance.random_bool(0.5),
            all_events: 0,
            rows: BTreeSet::new(),
            odd: false,
        }
    }

    /// After a change: updates conditions that last until a supply is replaced, and the rows.
    pub(crate) fn settle(&mut self) {
        for own in &mut self.stock {
            let (near, end) = match own.shown() {
                Some(shown) => (own.near || (shown <= 10.0 && shown > 0.0), own.end || shown <= 0.0),
                // Without a level, the device's own indication counts.
                None => match own.stage() {
                    Stage::Fine => (false, false),
                    Stage::Near => (true, false),
                    Stage::End => (own.near, true),
                },
            };
            (own.near, own.end) = (near, end);
            own.has_shown |= own.shown().is_some();
        }
        let mut rows = BTreeSet::new();
        for own in &self.stock {
            let (near, end) = if own.is_waste() { (1107, 1109) } else { (1104, 1101) };
            if own.is_waste() || self.voice == Voice::Rows {
                match own.stage() {
                    Stage::Fine => {}
                    Stage::Near => drop(rows.insert((near, own.index.into()))),
                    Stage::End => drop(rows.insert((end, own.index.into()))),
                }
            }
        }
        match self.trouble.filter(|_| self.trouble_by_row) {
            Some(CallKind::Jam) => drop(rows.insert((8, 0))),
            Some(CallKind::CoverOpen) => drop(rows.insert((501, 0))),
            Some(_) | None => {}
        }
        if self.asleep && self.sleep_row {
            rows.insert((23, -1));
        }
        self.all_events += i64::try_from(rows.difference(&self.rows).count()).unwrap_or(0);
        self.rows = rows;
    }

    /// Replaces a supply.
    pub(crate) fn replace(&mut self, at: usize, sensor: Sensor) {
        let own = &mut self.stock[at];
        (own.left, own.near, own.end, own.sensor) = (100.0, false, false, sensor);
        own.seen = (false, false);
    }

    /// A read was completed with the whole table of supplies; levels of a device that is warming up don't
    /// count.
    pub(crate) fn was_seen(&mut self) {
        for own in self.stock.iter_mut().filter(|own| !self.warming && own.shown().is_some()) {
            own.seen = (own.seen.0 || own.near, own.seen.1 || own.end);
            own.read = own.shown();
        }
    }

    /// Shows one well filled supply as empty in this read only, without a matching alert row or bit.
    fn one_odd_level(&mut self, supplies: &mut [Supply], chance: &mut StdRng) {
        if self.warming {
            return;
        }
        let full = |level: Option<f64>| level.is_some_and(|level| level > 60.0);
        let at = chance.random_range(0..self.stock.len());
        let own = &self.stock[at];
        let is_odd = !self.odd
            && own.sensor == Sensor::Exact
            && full(own.read)
            && full(own.shown())
            && self.rows.is_empty()
            && self.bits() == (false, false)
            && chance.random_bool(0.01);
        if is_odd {
            (supplies[at].level, supplies[at].percent) = (Some(0), Some(0.0));
        }
        self.odd = is_odd;
    }

    /// The calls that must be open.
    pub(crate) fn truth(&self, before: &BTreeSet<Key>) -> BTreeSet<Key> {
        let mut wanted: BTreeSet<Key> = self.trouble.into_iter().map(|kind| (kind, String::new())).collect();
        let silent = self.stock.iter().filter(|own| !own.is_waste() && own.shown().is_none()).count();
        for own in &self.stock {
            // Several without a level, and only bits: the supply can't be identified.
            if own.is_waste() || self.voice == Voice::Rows || own.shown().is_some() || silent == 1 {
                let subject = format!("1.{}", own.index);
                wanted.extend(own.near.then(|| (CallKind::SupplyNearEnd, subject.clone())));
                wanted.extend(own.end.then_some((CallKind::SupplyEnd, subject)));
            }
        }
        if self.voice == Voice::Bits && silent > 1 {
            let (low, no) = self.bits();
            let (near, end) =
                ((CallKind::SupplyNearEnd, String::new()), (CallKind::SupplyEnd, String::new()));
            // The end implies near end, which isn't over before the end is.
            let holds = if no { before.contains(&near) } else { low };
            wanted.extend(holds.then_some(near));
            wanted.extend(no.then_some(end));
        }
        wanted
    }

    fn bits(&self) -> (bool, bool) {
        let any = |stage| self.stock.iter().any(|own| !own.is_waste() && own.stage() == stage);
        (self.voice == Voice::Bits && any(Stage::Near), self.voice == Voice::Bits && any(Stage::End))
    }

    fn printer(&self) -> &'static str {
        match () {
            () if self.warming => "warmup",
            () if self.asleep && !self.sleep_row => "other",
            () => "idle",
        }
    }

    fn errors(&self) -> Vec<Cow<'static, str>> {
        let (low, no) = if self.warming { (false, false) } else { self.bits() };
        let trouble = self.trouble.filter(|kind| !self.trouble_by_row || *kind == CallKind::ServiceCall);
        let bits = [
            (low, "lowToner"),
            (no, "noToner"),
            (trouble == Some(CallKind::CoverOpen), "doorOpen"),
            (trouble == Some(CallKind::Jam), "jammed"),
            (trouble == Some(CallKind::ServiceCall), "serviceRequested"),
        ];
        bits.into_iter().filter(|(set, _)| *set).map(|(_, bit)| bit.into()).collect()
    }

    /// What a change check reads.
    pub(crate) fn fingerprint(&self) -> ChangeFingerprint {
        let bits: i64 = self.errors().iter().map(|bit| i64::try_from(bit.len()).unwrap_or(0)).sum();
        let printer = i64::try_from(self.printer().len()).unwrap_or(0);
        let pages = i64::try_from(self.pages).unwrap_or(0);
        ChangeFingerprint::of_numbers(&[printer, bits, self.all_events, pages])
    }

    /// What a read returns. A table may be lost or truncated, and a level wrong once.
    pub(crate) fn reading(&mut self, whole: bool, chance: &mut StdRng) -> (Reading, Coverage) {
        let mut coverage = Coverage::WHOLE;
        let language = LANGUAGES[self.language];
        let row = |&(code, index): &(i64, i64)| Alert {
            index: format!("1.{}", self.all_events),
            severity: Some(Label::name(if code == 23 { "other" } else { "critical" })),
            training: Some(Label::name("untrained")),
            group: Some(if code > 1_000 { 11 } else { 5 }),
            group_name: None,
            group_index: Some(index),
            location: None,
            code: Some(code),
            code_name: None,
            description: Some(language[usize::from(code != 23)].to_owned()),
        };
        let mut alerts: Vec<Alert> =
            if self.warming { Vec::new() } else { self.rows.iter().map(row).collect() };
        let mut supplies: Vec<Supply> = self.stock.iter().map(Stock::row).collect();
        let mut detected_errors = self.errors();
        match chance.random_range(0..200) {
            0 | 1 => (alerts, coverage.alerts) = (Vec::new(), false),
            2 | 3 => (supplies, coverage.supplies) = (Vec::new(), false),
            4 => {
                coverage.supplies = false;
                supplies.truncate(1);
            }
            5 => (detected_errors, coverage.errors) = (Vec::new(), false),
            _ => {}
        }
        if coverage.supplies {
            self.one_odd_level(&mut supplies, chance);
        }
        let mut counters = BTreeMap::new();
        let mut evidence = BTreeMap::new();
        if whole {
            let private = self.has_private && chance.random_bool(0.95);
            let value = if private { self.pages } else { self.pages + self.misfeeds };
            let oid = if private { "1.3.6.1.4.1.1" } else { "1.3.6.1.2.1.43.10.2.1.4.1.1" }.to_owned();
            counters.insert(Counter::Total, value);
            evidence.insert(Counter::Total, Evidence { oid, value });
        }
        let reading = Reading {
            address: "192.0.2.1".into(),
            read_at: Timestamp::UNIX_EPOCH,
            took_ms: 1,
            requests: 1,
            identity: Identity::default(),
            status: Status {
                device: Some(Label::name("running")),
                printer: Some(Label::name(self.printer())),
                detected_errors,
                console: Vec::new(),
            },
            counters,
            counter_unit: None,
            evidence,
            marker_life: None,
            supplies,
            trays: Vec::new(),
            covers: Vec::new(),
            alerts,
        };
        (reading, coverage)
    }
}
