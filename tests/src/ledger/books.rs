//! The comparison of what devices did with what was acknowledged, what the server stored and what would be billed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The history that is known without the server.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Each device by its id.
    pub devices: BTreeMap<String, DeviceTruth>,
    /// Each gateway's lanes, as recorded by the gateway itself.
    pub lanes: BTreeMap<(String, String), LaneTruth>,
    /// Commands that the server accepted from an operator, with their gateway.
    pub commands: BTreeMap<String, String>,
}

/// A device's actual history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceTruth {
    /// Its gateway.
    pub gateway: String,
    /// Its total counter before anything was printed.
    pub(crate) first_total: u64,
    /// Pages printed since.
    pub printed: u64,
    /// Service calls that it raised.
    pub service_calls: usize,
}

/// The state of a lane according to its gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneTruth {
    /// Last sequence number made.
    pub made: u64,
    /// Last sequence number acknowledged.
    pub acknowledged: u64,
}

/// The contents of the server's database.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Reports that were accepted.
    pub reports: Vec<StoredReport>,
    /// Reports in quarantine: gateway, lane, sequence number.
    pub quarantined: Vec<(String, String, u64)>,
    /// Total counters: device, time of the reading, value.
    pub totals: Vec<(String, i64, u64)>,
    /// Calls.
    pub calls: Vec<StoredCall>,
    /// Acknowledged sequence number of each gateway's lane.
    pub lanes: BTreeMap<(String, String), u64>,
    /// Meter requests: command, gateway, state.
    pub(crate) meter_requests: Vec<(String, String, String)>,
}

/// A report in the server's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// Gateway.
    pub gateway: String,
    /// Lane.
    pub lane: String,
    /// Sequence number.
    pub seq: u64,
    /// Kind.
    pub kind: String,
    /// Device, if the report is about one.
    pub device: Option<String>,
    /// The command that caused it.
    pub command: Option<String>,
    /// Time of the reading, for meters.
    pub read_at: Option<String>,
}

/// A call in the server's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCall {
    /// Device.
    pub device: String,
    /// Kind.
    pub kind: String,
    /// Whether it is open.
    pub open: bool,
}

/// A difference between the two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discrepancy {
    /// The server doesn't have something that happened.
    Missing(String),
    /// The server has something more than once that happened once.
    Double(String),
    /// The server's value differs from what happened.
    Wrong(String),
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "missing: {what}"),
            Self::Double(what) => write!(f, "double: {what}"),
            Self::Wrong(what) => write!(f, "wrong: {what}"),
        }
    }
}

/// Pages that would be billed for a device: its newest total minus its first.
#[must_use]
pub fn billed(stored: &Stored, device: &str) -> Option<u64> {
    let own = stored.totals.iter().filter(|(of, ..)| of == device);
    let (first, last) = own.fold((None, None), |(first, last): (Option<(i64, u64)>, _), &(_, at, value)| {
        let earlier = first.is_none_or(|(before, _)| at < before);
        let later = last.is_none_or(|(before, _): (i64, u64)| at >= before);
        (if earlier { Some((at, value)) } else { first }, if later { Some((at, value)) } else { last })
    });
    Some(last?.1.saturating_sub(first?.1))
}

/// All differences; empty if both sides agree.
#[must_use]
pub fn compare(truth: &Truth, stored: &Stored) -> Vec<Discrepancy> {
    let mut found = lanes(truth, stored);
    found.extend(pages(truth, stored));
    found.extend(calls(truth, stored));
    found.extend(meters(stored));
    found.extend(commands(truth, stored));
    for report in stored.reports.iter().filter(|report| report.kind == "loss") {
        let StoredReport { gateway, lane, seq, .. } = report;
        found.push(Discrepancy::Missing(format!("{gateway} {lane} {seq}: the gateway reports a loss")));
    }
    for (gateway, lane, seq) in &stored.quarantined {
        found.push(Discrepancy::Missing(format!("{gateway} {lane} {seq}: it was quarantined")));
    }
    found
}

/// Every sequence number from 1 to the gateway's last is stored exactly once.
fn lanes(truth: &Truth, stored: &Stored) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    let mut numbers: BTreeMap<(String, String), BTreeMap<u64, u32>> = BTreeMap::new();
    let reports = stored.reports.iter().map(|r| (r.gateway.clone(), r.lane.clone(), r.seq));
    for (gateway, lane, seq) in reports.chain(stored.quarantined.iter().cloned()) {
        *numbers.entry((gateway, lane)).or_default().entry(seq).or_default() += 1;
    }
    for (place, lane) in &truth.lanes {
        let (gateway, name) = place;
        let told = stored.lanes.get(place).copied().unwrap_or(0);
        if lane.acknowledged != told || lane.made != told {
            found.push(Discrepancy::Missing(format!(
                "{gateway} {name}: {} made and {} acknowledged there, {told} acknowledged here",
                lane.made, lane.acknowledged
            )));
        }
        let own = numbers.remove(place).unwrap_or_default();
        for seq in (1..=lane.made).filter(|seq| !own.contains_key(seq)) {
            found.push(Discrepancy::Missing(format!("{gateway} {name} {seq}")));
        }
        for (seq, times) in own {
            if times > 1 {
                found.push(Discrepancy::Double(format!("{gateway} {name} {seq}: {times} times")));
            } else if seq > lane.made {
                found.push(Discrepancy::Wrong(format!("{gateway} {name} {seq}: nobody made it")));
            }
        }
    }
    for ((gateway, lane), own) in numbers {
        found.push(Discrepancy::Wrong(format!("{gateway} {lane}: {} reports of nobody", own.len())));
    }
    found
}

