//! The spool: the gateway's durable store. The only module that knows sled.
//!
//! One thread owns the store. Changes of several tasks share one sync (group commit), and an operation completes only
//! after the sync. On a full disk, operations wait until there is room, and then continue. A damaged store is moved
//! away, what can be read of it is recovered, and the loss is reported.

mod changes;
mod compact;
mod disk;
mod error;
mod high_water_mark;
mod layout;
mod opening;
mod outbox;
mod recovery;
mod writer;

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

use gateway_core::outbox::{Acknowledgement, LaneState};
use tokio::sync::{oneshot, watch};
use wire::ids::SpoolId;
use wire::report::{Envelope, Lane, Lanes};

pub(crate) use changes::Changes;
pub(crate) use error::SpoolError;
pub(crate) use layout::Restored;

use writer::{Request, Writer};

/// Location and size.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    /// The gateway's data directory; the spool is `spool` in it.
    pub data_dir: PathBuf,
    /// Maximum size in total, bytes. Reports may take half of it: the store needs as much to rewrite itself.
    pub limit_bytes: u64,
}

/// The state of the spool at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The epoch that the sequence numbers belong to.
    pub id: SpoolId,
    /// The state of both lanes.
    pub lanes: Lanes<LaneState>,
    /// Bytes of reports that are not acknowledged.
    pub waiting_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// The maximum of `waiting_bytes`.
    pub limit_bytes: u64,
    /// Why nothing can be stored at present; `None` if it can.
    pub problem: Option<String>,
}

/// The spool; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    requests: Sender<Request>,
    snapshot: watch::Receiver<Snapshot>,
}

impl Spool {
    /// Opens or creates the spool. Returns it with what it contains.
    ///
    /// # Errors
    /// The directory can't be used. A damaged store is not an error: it is moved away and replaced.
    pub(crate) async fn open(settings: SpoolSettings) -> Result<(Self, Restored), SpoolError> {
        let (requests, received) = channel();
        let (opened, is_open) = oneshot::channel();
        let run = move || match Writer::open(settings) {
            Ok((writer, restored)) => {
                let snapshot = writer.shared();
                if opened.send(Ok((snapshot, restored))).is_ok() {
                    writer.run(&received);
                }
            }
            Err(error) => {
                if opened.send(Err(error)).is_err() {
                    tracing::debug!("result dropped: the requesting task has ended");
                }
            }
        };
        let path = PathBuf::from("spool");
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(run)
            .map_err(|error| SpoolError::Unusable { path, problem: error.to_string() })?;
        let (snapshot, restored) = is_open.await.map_err(|_| SpoolError::Closed)??;
        Ok((Self { requests, snapshot }, restored))
    }

    /// Makes the changes durable atomically; returns when they are.
    ///
    /// # Errors
    /// The spool is full or closed. If the disk is full, this waits.
    pub(crate) async fn commit(&self, changes: Changes) -> Result<(), SpoolError> {
        self.ask(|answer| Request::Commit(changes, answer)).await
    }

    /// The oldest unacknowledged reports of a lane that fit into a batch of `byte_limit` bytes. Reports without a
    /// number are left out until the server has confirmed its last acknowledged number.
    ///
    /// # Errors
    /// The store can't be read, or nothing can be stored at present.
    pub(crate) async fn waiting(&self, lane: Lane, byte_limit: usize) -> Result<Vec<Envelope>, SpoolError> {
        self.ask_unless_refused(|answer| Request::Waiting(lane, byte_limit, answer)).await
    }

    /// The server has stored everything of the lane up to `number`: removes the reports, or sets the lane's first
    /// number.
    ///
    /// # Errors
    /// The spool is closed, or nothing can be stored at present: the server will acknowledge again.
    pub(crate) async fn acknowledge(&self, lane: Lane, number: u64) -> Result<Acknowledgement, SpoolError> {
        self.ask_unless_refused(|answer| Request::Acknowledge(lane, number, None, answer)).await
    }

    /// The same for the response to a batch whose last report had the number `last`: the server has already compared
    /// its own number.
    ///
    /// # Errors
    /// The spool is closed, or nothing can be stored at present: the server will acknowledge again.
    pub(crate) async fn answered(
        &self,
        lane: Lane,
        number: u64,
        last: u64,
    ) -> Result<Acknowledgement, SpoolError> {
        self.ask_unless_refused(|answer| Request::Acknowledge(lane, number, Some(last), answer)).await
    }

    /// The server rejects the report with this number permanently: replaces it by a loss.
    ///
    /// # Errors
    /// The store can't be read, nothing can be stored at present, or the spool is closed.
    pub(crate) async fn quarantine(&self, lane: Lane, number: u64, why: String) -> Result<(), SpoolError> {
        self.ask_unless_refused(|answer| Request::PutAside(lane, number, why, answer)).await
    }

    /// Maintenance: compacts the store after an outage, measures its size, and keeps the reserve.
    ///
    /// # Errors
    /// The spool is closed.
    pub(crate) async fn upkeep(&self) -> Result<(), SpoolError> {
        self.ask(Request::Upkeep).await
    }

    /// Flushes and closes the spool; later operations fail.
    ///
    /// # Errors
    /// The spool is closed already.
    pub(crate) async fn close(&self) -> Result<(), SpoolError> {
        self.ask(Request::Close).await
    }

    /// The current state.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Why nothing can be stored at present; `None` if it can.
    #[must_use]
    pub(crate) fn problem(&self) -> Option<String> {
        self.snapshot.borrow().problem.clone()
    }

    /// Waits until the disk rejects (`refuses`) or accepts data again.
    pub(crate) async fn turned(&self, refuses: bool) {
        let mut snapshot = self.snapshot.clone();
        if snapshot.wait_for(|now| now.problem.is_some() == refuses).await.is_err() {
            // The spool is closed: its state doesn't change any more.
            std::future::pending::<()>().await;
        }
    }

    /// For operations that need no space themselves and would only wait for it. The thread may still perform the
    /// operation later, in the order of the requests.
    async fn ask_unless_refused<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Request,
    ) -> Result<T, SpoolError> {
        let refused = || SpoolError::Refuses { problem: self.problem().unwrap_or_default() };
        if self.problem().is_some() {
            return Err(refused());
        }
        tokio::select! {
            biased;
            answered = self.ask(request) => answered,
            () = self.turned(true) => Err(refused()),
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Request,
    ) -> Result<T, SpoolError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| SpoolError::Closed)?;
        answered.await.map_err(|_| SpoolError::Closed)?
    }
}

#[cfg(test)]
mod tests;
