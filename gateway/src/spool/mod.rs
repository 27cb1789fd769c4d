//! The spool: what the gateway must not forget. The only module that knows sled.
//!
//! One thread owns the store. What several tasks want stored at once shares a sync (group commit); an answer comes
//! after the sync, never before. On a full disk nothing is answered until there is room again, and then it goes on by
//! itself. A damaged store is put aside, what can be read of it is kept, and the loss is reported.

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

pub use changes::Changes;
pub use error::SpoolError;
pub use layout::Restored;

use writer::{Request, Writer};

/// Where and how large.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// The gateway's data directory; the spool is `spool` in it.
    pub data_dir: PathBuf,
    /// Limit of the whole, bytes. Reports that wait may take half of it: the store needs as much to turn itself over.
    pub limit_bytes: u64,
}

/// How the spool is, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The life that the numbers belong to.
    pub id: SpoolId,
    /// Where the lanes are.
    pub lanes: Lanes<LaneState>,
    /// Bytes of the reports that wait.
    pub waiting_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// Limit of what waits, bytes.
    pub limit_bytes: u64,
    /// Why nothing can be stored at present.
    pub problem: Option<String>,
}

/// The oldest waiting reports of a lane, numbered.
#[derive(Debug)]
pub struct Waiting {
    /// The reports.
    pub reports: Vec<Envelope>,
    /// Whether more wait behind them.
    pub more: bool,
}

/// The spool; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    requests: Sender<Request>,
    snapshot: watch::Receiver<Snapshot>,
}

impl Spool {
    /// Opens the spool, or begins one, and gives back what it remembers.
    ///
    /// # Errors
    /// The directory can't be used. A damaged store is no error: it is put aside.
    pub async fn open(settings: SpoolSettings) -> Result<(Self, Restored), SpoolError> {
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
                    tracing::debug!("nobody waits for the spool");
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

    /// Makes the changes durable, all or none; returns when they are.
    ///
    /// # Errors
    /// The spool is full or closed. A full disk is waited for, not answered.
    pub async fn commit(&self, changes: Changes) -> Result<(), SpoolError> {
        self.ask(|answer| Request::Commit(changes, answer)).await
    }

    /// The oldest waiting reports of a lane that fit a batch of `byte_limit` bytes; none that has no number before the
    /// server was asked.
    ///
    /// # Errors
    /// The store can't be read, or nothing can be stored at present.
    pub async fn waiting(&self, lane: Lane, byte_limit: usize) -> Result<Waiting, SpoolError> {
        self.ask_unless_refused(|answer| Request::Waiting(lane, byte_limit, answer)).await
    }

    /// The server has everything of the lane up to `number` on its disk: frees it, or finds the lane's base.
    ///
    /// # Errors
    /// The spool is closed, or nothing can be stored at present: then the server says it again.
    pub async fn acknowledge(&self, lane: Lane, number: u64) -> Result<Acknowledgement, SpoolError> {
        self.ask_unless_refused(|answer| Request::Acknowledge(lane, number, None, answer)).await
    }

    /// The same by the server's answer to a batch whose last report had the number `last`: it has compared what it had of
    /// it already.
    ///
    /// # Errors
    /// The spool is closed, or nothing can be stored at present: then the server says it again.
    pub async fn answered(&self, lane: Lane, number: u64, last: u64) -> Result<Acknowledgement, SpoolError> {
        self.ask_unless_refused(|answer| Request::Acknowledge(lane, number, Some(last), answer)).await
    }

    /// The server will never take the report of this number: a short report of its loss takes its place.
    ///
    /// # Errors
    /// The store can't be read, nothing can be stored at present, or the spool is closed.
    pub async fn put_aside(&self, lane: Lane, number: u64, why: String) -> Result<(), SpoolError> {
        self.ask_unless_refused(|answer| Request::PutAside(lane, number, why, answer)).await
    }

    /// Tidies up: gives the disk space back that an outage took, measures it, keeps the reserve.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn upkeep(&self) -> Result<(), SpoolError> {
        self.ask(Request::Upkeep).await
    }

    /// Flushes and closes; later requests fail.
    ///
    /// # Errors
    /// The spool is closed already.
    pub async fn close(&self) -> Result<(), SpoolError> {
        self.ask(Request::Close).await
    }

    /// How the spool is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Why nothing can be stored at present.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.snapshot.borrow().problem.clone()
    }

    /// Waits until the disk `refuses`, or takes again what is stored.
    pub async fn turned(&self, refuses: bool) {
        let mut snapshot = self.snapshot.clone();
        if snapshot.wait_for(|now| now.problem.is_some() == refuses).await.is_err() {
            // The spool is closed: what it did last is what it does.
            std::future::pending::<()>().await;
        }
    }

    /// Asks what needs no room of its own, and what would only wait for it. The thread may be at it all the same later,
    /// in the order in which it was asked.
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