/// The pages billed equal the pages printed.
fn pages(truth: &Truth, stored: &Stored) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    for (device, own) in &truth.devices {
        let Some(billed) = billed(stored, device) else {
            found.push(Discrepancy::Missing(format!("{device}: no meters at all")));
            continue;
        };
        let printed = own.printed;
        match billed.cmp(&printed) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                found.push(Discrepancy::Missing(format!(
                    "{device}: {printed} pages printed, {billed} billed"
                )));
            }
            std::cmp::Ordering::Greater => {
                found
                    .push(Discrepancy::Double(format!("{device}: {printed} pages printed, {billed} billed")));
            }
        }
        let (lowest, highest) = (own.first_total, own.first_total + printed);
        for (_, at, value) in stored.totals.iter().filter(|(of, ..)| of == device) {
            if !(lowest..=highest).contains(value) {
                found.push(Discrepancy::Wrong(format!(
                    "{device}: total {value} at {at}, it was from {lowest} to {highest}"
                )));
            }
        }
    }
    found
}

/// Each service call is stored once, and the kills caused no call of another kind.
fn calls(truth: &Truth, stored: &Stored) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    for (device, own) in &truth.devices {
        let calls: Vec<_> = stored.calls.iter().filter(|call| call.device == *device).collect();
        let had = calls.iter().filter(|call| call.kind == "service_call").count();
        let wanted = own.service_calls;
        match had.cmp(&wanted) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                found.push(Discrepancy::Missing(format!("{device}: {wanted} service calls, {had} stored")));
            }
            std::cmp::Ordering::Greater => {
                found.push(Discrepancy::Double(format!("{device}: {wanted} service calls, {had} stored")));
            }
        }
        for call in calls {
            if call.open {
                found.push(Discrepancy::Missing(format!("{device}: the end of its {}", call.kind)));
            }
            if call.kind == "counter_regression" {
                found.push(Discrepancy::Wrong(format!("{device}: a counter fell, which none did")));
            }
        }
    }
    found
}

/// The same reading for the same reason is stored once.
fn meters(stored: &Stored) -> Vec<Discrepancy> {
    let mut seen = BTreeSet::new();
    let sets = stored.reports.iter().filter(|report| report.kind == "counter_set");
    sets.filter(|set| !seen.insert((&set.device, &set.read_at, &set.command)))
        .map(|set| {
            let device = set.device.as_deref().unwrap_or_default();
            let at = set.read_at.as_deref().unwrap_or_default();
            Discrepancy::Double(format!("{device}: the meters of {at} as {} {} too", set.lane, set.seq))
        })
        .collect()
}

