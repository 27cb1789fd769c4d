//! Makes batches durable, however long the disk returns errors. A batch is never replaced by another one: it may be
//! on the disk despite the error.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::super::disk::{Disk, DiskError};
use super::super::layout::{self, Epoch, Key};
use super::super::opening;
use super::{Flow, Request, Writer, tell};

/// The pause before a disk that returned an error is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The result of storing a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Durable,
    /// The store was replaced meanwhile: what was decided before must be decided again.
    Anew,
    Closed,
}

impl Writer {
    /// Makes a batch durable; waits for room on the disk.
    pub(super) fn store(
        &mut self,
        mut next: Epoch,
        waiting_bytes: u64,
        mut batch: sled::Batch,
        requests: &Receiver<Request>,
    ) -> Stored {
        next.batch = next.batch.saturating_add(1);
        match layout::encode(&Key::Epoch, &next) {
            Ok(value) => batch.insert(Key::Epoch.bytes(), value),
            Err(error) => tracing::error!(error = %error, "the spool's own state can't be encoded"),
        }
        loop {
            match self.try_store(&next, &batch) {
                Ok(Stored::Durable) => break,
                Ok(other @ (Stored::Anew | Stored::Closed)) => {
                    self.publish(None);
                    return other;
                }
                Err(error) => self.fail(&error),
            }
            if self.wait(requests) == Flow::Closed {
                return Stored::Closed;
            }
        }
        self.epoch = next;
        self.waiting_bytes = waiting_bytes;
        self.publish(None);
        Stored::Durable
    }

    fn try_store(&mut self, next: &Epoch, batch: &sled::Batch) -> Result<Stored, DiskError> {
        let disk = match self.disk.take() {
            Some(disk) => disk,
            None => match self.reopen(next)? {
                Some(disk) => disk,
                None => return Ok(Stored::Anew),
            },
        };
        let applied = apply_once(&disk, next, batch);
        if let Err(error) = applied {
            disk.close();
            return Err(error);
        }
        self.disk = Some(disk);
        // Before anyone is notified: a store that goes back behind this batch is then detected.
        self.mark.write(next)?;
        Ok(Stored::Durable)
    }

    /// Opens the store again; waits for the disk.
    pub(super) fn stay_open(&mut self, requests: &Receiver<Request>) -> Flow {
        while self.disk.is_none() {
            let epoch = self.epoch.clone();
            match self.reopen(&epoch) {
                Ok(Some(disk)) => self.disk = Some(disk),
                Ok(None) => {}
                Err(error) => {
                    self.fail(&error);
                    if self.wait(requests) == Flow::Closed {
                        return Flow::Closed;
                    }
                }
            }
        }
        self.publish(None);
        Flow::On
    }

    /// Opens the store again after a disk error, once there is room; `None` if it is not in its former state and had
    /// to be replaced.
    fn reopen(&mut self, next: &Epoch) -> Result<Option<Disk>, DiskError> {
        self.reserve.room_to_go_on()?;
        match Disk::open(&self.path) {
            Ok(disk) => {
                let found = stored_epoch(&disk)?;
                if found.as_ref() == Some(&self.epoch) || found.as_ref() == Some(next) {
                    self.reserve.keep()?;
                    return Ok(Some(disk));
                }
                disk.close();
            }
            Err(DiskError::Damaged(why)) => tracing::error!(why, "the spool's store can't be opened again"),
            Err(error @ DiskError::Io(_)) => return Err(error),
        }
        let opened = opening::open(&self.path, &self.reserve, Some(self.epoch.clone()))
            .map_err(|error| DiskError::Io(io::Error::other(error.to_string())))?;
        self.mark.write(&opened.epoch)?;
        self.epoch = opened.epoch;
        self.renewed = false;
        self.waiting_bytes = opened.waiting_bytes;
        self.disk = Some(opened.disk);
        Ok(None)
    }

    /// Pauses before the next attempt. A request to close ends the pause; others are kept.
    fn wait(&mut self, requests: &Receiver<Request>) -> Flow {
        let until = Instant::now() + RETRY_PAUSE;
        loop {
            match requests.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) => return Flow::On,
                Err(RecvTimeoutError::Disconnected) => return Flow::Closed,
                Ok(Request::Close(answer)) => {
                    tell(answer, Ok(()));
                    return Flow::Closed;
                }
                Ok(request) => self.held.push_back(request),
            }
        }
    }

    /// Publishes that the disk returns errors; no request is answered until it doesn't.
    pub(super) fn fail(&self, error: &DiskError) {
        let known = self.snapshot.borrow().problem.is_some();
        if !known {
            tracing::error!(error = %error, "the spool can't store; reports wait until it can");
            metrics::counter!("platen_gateway_spool_failures_total").increment(1);
        }
        self.publish(Some(error.to_string()));
    }

    pub(super) fn publish(&self, problem: Option<String>) {
        metrics::gauge!("platen_gateway_spool_stores").set(if problem.is_none() { 1.0 } else { 0.0 });
        self.snapshot.send_modify(|snapshot| {
            if problem.is_none() && snapshot.problem.is_some() {
                tracing::info!("the spool can store again");
            }
            snapshot.id = self.epoch.id;
            snapshot.lanes = self.epoch.lanes;
            snapshot.waiting_bytes = self.waiting_bytes;
            snapshot.disk_bytes = self.disk.as_ref().map_or(snapshot.disk_bytes, Disk::bytes);
            snapshot.problem = problem;
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("platen_gateway_spool_bytes").set(snapshot.disk_bytes as f64);
        });
    }
}

/// Makes a batch durable. After a failure it may be on the disk already: it is never applied twice.
fn apply_once(disk: &Disk, next: &Epoch, batch: &sled::Batch) -> Result<(), DiskError> {
    if stored_epoch(disk)?.as_ref() == Some(next) { Ok(()) } else { disk.apply(batch.clone()) }
}

fn stored_epoch(disk: &Disk) -> Result<Option<Epoch>, DiskError> {
    let stored = disk.get(&Key::Epoch.bytes())?;
    Ok(stored.and_then(|value| layout::decode::<Epoch>(b"l", &value).ok()))
}
