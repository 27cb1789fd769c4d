//! Commands: each is accepted once, begun before its expiry, and answered until the server has stored the final
//! response.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::command::{Command, FirmwareUpdate, Order, Response, ResponseState};
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::limits::COMMAND_DEVICES;

/// How long a finished command is kept, so that a repeated delivery doesn't execute it again.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Maximum number of finished commands that are kept.
const REMEMBERED_MAX: usize = 1000;

/// Maximum number of open commands.
const OPEN_MAX: usize = 256;

/// Maximum number of devices that a text for operators names.
const NAMED: usize = 5;

/// A command at the gateway; stored in the spool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Its id.
    pub id: CommandId,
    /// When it was delivered.
    pub received_at: Timestamp,
    /// The latest time to begin it. Devices that were not read by then are given up.
    pub expires_at: Timestamp,
    /// The order; `None` if this version doesn't know it.
    pub order: Option<Order>,
    /// Its state.
    pub state: ResponseState,
    /// The text for operators.
    #[serde(default)]
    pub detail: String,
    /// Devices that are still to be read.
    #[serde(default)]
    pub waits_for: BTreeSet<DeviceId>,
    /// Devices that could not be read, and why.
    #[serde(default)]
    pub missing: BTreeMap<String, String>,
    /// The response that the server hasn't stored yet.
    #[serde(default)]
    pub unsent: Option<Response>,
}

/// What the shell begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Read the devices that the command waits for; each read ends in its result or
    /// its timeout.
    Read,
    /// Report the gateway's status.
    Diagnose,
    /// Search the networks.
    Discover,
    /// Begin a firmware update.
    Firmware(FirmwareUpdate),
    /// Cancel a roll-out.
    CancelFirmware(RolloutId),
}

/// The result of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivered {
    /// It is known: send its response again, execute nothing.
    Again(CommandRecord),
    /// It is new: store it, then begin.
    New(CommandRecord, Option<Begin>),
    /// Too many commands are open. It is not accepted; the server delivers it again.
    Later,
}

/// Decides about a delivered command.
#[must_use]
pub(crate) fn deliver(
    known: &BTreeMap<CommandId, CommandRecord>,
    command: &Command,
    devices: &BTreeSet<DeviceId>,
    now: Timestamp,
) -> Delivered {
    if let Some(record) = known.get(&command.id) {
        let mut record = record.clone();
        record.unsent =
            Some(record.unsent.take().unwrap_or_else(|| record.response(record.state, now, None)));
        return Delivered::Again(record);
    }
    if known.values().filter(|record| !record.is_final()).count() >= OPEN_MAX {
        return Delivered::Later;
    }
    let mut record = CommandRecord::new(command, now);
    let order = match command.parse() {
        Ok(order) => order,
        Err(error) => {
            let detail =
                format!("unsupported: this version of the gateway does not know the command: {error}");
            record.finish(ResponseState::Failed, detail, None, now);
            return Delivered::New(record, None);
        }
    };
    record.order = Some(order);
    if now > command.expires_at {
        let detail = format!("the command was delivered after its expiry at {}", command.expires_at);
        record.finish(ResponseState::Failed, detail, None, now);
        return Delivered::New(record, None);
    }
    record.name_devices(devices);
    if record.waits_for.len() > COMMAND_DEVICES {
        let detail = format!("the command names more than {COMMAND_DEVICES} devices");
        record.waits_for.clear();
        record.finish(ResponseState::Failed, detail, None, now);
        return Delivered::New(record, None);
    }
    let begin = record.begin();
    if begin == Some(Begin::Read) {
        record.settle(now);
    }
    let begin = begin.filter(|_| !record.is_final());
    Delivered::New(record, begin)
}

