//! Times by the server's clock: a gateway's clock may be wrong by years, and may be corrected at any time.
//!
//! A request contains the time of the gateway's clock when it was sent, so the times in it are corrected by the
//! difference to the server's. For readings from before the gateway's clock was corrected, the difference is unknown:
//! they are dated no later than their arrival, and a device's readings in the order of their sequence numbers.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use wire::ids::DeviceId;
use wire::report::Report;

use super::effects::Known;
use super::parse::{Arrival, Content};

/// A clock skew up to this is ignored.
pub(crate) const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A reading that is older than this when it arrives, in days, was dated by a clock that was not set: no spool keeps
/// reports that long.
const OLDEST_DAYS: i64 = 5 * 365;

/// A reading that is dated further in the future than this, in days, was dated by a wrong clock.
const AHEAD_DAYS: i64 = 1;

/// The gateway's clock and the server's at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayClock {
    ahead: SignedDuration,
    received: Timestamp,
}

impl GatewayClock {
    /// From a request: `said` is the time in it by the gateway's clock, `received` the time of its arrival by the
    /// server's.
    #[must_use]
    pub fn new(said: Timestamp, received: Timestamp) -> Self {
        Self { ahead: said.duration_since(received), received }
    }

    /// For a request without the gateway's time: no correction.
    #[must_use]
    pub const fn unsaid(received: Timestamp) -> Self {
        Self { ahead: SignedDuration::ZERO, received }
    }

    /// The clock skew of the gateway, seconds: positive if ahead, 0 within the tolerance of 5 minutes.
    #[must_use]
    pub fn ahead_s(&self) -> i64 {
        if self.is_off() { self.ahead.as_secs() } else { 0 }
    }

    fn is_off(&self) -> bool {
        self.ahead.unsigned_abs() > CLOCK_TOLERANCE.unsigned_abs()
    }

    /// Converts a gateway's time to the server's clock; not later than the request.
    fn dated(&self, said: Timestamp) -> Dated {
        let Ok(corrected) = (if self.is_off() { said.checked_sub(self.ahead) } else { Ok(said) }) else {
            return Dated::Senseless;
        };
        let ahead = corrected.duration_since(self.received);
        if ahead > SignedDuration::from_hours(24 * AHEAD_DAYS)
            || ahead < SignedDuration::from_hours(-24 * OLDEST_DAYS)
        {
            Dated::Senseless
        } else if ahead > CLOCK_TOLERANCE {
            Dated::At(self.received)
        } else {
            Dated::At(corrected)
        }
    }

    /// Dates the contents of reports. When a gateway made a report stays unchanged, because it identifies the report.
    ///
    /// A reading with an implausible date can't be used, since it would be billed in the wrong month. Everything else
    /// is dated by its arrival: a call with a wrong date is still open.
    pub fn date(&self, arrivals: &mut [Arrival]) {
        for arrival in arrivals {
            let Content::Usable(report) = &mut arrival.content else { continue };
            let is_reading = is_reading(report);
            let Some(at) = told_at(report) else { continue };
            match self.dated(*at) {
                Dated::At(dated) => *at = dated,
                Dated::Senseless if is_reading => {
                    let reason = format!(
                        "at report.read_at: {at} is implausible, since it arrived at {}: perhaps the gateway's clock was corrected after the reading",
                        self.received
                    );
                    arrival.content = Content::Unusable { reason };
                }
                Dated::Senseless => *at = self.received,
            }
        }
    }
}

/// The result of converting a time.
enum Dated {
    At(Timestamp),
    /// The date is implausible: the gateway's clock was not set yet, or the value is damaged.
    Senseless,
}

const fn is_reading(report: &Report) -> bool {
    match report {
        Report::CounterSet(_) | Report::DeviceInformation(_) => true,
        Report::Call(_) | Report::FirmwareState(_) | Report::Loss(_) => false,
    }
}

fn told_at(report: &mut Report) -> Option<&mut Timestamp> {
    match report {
        Report::Call(call) => Some(&mut call.seen_at),
        Report::CounterSet(set) => Some(&mut set.read_at),
        Report::DeviceInformation(information) => Some(&mut information.reading.read_at),
        Report::FirmwareState(state) => Some(&mut state.at),
        Report::Loss(_) => None,
    }
}

