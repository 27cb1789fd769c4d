//! Parses envelopes into reports, or into the reason why they can't be used.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::reading::Counter;
use wire::report::{Batch, Call, CounterSet, DeviceInformation, Envelope, FirmwareState, Loss, Report};

/// A report that was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Its number.
    pub seq: u64,
    /// When the gateway made it.
    pub at: Timestamp,
    /// Its contents.
    pub content: Content,
    /// The report as received.
    pub body: String,
}

/// A report, or the reason why it can't be used.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A report.
    Usable(Report),
    /// It can't be used; the reason contains the path.
    Unusable {
        /// The reason.
        reason: String,
    },
}

/// Parses each report of a batch.
#[must_use]
pub fn parse(batch: &Batch) -> Vec<Arrival> {
    batch.reports.iter().map(parse_one).collect()
}

/// Parses one report.
#[must_use]
pub fn parse_one(envelope: &Envelope) -> Arrival {
    let content = match envelope.parse() {
        Ok(mut report) => match too_long(&mut report).or_else(|| impossible(&report)) {
            None => Content::Usable(report),
            Some(reason) => Content::Unusable { reason },
        },
        Err(error) => {
            let reason = located(envelope.report.get()).unwrap_or_else(|| error.to_string());
            Content::Unusable { reason }
        }
    };
    Arrival { seq: envelope.seq, at: envelope.at, content, body: envelope.report.get().to_owned() }
}

/// The error with its path. serde loses the path when it selects the type by `kind`, so the type is parsed again
/// without that step.
fn located(body: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(body).ok()?;
    let kind = value.as_object_mut()?.remove("kind")?;
    match kind.as_str()? {
        "call" => wrong::<Call>(&value),
        "counter_set" => wrong::<CounterSet>(&value),
        "device_information" => wrong::<DeviceInformation>(&value),
        "firmware_state" => wrong::<FirmwareState>(&value),
        "loss" => wrong::<Loss>(&value),
        _ => None,
    }
}

fn wrong<T: DeserializeOwned>(value: &Value) -> Option<String> {
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    Some(format!("at report.{}: {}", error.path(), error.inner()))
}

fn too_long(report: &mut Report) -> Option<String> {
    report.check_lengths().err().map(|error| format!("at report.{error}"))
}

/// Why a report contains a value that can't be stored; `None` if it doesn't.
fn impossible(report: &Report) -> Option<String> {
    let counters = |path: &str, counters: &std::collections::BTreeMap<Counter, u64>| {
        let (counter, value) = counters.iter().find(|&(_, &value)| i64::try_from(value).is_err())?;
        Some(format!("at report.{path}.{}: {value} is larger than {}", counter.name(), i64::MAX))
    };
    match report {
        Report::CounterSet(set) => counters("counters", &set.counters).or_else(|| {
            let large = set.evidence.iter().find(|(_, e)| i64::try_from(e.value).is_err());
            large.map(|(counter, e)| {
                format!("at report.evidence.{}: {} is larger than {}", counter.name(), e.value, i64::MAX)
            })
        }),
        Report::DeviceInformation(information) => counters("reading.counters", &information.reading.counters),
        Report::Call(_) | Report::FirmwareState(_) | Report::Loss(_) => None,
    }
}