impl CommandRecord {
    fn new(command: &Command, now: Timestamp) -> Self {
        let accepted =
            Response { state: ResponseState::Accepted, at: now, detail: String::new(), result: None };
        Self {
            id: command.id,
            received_at: now,
            expires_at: command.expires_at,
            order: None,
            state: ResponseState::Accepted,
            detail: String::new(),
            waits_for: BTreeSet::new(),
            missing: BTreeMap::new(),
            unsent: Some(accepted),
        }
    }

    fn name_devices(&mut self, devices: &BTreeSet<DeviceId>) {
        let named = match &self.order {
            Some(Order::CounterRequest { devices } | Order::StatusSense { devices }) => devices.clone(),
            Some(
                Order::Diagnostics
                | Order::Discovery
                | Order::FirmwareUpdate(_)
                | Order::FirmwareCancel { .. },
            )
            | None => return,
        };
        for device in named.unwrap_or_else(|| devices.iter().cloned().collect()) {
            if devices.contains(&device) {
                self.waits_for.insert(device);
            } else {
                self.missing.insert(device.to_string(), "unknown to this gateway".to_owned());
            }
        }
    }

    /// What the shell begins, also after a restart; `None` for a final or unknown command.
    #[must_use]
    pub(crate) fn begin(&self) -> Option<Begin> {
        if self.is_final() {
            return None;
        }
        Some(match self.order.as_ref()? {
            Order::CounterRequest { .. } | Order::StatusSense { .. } => Begin::Read,
            Order::Diagnostics => Begin::Diagnose,
            Order::Discovery => Begin::Discover,
            Order::FirmwareUpdate(update) => Begin::Firmware(update.clone()),
            Order::FirmwareCancel { rollout } => Begin::CancelFirmware(*rollout),
        })
    }

    /// Name of the order, `unknown` where this version doesn't know it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.order.as_ref().map_or("unknown", Order::name)
    }

    /// Whether it has ended; its response may still be unsent.
    #[must_use]
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self.state, ResponseState::Done | ResponseState::Failed)
    }

    /// Whether it waits for this device's meters.
    #[must_use]
    pub(crate) fn wants_counters(&self, device: &DeviceId) -> bool {
        matches!(self.order, Some(Order::CounterRequest { .. })) && self.waits_for.contains(device)
    }

    /// Whether it waits for this device's whole reading.
    #[must_use]
    pub(crate) fn wants_reading(&self, device: &DeviceId) -> bool {
        matches!(self.order, Some(Order::StatusSense { .. })) && self.waits_for.contains(device)
    }

    /// The device was read. The report must be in the same batch as this record.
    pub(crate) fn on_read(&mut self, device: &DeviceId, now: Timestamp) {
        if self.waits_for.remove(device) {
            self.settle(now);
        }
    }

    /// The read timed out. A counter request waits until the device is back; a status sense doesn't.
    pub(crate) fn on_silence(&mut self, device: &DeviceId, why: &str, now: Timestamp) {
        if self.wants_reading(device) {
            self.waits_for.remove(device);
            self.missing.insert(device.to_string(), why.to_owned());
            self.settle(now);
        } else if self.wants_counters(device) {
            self.run(format!("waits for {}", names(self.waits_for.iter().map(DeviceId::as_str))), now);
        }
    }

    fn settle(&mut self, now: Timestamp) {
        if !self.waits_for.is_empty() || self.is_final() {
            return;
        }
        if self.missing.is_empty() {
            self.finish(ResponseState::Done, String::new(), None, now);
        } else {
            let missing: Vec<String> = self.missing.iter().map(|(d, why)| format!("{d} ({why})")).collect();
            let detail = format!("not read: {}", names(missing.iter().map(String::as_str)));
            self.finish(ResponseState::Failed, detail, None, now);
        }
    }

    /// It is running. A repeated call with the same detail has no effect.
    pub(crate) fn run(&mut self, detail: String, now: Timestamp) {
        if self.is_final() || (self.state == ResponseState::Running && self.detail == detail) {
            return;
        }
        self.state = ResponseState::Running;
        self.detail = detail;
        self.unsent = Some(self.response(ResponseState::Running, now, None));
    }

    /// It ended. Only the first call has an effect.
    pub fn finish(
        &mut self,
        state: ResponseState,
        detail: String,
        result: Option<serde_json::Value>,
        now: Timestamp,
    ) {
        if self.is_final() {
            return;
        }
        self.state = state;
        self.detail = detail;
        self.unsent = Some(self.response(state, now, result));
    }

    /// After the expiry, gives up the devices that it still waits for. Returns whether anything changed.
    pub(crate) fn expire(&mut self, now: Timestamp) -> bool {
        if self.is_final() || self.waits_for.is_empty() || now <= self.expires_at {
            return false;
        }
        for device in std::mem::take(&mut self.waits_for) {
            self.missing.insert(device.to_string(), "no response before the command's expiry".to_owned());
        }
        self.settle(now);
        true
    }

    /// The server has stored this response. Returns whether it was the newest one.
    pub(crate) fn on_sent(&mut self, sent: &Response) -> bool {
        let newest = self.unsent.as_ref() == Some(sent);
        if newest {
            self.unsent = None;
        }
        newest
    }

    fn response(&self, state: ResponseState, at: Timestamp, result: Option<serde_json::Value>) -> Response {
        Response { state, at, detail: self.detail.clone(), result }
    }
}

