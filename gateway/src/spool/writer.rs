//! The thread that owns the store: combines requests into one sync, and retries until the disk accepts it.

mod acknowledge;
mod durable;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use gateway_core::outbox::Acknowledgement;
use jiff::Timestamp;
use tokio::sync::oneshot::Sender;
use tokio::sync::watch;
use wire::report::{Envelope, Lane};

use super::changes::Changes;
use super::disk::{Disk, Reserve};
use super::high_water_mark::HighWaterMark;
use super::layout::{Epoch, Key, Restored};
use super::opening::{self, Opened};
use super::{Snapshot, SpoolError, SpoolSettings, compact, outbox};
use durable::Stored;

/// Maximum number of requests that share one sync.
const GROUP_MAX: usize = 256;

type Answer<T> = Sender<Result<T, SpoolError>>;

/// A request to the thread.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Changes, Answer<()>),
    Waiting(Lane, usize, Answer<Vec<Envelope>>),
    /// The server's number, and the last number of the batch that it acknowledges.
    Acknowledge(Lane, u64, Option<u64>, Answer<Acknowledgement>),
    PutAside(Lane, u64, String, Answer<()>),
    Upkeep(Answer<()>),
    Close(Answer<()>),
}

/// Whether the thread continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Closed,
}

/// The thread's state.
pub(super) struct Writer {
    path: PathBuf,
    limit_bytes: u64,
    reserve: Reserve,
    mark: HighWaterMark,
    disk: Option<Disk>,
    epoch: Epoch,
    waiting_bytes: u64,
    snapshot: watch::Sender<Snapshot>,
    held: VecDeque<Request>,
    /// Whether the epoch was renewed after the store was opened, because a lane was unconfirmed.
    renewed: bool,
}

impl Writer {
    /// Opens the store; a damaged one is moved away first.
    pub(super) fn open(settings: SpoolSettings) -> Result<(Self, Restored), SpoolError> {
        let path = settings.data_dir.join("spool");
        let reserve = Reserve::beside(&path);
        let mut mark = HighWaterMark::beside(&path);
        let Opened { disk, epoch, mut restored, waiting_bytes } =
            opening::open(&path, &reserve, mark.read())?;
        if let Err(error) = mark.write(&epoch) {
            tracing::warn!(error = %error, "the spool's high-water mark can't be written at present");
        }
        if let Err(error) = reserve.keep() {
            tracing::warn!(error = %error, "no room for the spool's reserve");
        }
        let limit_bytes = settings.limit_bytes / 2;
        let snapshot = watch::Sender::new(Snapshot {
            id: epoch.id,
            lanes: epoch.lanes,
            waiting_bytes,
            disk_bytes: disk.bytes(),
            limit_bytes,
            problem: None,
        });
        restored.damage.truncate(1000);
        let (held, renewed) = (VecDeque::new(), false);
        let writer = Self {
            path,
            limit_bytes,
            reserve,
            mark,
            disk: Some(disk),
            epoch,
            waiting_bytes,
            snapshot,
            held,
            renewed,
        };
        Ok((writer, restored))
    }

