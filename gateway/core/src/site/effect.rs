//! What follows from events: what is stored first, and what is done afterwards.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use jiff::Timestamp;
use wire::command::FirmwareUpdate;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::report::{Call, FirmwareState, Report};

use super::addresses::ReadRequest;
use super::event::Job;
use super::searches::SearchRequest;
use crate::inventory::Finding;
use crate::mail_queue::QueuedMail;
use crate::reading::profiles::FirmwareTransport;

/// What is done after the outcome is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read a device; answer by [`super::Event::ReadCompleted`].
    Read(ReadRequest),
    /// Search the networks; answer by [`super::Event::SearchEnded`].
    Search(SearchRequest),
    /// Resolve the configured names.
    ResolveNames,
    /// Send urgent reports now.
    SendUrgent,
    /// Send the reading that belongs to a call now.
    SendReading,
    /// Send what a command produced, then poll.
    CommandDone,
    /// Send the command's unsent response.
    Respond(CommandId),
    /// Describe the gateway; answer by [`super::Event::Diagnosed`].
    Diagnose(CommandId),
    /// Send a mail.
    Mail(Box<QueuedMail>),
    /// Stage the image of an order; answer by [`super::Event::Staged`].
    Stage(Box<FirmwareUpdate>),
    /// Push an image; answer by [`super::Event::PushEnded`].
    Push(Box<PushOrder>),
    /// Remove every image but those of these digests.
    RetainImages(BTreeSet<String>),
    /// Compact the spool.
    CompactSpool,
}

/// One push of an image to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOrder {
    /// What was ordered.
    pub order: FirmwareUpdate,
    /// The device.
    pub device: DeviceId,
    /// Where it was read last.
    pub address: SocketAddr,
    /// The image's digest (SHA-256, lower-case hexadecimal); the shell names the file by it.
    pub sha256: String,
    /// How the device takes images.
    pub transport: FirmwareTransport,
}

/// What the log should say.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A device is known from now on.
    DeviceFound(DeviceId, SocketAddr),
    /// A device has another address.
    DeviceMoved(DeviceId, SocketAddr),
    /// The identity of a device is doubtful.
    IdentityFinding(DeviceId, Finding),
    /// Nothing in a reading is usable as an id.
    NoDeviceId(SocketAddr, String),
    /// A device responds and can't be read.
    Unreadable(DeviceId, String),
    /// A call was made; with the device's serial number.
    CallMade(Box<Call>, Option<String>),
    /// A command is accepted; with the order's name.
    CommandAccepted(CommandId, &'static str),
    /// A command is left for a later poll: too many are open.
    CommandsFull(CommandId),
    /// A command has ended; with the order's name, the state's name and the detail.
    CommandEnded(CommandId, &'static str, &'static str, String),
    /// A step of a firmware update is reported.
    FirmwareStep(Box<FirmwareState>),
}

/// What follows from events. Reports and records are stored in one commit before any effect is performed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Reports, with the time of their making, in order.
    pub reports: Vec<(Timestamp, Report)>,
    /// Mails to be stored.
    pub mails: Vec<QueuedMail>,
    /// Devices whose record changed, or is gone from the state.
    pub devices: BTreeSet<DeviceId>,
    /// Commands whose record changed, or is gone from the state.
    pub commands: BTreeSet<CommandId>,
    /// Updates whose record changed, or is gone from the state.
    pub updates: BTreeSet<RolloutId>,
    /// Jobs that were done, and when.
    pub jobs: Vec<(Job, Timestamp)>,
    /// What is done afterwards, in order.
    pub effects: Vec<Effect>,
    /// What is logged at once.
    pub notices: Vec<Notice>,
}

impl Outcome {
    pub(super) fn report(&mut self, report: Report, at: Timestamp) {
        self.reports.push((at, report));
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
