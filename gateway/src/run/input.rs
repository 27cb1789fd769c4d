//! What reaches the engine.

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

/// What reaches the engine.
#[derive(Debug)]
pub(super) enum Input {
    /// An event as the site takes it.
    Site(Event),
    /// A read ended.
    Read(SocketAddr, ReadScope, Result<Box<CompletedReading>, ReadError>),
    /// A search found a device.
    Found(SocketAddr, Box<Reading>),
    /// A search ended after this time.
    SearchEnded(SearchEnd, Duration),
    /// The DNS resolved the name of a device.
    Resolved(Box<NamedDevice>, SocketAddr),
    /// Commands came; the sender is notified when they are stored.
    Commands(Vec<Command>, oneshot::Sender<()>),
    /// The local port wants a snapshot. It is taken after the inputs, however many want it.
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
        tracing::debug!("an input is dropped: the program ends");
    }
}