/// Finished commands whose response is stored and that are older than the retention, or too many.
#[must_use]
pub(crate) fn forgettable(known: &BTreeMap<CommandId, CommandRecord>, now: Timestamp) -> Vec<CommandId> {
    let mut over: Vec<&CommandRecord> =
        known.values().filter(|record| record.is_final() && record.unsent.is_none()).collect();
    over.sort_by_key(|record| std::cmp::Reverse(record.received_at));
    let old = |record: &CommandRecord| {
        let newest = record.expires_at.max(record.received_at);
        now.duration_since(newest) > REMEMBERED
    };
    let mut going = Vec::new();
    for (at, record) in over.into_iter().enumerate() {
        if at >= REMEMBERED_MAX || old(record) {
            going.push(record.id);
        }
    }
    going
}

fn names<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = all.len();
    let named: Vec<&str> = all.take(NAMED).collect();
    let more = count.saturating_sub(named.len());
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn id(number: u128) -> CommandId {
        CommandId(Uuid::from_u128(number))
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn devices(names: &[&str]) -> BTreeSet<DeviceId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn new(order: &Order) -> (CommandRecord, Option<Begin>) {
        let command = Command::new(id(1), later(1000), order).unwrap();
        match deliver(&BTreeMap::new(), &command, &devices(&["a:1", "a:2"]), NOW) {
            Delivered::New(record, begin) => (record, begin),
            other @ (Delivered::Again(_) | Delivered::Later) => panic!("{other:?}"),
        }
    }

    #[test]
    fn meters_wait_for_a_device_that_is_off() {
        let (mut record, begin) = new(&Order::CounterRequest { devices: None });
        assert_eq!(begin, Some(Begin::Read));
        let (one, two) = ("a:1".parse().unwrap(), "a:2".parse().unwrap());
        record.on_read(&one, later(1));
        record.on_silence(&two, "no response", later(2));
        assert_eq!((record.state, record.detail.as_str()), (ResponseState::Running, "waits for a:2"));
        // A restart in between changes nothing.
        let mut record: CommandRecord =
            serde_json::from_value(serde_json::to_value(record).unwrap()).unwrap();
        assert!(record.wants_counters(&two) && !record.wants_counters(&one));
        assert!(!record.expire(later(1000)));
        record.on_read(&two, later(3));
        assert_eq!(record.state, ResponseState::Done);
        assert_eq!(record.begin(), None);
    }

    #[test]
    fn what_is_still_off_at_the_expiry_is_named() {
        let (mut record, _) = new(&Order::CounterRequest { devices: None });
        record.on_read(&"a:1".parse().unwrap(), later(1));
        assert!(record.expire(later(1001)));
        assert_eq!(record.detail, "not read: a:2 (no response before the command's expiry)");
        assert_eq!(record.unsent.as_ref().unwrap().state, ResponseState::Failed);
    }

    #[test]
    fn a_status_sense_does_not_wait_and_unknown_devices_are_reported() {
        let named = Some(vec!["a:1".parse().unwrap(), "b:9".parse().unwrap()]);
        let (mut record, _) = new(&Order::StatusSense { devices: named });
        record.on_silence(&"a:1".parse().unwrap(), "no response", later(1));
        assert_eq!(record.detail, "not read: a:1 (no response), b:9 (unknown to this gateway)");
        let nobody = Some(vec![]);
        let (record, begin) = new(&Order::CounterRequest { devices: nobody });
        assert_eq!((record.state, begin), (ResponseState::Done, None));
    }

    #[test]
    fn a_command_is_executed_once() {
        let order = Order::Discovery;
        let (mut record, begin) = new(&order);
        assert_eq!(begin, Some(Begin::Discover));
        record.finish(ResponseState::Done, "12 devices".into(), None, later(5));
        let sent = record.unsent.clone().unwrap();
        assert!(record.on_sent(&sent));
        record.finish(ResponseState::Failed, "too late".into(), None, later(6));
        assert_eq!((record.state, &record.unsent), (ResponseState::Done, &None));
        let known = BTreeMap::from([(record.id, record)]);
        let command = Command::new(id(1), later(1000), &order).unwrap();
        let Delivered::Again(again) = deliver(&known, &command, &BTreeSet::new(), later(9)) else {
            panic!("executed again");
        };
        assert_eq!(again.unsent.unwrap().detail, "12 devices");
    }

    #[test]
    fn what_is_unknown_or_too_late_is_answered_with_what_is_wrong() {
        let json = r#"{"id":"01980000-0000-7000-8000-000000000001","expires_at":"2030-01-01T00:00:00Z",
            "order":{"kind":"make_coffee"}}"#;
        let command: Command = serde_json::from_str(json).unwrap();
        let Delivered::New(record, None) = deliver(&BTreeMap::new(), &command, &BTreeSet::new(), NOW) else {
            panic!("begun");
        };
        let response = record.unsent.unwrap();
        assert_eq!(response.state, ResponseState::Failed);
        assert!(response.detail.contains("make_coffee"), "{}", response.detail);
        let json = json.replace(r#"{"kind":"make_coffee"}"#, r#"{"kind":"discovery","dry_run":true}"#);
        let command: Command = serde_json::from_str(&json).unwrap();
        let Delivered::New(record, None) = deliver(&BTreeMap::new(), &command, &BTreeSet::new(), NOW) else {
            panic!("half an order was begun");
        };
        assert_eq!(record.state, ResponseState::Failed);
        assert!(
            record.detail.starts_with("unsupported: ") && record.detail.contains("`dry_run`"),
            "{record:?}"
        );
        let command = Command::new(id(1), later(-1), &Order::Diagnostics).unwrap();
        let Delivered::New(record, None) = deliver(&BTreeMap::new(), &command, &BTreeSet::new(), NOW) else {
            panic!("begun");
        };
        assert!(record.detail.contains("expiry"));
    }

    #[test]
    fn finished_commands_are_forgotten_in_time() {
        let (mut record, _) = new(&Order::Discovery);
        record.finish(ResponseState::Done, String::new(), None, NOW);
        let mut known = BTreeMap::from([(record.id, record.clone())]);
        assert!(forgettable(&known, later(10_000_000)).is_empty(), "its answer isn't sent");
        record.unsent = None;
        known.insert(record.id, record);
        assert!(forgettable(&known, later(1000)).is_empty());
        assert_eq!(forgettable(&known, later(10_000_000)), [id(1)]);
    }
}
