//! A set of changes that is stored atomically.

use gateway_core::commands::CommandRecord;
use gateway_core::firmware::Update;
use gateway_core::inventory::DeviceRecord;
use gateway_core::mail_queue::QueuedMail;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::report::{Lane, Report};

use super::error::SpoolError;
use super::layout::{self, Key};

/// A report to number and store.
#[derive(Debug, Clone)]
pub(super) struct NewReport {
    pub(super) lane: Lane,
    pub(super) value: Vec<u8>,
}

/// A set of changes that is stored atomically.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(super) reports: Vec<NewReport>,
    pub(super) records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Changes {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.records.is_empty()
    }

    /// Adds a report.
    ///
    /// # Errors
    /// The report can't be encoded.
    pub(crate) fn report(&mut self, at: Timestamp, report: &Report) -> Result<(), SpoolError> {
        let value = layout::encode_report(at, report)?;
        self.reports.push(NewReport { lane: report.lane(), value });
        Ok(())
    }

    /// Inserts or replaces a device.
    ///
    /// # Errors
    /// The record can't be encoded.
    pub(crate) fn device(&mut self, record: &DeviceRecord) -> Result<(), SpoolError> {
        self.put(Key::Device(&record.device), record)
    }

    /// Removes a device.
    pub(crate) fn forget_device(&mut self, device: &DeviceId) {
        self.remove(Key::Device(device));
    }

    /// Inserts or replaces a command.
    ///
    /// # Errors
    /// The record can't be encoded.
    pub(crate) fn command(&mut self, record: &CommandRecord) -> Result<(), SpoolError> {
        self.put(Key::Command(record.id), record)
    }

    /// Removes a command.
    pub(crate) fn forget_command(&mut self, command: CommandId) {
        self.remove(Key::Command(command));
    }

    /// Inserts or replaces a firmware update.
    ///
    /// # Errors
    /// The record can't be encoded.
    pub(crate) fn update(&mut self, update: &Update) -> Result<(), SpoolError> {
        self.put(Key::Update(update.order.rollout), update)
    }

    /// Removes a firmware update.
    pub(crate) fn forget_update(&mut self, rollout: RolloutId) {
        self.remove(Key::Update(rollout));
    }

    /// Inserts or replaces a mail.
    ///
    /// # Errors
    /// The mail can't be encoded.
    pub(crate) fn enqueue_mail(&mut self, mail: &QueuedMail) -> Result<(), SpoolError> {
        self.put(Key::Mail(mail.id), mail)
    }

    /// Removes a mail that was sent or given up.
    pub(crate) fn mail_done(&mut self, id: Uuid) {
        self.remove(Key::Mail(id));
    }

    /// Sets when a scheduled job was last done.
    ///
    /// # Errors
    /// The time can't be encoded.
    pub(crate) fn done_at(&mut self, what: &str, at: Timestamp) -> Result<(), SpoolError> {
        self.put(Key::Schedule(what), &at)
    }

    fn put<T: Serialize>(&mut self, key: Key<'_>, value: &T) -> Result<(), SpoolError> {
        let value = layout::encode(&key, value)?;
        self.records.push((key.bytes(), Some(value)));
        Ok(())
    }

    fn remove(&mut self, key: Key<'_>) {
        self.records.push((key.bytes(), None));
    }
}