    pub(super) fn shared(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Serves requests until it is closed or all handles are dropped.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        while let Some(first) = self.held.pop_front().or_else(|| requests.recv().ok()) {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                match self.held.pop_front().or_else(|| requests.try_recv().ok()) {
                    Some(request) => group.push(request),
                    None => break,
                }
            }
            if self.serve(group, requests) == Flow::Closed {
                return;
            }
        }
    }

    fn serve(&mut self, group: Vec<Request>, requests: &Receiver<Request>) -> Flow {
        let mut commits = Vec::new();
        let mut rest = Vec::new();
        for request in group {
            match request {
                Request::Commit(changes, answer) => commits.push((changes, answer)),
                other @ (Request::Waiting(..)
                | Request::Acknowledge(..)
                | Request::PutAside(..)
                | Request::Upkeep(_)
                | Request::Close(_)) => rest.push(other),
            }
        }
        // Changes are stored before later reads, so that reads see them.
        if !commits.is_empty() && self.commit(commits, requests) == Flow::Closed {
            return Flow::Closed;
        }
        for request in rest {
            match request {
                Request::Waiting(lane, limit, answer) => tell(answer, self.waiting(lane, limit)),
                Request::Acknowledge(lane, number, last, answer) => {
                    match self.acknowledge((lane, number, last), requests) {
                        Some(result) => tell(answer, result),
                        None => return Flow::Closed,
                    }
                }
                Request::PutAside(lane, number, why, answer) => {
                    if self.quarantine(lane, number, &why, answer, requests) == Flow::Closed {
                        return Flow::Closed;
                    }
                }
                Request::Upkeep(answer) => {
                    self.upkeep();
                    if self.stay_open(requests) == Flow::Closed {
                        return Flow::Closed;
                    }
                    tell(answer, Ok(()));
                }
                Request::Close(answer) => {
                    self.disk.take().into_iter().for_each(Disk::close);
                    tell(answer, Ok(()));
                    return Flow::Closed;
                }
                Request::Commit(..) => {}
            }
        }
        Flow::On
    }

    fn commit(&mut self, mut commits: Vec<(Changes, Answer<()>)>, requests: &Receiver<Request>) -> Flow {
        loop {
            let gathered = self.gather(commits);
            let Gathered { batch, next, bytes, made, admitted } = gathered;
            let stored = self.store(next, bytes, batch, requests);
            let (result, flow) = match stored {
                Stored::Durable => {
                    metrics::counter!("platen_gateway_reports_made_total").increment(made);
                    (Ok(()), Flow::On)
                }
                Stored::Closed => (Err(SpoolError::Closed), Flow::Closed),
                Stored::Anew => {
                    commits = admitted;
                    continue;
                }
            };
            for (_, answer) in admitted {
                tell(answer, result.clone());
            }
            return flow;
        }
    }

    /// Combines changes into one batch; those without room are rejected.
    fn gather(&self, commits: Vec<(Changes, Answer<()>)>) -> Gathered {
        let mut all = Gathered {
            batch: sled::Batch::default(),
            next: self.epoch.clone(),
            bytes: self.waiting_bytes,
            made: 0,
            admitted: Vec::with_capacity(commits.len()),
        };
        for (changes, answer) in commits {
            let new: u64 =
                changes.reports.iter().map(|report| outbox::stored_bytes(&[0; 10], &report.value)).sum();
            match self.room_for(new, all.bytes, &mut all.batch) {
                Ok(freed) => all.bytes = all.bytes.saturating_sub(freed).saturating_add(new),
                Err(error) => {
                    tell(answer, Err(error));
                    continue;
                }
            }
            for report in &changes.reports {
                let place = all.next.lanes.of_mut(report.lane).make();
                all.batch.insert(Key::Report(report.lane, place).bytes(), report.value.as_slice());
                all.made += 1;
            }
            for (key, value) in &changes.records {
                match value {
                    Some(value) => all.batch.insert(key.as_slice(), value.as_slice()),
                    None => all.batch.remove(key.as_slice()),
                }
            }
            all.admitted.push((changes, answer));
        }
        all
    }

    fn room_for(&self, new: u64, bytes: u64, batch: &mut sled::Batch) -> Result<u64, SpoolError> {
        let after = bytes.saturating_add(new);
        if new == 0 || after <= self.limit_bytes {
            return Ok(0);
        }
        let disk = self.disk.as_ref().ok_or(SpoolError::Closed)?;
        let needed = after.saturating_sub(self.limit_bytes);
        let freed =
            outbox::make_room(disk, batch, &self.epoch.lanes, needed, self.limit_bytes, Timestamp::now())?;
        if freed < needed {
            return Err(SpoolError::Full { limit_bytes: self.limit_bytes });
        }
        Ok(freed)
    }

    fn waiting(&self, lane: Lane, byte_limit: usize) -> Result<Vec<Envelope>, SpoolError> {
        let disk = self.disk.as_ref().ok_or(SpoolError::Closed)?;
        outbox::waiting(disk, lane, self.epoch.lanes.of(lane), byte_limit)
    }

    fn upkeep(&mut self) {
        if let Some(disk) = self.disk.take() {
            match compact::compact(&self.path, disk, &self.reserve) {
                Ok(disk) => self.disk = Some(disk),
                // Nothing is lost: the store is opened again.
                Err(error) => return self.fail(&error),
            }
        }
        if let Err(error) = self.reserve.keep() {
            tracing::warn!(error = %error, "no room for the spool's reserve");
        }
        self.publish(None);
    }
}

/// Changes that share one sync.
struct Gathered {
    batch: sled::Batch,
    next: Epoch,
    bytes: u64,
    made: u64,
    admitted: Vec<(Changes, Answer<()>)>,
}

fn tell<T>(answer: Answer<T>, result: Result<T, SpoolError>) {
    if answer.send(result).is_err() {
        tracing::trace!("result dropped: the requesting task has ended");
    }
}
