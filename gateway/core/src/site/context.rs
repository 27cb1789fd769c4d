//! The state that all decisions of a site share.

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

/// The state of a site as stored in the spool.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// Devices.
    pub devices: BTreeMap<DeviceId, DeviceRecord>,
    /// Commands.
    pub commands: BTreeMap<CommandId, CommandRecord>,
    /// Firmware updates.
    pub updates: BTreeMap<RolloutId, Update>,
    /// When each job was last done, by its name.
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
    /// Reads in progress.
    pub(super) reads: usize,
    /// Mails that were made in this run; their ids keep this order.
    pub(super) mails_made: u16,
    pub(super) now: Moment,
    pub(super) random: Random,
    pub(super) outcome: Outcome,
}

impl Context {
    /// The machine's clock at the time of the event.
    pub(super) const fn clock(&self) -> Timestamp {
        self.now.clock
    }

    /// Time since the program began, at the time of the event.
    pub(super) const fn elapsed(&self) -> Duration {
        self.now.elapsed
    }

    /// Schedules a full read of a device now.
    pub(super) fn read_now(&mut self, device: &DeviceId) {
        if let Some(record) = self.state.devices.get(device) {
            self.addresses.read_now(record.address, self.now.elapsed);
        }
    }
}
