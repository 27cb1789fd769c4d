//! What every decision of a site reads and changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use wire::ids::{CommandId, DeviceId, RolloutId};

use super::addresses::Addresses;
use super::effect::Outcome;
use super::moment::{Moment, Random};
use super::rules::SiteRules;
use super::searches::Searches;
use crate::commands::CommandRecord;
use crate::firmware::Update;
use crate::inventory::DeviceRecord;
use crate::reading::profiles::Profiles;

/// What the spool remembers of a site.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// Devices.
    pub devices: BTreeMap<DeviceId, DeviceRecord>,
    /// Commands.
    pub commands: BTreeMap<CommandId, CommandRecord>,
    /// Firmware updates.
    pub updates: BTreeMap<RolloutId, Update>,
    /// When each job was done last, by its name.
    pub schedule: BTreeMap<String, Timestamp>,
}

/// The state, the moment of the event, and the outcome so far.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) rules: SiteRules,
    pub(super) profiles: Arc<Profiles>,
    pub(super) state: State,
    pub(super) addresses: Addresses,
    pub(super) searches: Searches,
    /// Reads under way.
    pub(super) reads: usize,
    /// Mails made in this run: their ids keep the order of making.
    pub(super) mails_made: u16,
    pub(super) now: Moment,
    pub(super) random: Random,
    pub(super) outcome: Outcome,
}

impl Context {
    /// The machine's clock at the event.
    pub(super) const fn clock(&self) -> Timestamp {
        self.now.clock
    }

    /// Time since the program began, at the event.
    pub(super) const fn elapsed(&self) -> Duration {
        self.now.elapsed
    }

    /// Reads a device in full now.
    pub(super) fn read_now(&mut self, device: &DeviceId) {
        if let Some(record) = self.state.devices.get(device) {
            self.addresses.read_now(record.address, self.now.elapsed);
        }
    }
}