/// Dates each reading no earlier than the preceding reading of the same device: a clock that was set back would sort
/// newer meters before older ones.
pub fn in_order(known: &Known, arrivals: &mut [Arrival]) {
    let mut newest: BTreeMap<DeviceId, Timestamp> =
        known.totals.iter().map(|(device, total)| (device.clone(), total.read_at)).collect();
    for arrival in arrivals {
        let Content::Usable(report) = &mut arrival.content else { continue };
        let Some(device) = report.device().cloned() else { continue };
        if !is_reading(report) {
            continue;
        }
        let Some(read_at) = told_at(report) else { continue };
        if let Some(before) = newest.get(&device).filter(|before| *read_at < **before) {
            *read_at = before.checked_add(SignedDuration::from_millis(1)).unwrap_or(*before);
        }
        newest.insert(device, *read_at);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use wire::report::Envelope;

    use super::super::{LastTotal, parse_one};
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn meters(seq: u64, read_at: Timestamp) -> Arrival {
        let body = format!(
            r#"{{"kind":"counter_set","device":"ricoh:E1","read_at":"{read_at}","counters":{{"total":{seq}}},
                "evidence":{{}}}}"#
        );
        parse_one(&Envelope { seq, at: read_at, report: RawValue::from_string(body).unwrap() })
    }

    fn dates(arrivals: &mut [Arrival]) -> Vec<String> {
        arrivals
            .iter_mut()
            .map(|arrival| match &mut arrival.content {
                Content::Usable(report) => told_at(report).unwrap().to_string(),
                Content::Unusable { reason } => panic!("{reason}"),
            })
            .collect()
    }

    #[test]
    fn times_are_converted_to_the_servers_clock() {
        let received = time("2026-11-28T12:00:00Z");
        let table = [
            // Right, and a report that waited for three days.
            (Some("2026-11-28T12:00:02Z"), "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", 0),
            // Somewhat off: taken at its word.
            (Some("2026-11-28T12:04:00Z"), "2026-11-28T12:03:00Z", "2026-11-28T12:03:00Z", 0),
            // Years ahead and years behind, read an hour ago.
            (Some("2038-01-19T03:14:07Z"), "2038-01-19T02:14:07Z", "2026-11-28T11:00:00Z", 351_616_447),
            (Some("1970-01-01T00:10:00Z"), "1969-12-31T23:10:00Z", "2026-11-28T11:00:00Z", -1_795_866_600),
            // Set right since it was read in the "future": not after its arrival.
            (Some("2026-11-28T12:00:00Z"), "2026-11-28T23:00:00Z", "2026-11-28T12:00:00Z", 0),
            (Some("2026-11-28T12:00:00Z"), "2026-11-29T12:00:00Z", "2026-11-28T12:00:00Z", 0),
            // A gateway that was without a line for years.
            (Some("2026-11-28T12:00:00Z"), "2021-11-29T13:00:00Z", "2021-11-29T13:00:00Z", 0),
            // Not said.
            (None, "2026-11-28T11:00:00Z", "2026-11-28T11:00:00Z", 0),
            (None, "2026-11-28T22:00:00Z", "2026-11-28T12:00:00Z", 0),
        ];
        for (said, read_at, expected, ahead_s) in table {
            let clock = said.map_or(GatewayClock::unsaid(received), |s| GatewayClock::new(time(s), received));
            let mut arrivals = [meters(1, time(read_at))];
            clock.date(&mut arrivals);
            assert_eq!(dates(&mut arrivals), [expected], "{said:?} {read_at}");
            assert_eq!(clock.ahead_s(), ahead_s, "{said:?}");
            assert_eq!(arrivals[0].at, time(read_at), "made at");
        }
    }

    #[test]
    fn a_reading_whose_date_makes_no_sense_is_quarantined_and_a_call_is_dated_by_its_arrival() {
        let received = time("2026-11-28T12:00:00Z");
        for (said, read_at) in [
            // Read before the clock was set, sent afterwards.
            (Some("2026-11-28T12:00:00Z"), "1970-01-01T00:10:00Z"),
            (Some("2026-11-28T12:00:00Z"), "2010-01-01T00:00:00Z"),
            (Some("2026-11-28T12:00:00Z"), "2021-11-29T11:00:00Z"),
            (Some("2026-11-28T12:00:00Z"), "2026-11-29T12:00:01Z"),
            (Some("2026-11-28T12:00:00Z"), "2038-01-19T02:14:07Z"),
            (Some("2026-11-28T12:00:00Z"), "9999-12-30T22:00:00Z"),
            (Some("2026-11-28T12:00:00Z"), "-009999-01-02T01:59:59Z"),
            (None, "9999-12-30T22:00:00Z"),
            // The other way round: set since to a wrong time.
            (Some("1970-01-01T00:10:00Z"), "2026-11-28T11:00:00Z"),
            (Some("1970-01-01T00:10:00Z"), "9999-12-30T22:00:00Z"),
        ] {
            let clock = said.map_or(GatewayClock::unsaid(received), |s| GatewayClock::new(time(s), received));
            let call = format!(
                r#"{{"kind":"call","device":"ricoh:E1","call":"jam","edge":"raised","detail":"x","seen_at":"{read_at}"}}"#
            );
            let call =
                parse_one(&Envelope { seq: 2, at: received, report: RawValue::from_string(call).unwrap() });
            let mut arrivals = [meters(1, time(read_at)), call, meters(3, said.map_or(received, time))];
            clock.date(&mut arrivals);
            let Content::Unusable { reason } = &arrivals[0].content else { panic!("{said:?} {read_at}") };
            assert!(reason.starts_with("at report.read_at: "), "{reason}");
            assert_eq!(dates(&mut arrivals[1..]), [received.to_string(), received.to_string()], "{read_at}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_readings_in_their_order() {
        let mut known = Known::default();
        let newest = LastTotal { value: 1, read_at: time("2026-11-28T12:00:00Z") };
        known.totals.insert("ricoh:E1".parse().unwrap(), newest);
        let said = ["2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z", "2026-11-28T13:00:00Z"];
        let mut arrivals: Vec<Arrival> =
            said.into_iter().zip(2..).map(|(said, seq)| meters(seq, time(said))).collect();
        in_order(&known, &mut arrivals);
        let expected = ["2026-11-28T12:00:00.001Z", "2026-11-28T12:00:00.002Z", "2026-11-28T13:00:00Z"];
        assert_eq!(dates(&mut arrivals), expected);
    }

    #[test]
    fn the_same_reading_in_two_reports_keeps_one_time() {
        let at = time("2026-11-28T12:00:00Z");
        let mut arrivals = [meters(1, at), meters(2, at)];
        in_order(&Known::default(), &mut arrivals);
        assert_eq!(dates(&mut arrivals), [at.to_string(), at.to_string()]);
    }
}
