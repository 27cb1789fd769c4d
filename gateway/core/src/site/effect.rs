//! The results of events: what is stored first, and what the shell does afterwards.

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

/// What the shell does after the outcome is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read a device; results in [`super::Event::ReadCompleted`].
    Read(ReadRequest),
    /// Search the networks; results in [`super::Event::SearchEnded`].
    Search(SearchRequest),
    /// Resolve the configured names.
    ResolveNames,
    /// Send urgent reports now.
    SendUrgent,
    /// Send the reading that belongs to a call now.
    SendReading,
    /// Send the results of a command, then poll.
    CommandDone,
    /// Send the command's unsent response.
    Respond(CommandId),
    /// Describe the gateway; results in [`super::Event::Diagnosed`].
    Diagnose(CommandId),
    /// Send a mail.
    Mail(Box<QueuedMail>),
    /// Stage the image of an update; results in [`super::Event::Staged`].
    Stage(Box<FirmwareUpdate>),
    /// Push an image; results in [`super::Event::PushEnded`].
    Push(Box<PushOrder>),
    /// Remove all images except those with these digests.
    RetainImages(BTreeSet<String>),
    /// Compact the spool.
    CompactSpool,
}

/// A push of an image to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOrder {
    /// The update.
    pub order: FirmwareUpdate,
    /// The device.
    pub device: DeviceId,
    /// The device's primary address.
    pub address: SocketAddr,
    /// The image's digest (SHA-256, lower-case hexadecimal); the shell names the file by it.
    pub sha256: String,
    /// How the device accepts images.
    pub transport: FirmwareTransport,
}

/// An event for the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A device was found.
    DeviceFound(DeviceId, SocketAddr),
    /// A device has another address.
    DeviceMoved(DeviceId, SocketAddr),
    /// A finding about a device's identity.
    IdentityFinding(DeviceId, Finding),
    /// Nothing in a reading is usable as an id.
    NoDeviceId(SocketAddr, String),
    /// A device responds but can't be read.
    Unreadable(DeviceId, String),
    /// A call opened or ended; with the device's serial number.
    CallMade(Box<Call>, Option<String>),
    /// A command was accepted; with the order's name.
    CommandAccepted(CommandId, &'static str),
    /// A command was not accepted because too many are open; the server delivers it again.
    CommandsFull(CommandId),
    /// A command has ended; with the order's name, the state's name and the detail.
    CommandEnded(CommandId, &'static str, &'static str, String),
    /// A step of a firmware update was reported.
    FirmwareStep(Box<FirmwareState>),
}

/// The results of events. Reports and records must be stored in one commit before any effect is performed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Reports with the time at which they were made, in order.
    pub reports: Vec<(Timestamp, Report)>,
    /// Mails to store.
    pub mails: Vec<QueuedMail>,
    /// Devices whose record changed or was removed.
    pub devices: BTreeSet<DeviceId>,
    /// Commands whose record changed or was removed.
    pub commands: BTreeSet<CommandId>,
    /// Updates whose record changed or was removed.
    pub updates: BTreeSet<RolloutId>,
    /// Jobs that were done, with the time.
    pub jobs: Vec<(Job, Timestamp)>,
    /// Effects to perform after the commit, in order.
    pub effects: Vec<Effect>,
    /// Events to log at once.
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
