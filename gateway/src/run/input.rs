//! The inputs of the engine.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_core::reading::{CompletedReading, ReadScope};
use gateway_core::site::{Event, SearchEnd};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use wire::command::Command;
use wire::reading::Reading;

use crate::device_address::NamedDevice;
use crate::snmp::ReadError;
use crate::uplink::UplinkEvent;

/// An input of the engine.
#[derive(Debug)]
pub(super) enum Input {
    /// An event of the site.
    Site(Event),
    /// A read ended.
    Read(SocketAddr, ReadScope, Result<Box<CompletedReading>, ReadError>),
    /// A search found a device.
    Found(SocketAddr, Box<Reading>),
    /// A search ended after this time.
    SearchEnded(SearchEnd, Duration),
    /// The name of a device was resolved.
    Resolved(Box<NamedDevice>, SocketAddr),
    /// Commands were delivered; the sender is notified when they are stored.
    Commands(Vec<Command>, oneshot::Sender<()>),
    /// The local port requests a snapshot. One is taken after all queued inputs, for all requests.
    SnapshotWanted,
}

impl From<UplinkEvent> for Input {
    fn from(event: UplinkEvent) -> Self {
        match event {
            UplinkEvent::Commands(commands, stored) => Self::Commands(commands, stored),
            UplinkEvent::ResponseStored(command, response) => {
                Self::Site(Event::ResponseStored(command, response))
            }
            UplinkEvent::SequenceMismatch => Self::Site(Event::SequenceMismatch),
        }
    }
}

/// Sends an input to the engine from a task.
pub(super) fn send(inputs: &UnboundedSender<Input>, input: Input) {
    if inputs.send(input).is_err() {
        tracing::debug!("shutting down: input dropped");
    }
}