/// Each command was carried out once: one set of meters per device of its gateway.
fn commands(truth: &Truth, stored: &Stored) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    let known: BTreeSet<&String> = stored.meter_requests.iter().map(|(command, ..)| command).collect();
    for command in truth.commands.keys().filter(|command| !known.contains(command)) {
        found.push(Discrepancy::Missing(format!("command {command}, which the server took")));
    }
    for (command, gateway, state) in &stored.meter_requests {
        if state != "done" {
            found.push(Discrepancy::Missing(format!("command {command} for {gateway} is {state}")));
            continue;
        }
        for (device, _) in truth.devices.iter().filter(|(_, own)| own.gateway == *gateway) {
            let answers = stored.reports.iter().filter(|report| {
                report.kind == "counter_set"
                    && report.command.as_ref() == Some(command)
                    && report.device.as_ref() == Some(device)
            });
            match answers.count() {
                1 => {}
                0 => found.push(Discrepancy::Missing(format!("command {command}: the meters of {device}"))),
                n => found.push(Discrepancy::Double(format!("command {command}: {n} meters of {device}"))),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "ricoh:E1";

    fn report(lane: &str, seq: u64, kind: &str) -> StoredReport {
        let meters = kind == "counter_set";
        StoredReport {
            gateway: "gw-1".to_owned(),
            lane: lane.to_owned(),
            seq,
            kind: kind.to_owned(),
            device: Some(DEVICE.to_owned()),
            command: meters.then(|| "c1".to_owned()),
            read_at: meters.then(|| format!("t{seq}")),
        }
    }

    /// Records that agree: 30 pages, one service call, one command.
    fn right() -> (Truth, Stored) {
        let place = |lane: &str| ("gw-1".to_owned(), lane.to_owned());
        let lane = |n| LaneTruth { made: n, acknowledged: n };
        let device =
            DeviceTruth { gateway: "gw-1".to_owned(), first_total: 100, printed: 30, service_calls: 1 };
        let truth = Truth {
            devices: [(DEVICE.to_owned(), device)].into(),
            lanes: [(place("urgent"), lane(2)), (place("bulk"), lane(2))].into(),
            commands: [("c1".to_owned(), "gw-1".to_owned())].into(),
        };
        let call = StoredCall { device: DEVICE.to_owned(), kind: "service_call".to_owned(), open: false };
        let stored = Stored {
            reports: vec![
                report("urgent", 1, "call"),
                report("urgent", 2, "call"),
                report("bulk", 1, "device_information"),
                report("bulk", 2, "counter_set"),
            ],
            quarantined: Vec::new(),
            totals: vec![
                (DEVICE.to_owned(), 1, 100),
                (DEVICE.to_owned(), 9, 130),
                (DEVICE.to_owned(), 5, 120),
            ],
            calls: vec![call],
            lanes: [(place("urgent"), 2), (place("bulk"), 2)].into(),
            meter_requests: vec![("c1".to_owned(), "gw-1".to_owned(), "done".to_owned())],
        };
        (truth, stored)
    }

    fn wrong(change: impl FnOnce(&mut Stored)) -> Vec<String> {
        let (truth, mut stored) = right();
        change(&mut stored);
        compare(&truth, &stored).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn right_books_agree() {
        assert_eq!(wrong(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn a_missing_report_is_seen() {
        assert_eq!(wrong(|s| drop(s.reports.remove(0))), ["missing: gw-1 urgent 1"]);
        assert_eq!(
            wrong(|s| drop(s.reports.remove(3))),
            ["missing: gw-1 bulk 2", "missing: command c1: the meters of ricoh:E1"]
        );
        let behind = wrong(|s| s.lanes.extend([(("gw-1".to_owned(), "bulk".to_owned()), 1)]));
        assert_eq!(behind, ["missing: gw-1 bulk: 2 made and 2 acknowledged there, 1 acknowledged here"]);
        let loss = wrong(|s| s.reports[0].kind = "loss".to_owned());
        assert_eq!(loss, ["missing: gw-1 urgent 1: the gateway reports a loss"]);
    }

    #[test]
    fn a_doubled_report_is_seen() {
        assert_eq!(
            wrong(|s| s.reports.push(report("urgent", 2, "call"))),
            ["double: gw-1 urgent 2: 2 times"]
        );
        let again = wrong(|s| {
            let mut set = report("bulk", 3, "counter_set");
            set.read_at = Some("t2".to_owned());
            s.reports.push(set);
        });
        assert_eq!(
            again,
            [
                "wrong: gw-1 bulk 3: nobody made it",
                "double: ricoh:E1: the meters of t2 as bulk 3 too",
                "double: command c1: 2 meters of ricoh:E1"
            ]
        );
        assert_eq!(
            wrong(|s| s.calls.push(s.calls[0].clone())),
            ["double: ricoh:E1: 1 service calls, 2 stored"]
        );
    }

    #[test]
    fn wrong_pages_are_seen() {
        assert_eq!(wrong(|s| drop(s.totals.remove(1))), ["missing: ricoh:E1: 30 pages printed, 20 billed"]);
        assert_eq!(
            wrong(|s| s.totals.push((DEVICE.to_owned(), 10, 160))),
            [
                "double: ricoh:E1: 30 pages printed, 60 billed",
                "wrong: ricoh:E1: total 160 at 10, it was from 100 to 130"
            ]
        );
        assert_eq!(wrong(|s| s.totals.clear()), ["missing: ricoh:E1: no meters at all"]);
    }

    #[test]
    fn calls_commands_and_the_quarantine_are_looked_at() {
        assert_eq!(wrong(|s| s.calls[0].open = true), ["missing: ricoh:E1: the end of its service_call"]);
        assert_eq!(wrong(|s| s.calls.clear()), ["missing: ricoh:E1: 1 service calls, 0 stored"]);
        assert_eq!(
            wrong(|s| s.meter_requests[0].2 = "delivered".to_owned()),
            ["missing: command c1 for gw-1 is delivered"]
        );
        assert_eq!(wrong(|s| s.meter_requests.clear()), ["missing: command c1, which the server took"]);
        let aside = wrong(|s| {
            let report = s.reports.remove(0);
            s.quarantined.push((report.gateway, report.lane, report.seq));
        });
        assert_eq!(aside, ["missing: gw-1 urgent 1: it was quarantined"]);
    }
}
