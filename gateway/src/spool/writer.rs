//! The thread that owns the store: joins what waits into one sync, and stays until the disk takes it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::outbox::Acknowledgement;
use jiff::Timestamp;
use tokio::sync::oneshot::Sender;
use wire::ids::SpoolId;
use wire::report::{Lane, Loss, Report};

use super::changes::Changes;
use super::disk::{Disk, DiskError, Reserve};
use super::layout::{self, Key, Life, Restored};
use super::{Snapshot, SpoolError, SpoolSettings, Waiting, outbox, rescue};

/// Requests that share one sync at most.
const GROUP_MAX: usize = 256;

/// Pause before a disk that refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

type Answer<T> = Sender<Result<T, SpoolError>>;

/// What is asked of the thread.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Changes, Answer<()>),
    Waiting(Lane, usize, Answer<Waiting>),
    Acknowledge(Lane, u64, Answer<Acknowledgement>),
    PutAside(Lane, u64, String, Answer<()>),
    Upkeep(Answer<()>),
    Close(Answer<()>),
}

/// Whether the thread goes on.
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
    disk: Option<Disk>,
    life: Life,
    waiting_bytes: u64,
    snapshot: Arc<Mutex<Snapshot>>,
    held: VecDeque<Request>,
}

impl Writer {
    /// Opens the store; a damaged one is put aside first.
    pub(super) fn open(settings: SpoolSettings) -> Result<(Self, Restored), SpoolError> {
        let path = settings.data_dir.join("spool");
        let unusable = |error: &dyn std::fmt::Display| SpoolError::Unusable {
            path: path.clone(),
            problem: error.to_string(),
        };
        let reserve = Reserve::beside(&path);
        let is_new = !path.join("db").exists();
        let opened = Disk::open(&path).or_else(|error| match error {
            // A full disk: the store needs room to be opened.
            DiskError::Io(_) => {
                reserve.free();
                Disk::open(&path)
            }
            damaged @ DiskError::Damaged(_) => Err(damaged),
        });
        let (disk, life, mut restored, waiting_bytes) = match opened {
            Err(DiskError::Io(error)) => return Err(unusable(&error)),
            Err(DiskError::Damaged(why)) => anew(&path, None, &why)?,
            Ok(disk) => match rescue::restore(&disk, is_new) {
                Ok((life, restored, bytes)) => (disk, life, restored, bytes),
                Err(error) => {
                    let rescued = rescue::read(&disk);
                    drop(disk);
                    anew(&path, Some(rescued), &error.to_string())?
                }
            },
        };
        if let Err(error) = reserve.keep() {
            tracing::warn!(error = %error, "no room for the spool's reserve");
        }
        let limit_bytes = settings.limit_bytes / 2;
        let snapshot = Arc::new(Mutex::new(Snapshot {
            id: life.id,
            lanes: life.lanes,
            waiting_bytes,
            disk_bytes: disk.bytes(),
            limit_bytes,
            problem: None,
        }));
        restored.damage.truncate(1000);
        let held = VecDeque::new();
        let writer =
            Self { path, limit_bytes, reserve, disk: Some(disk), life, waiting_bytes, snapshot, held };
        Ok((writer, restored))
    }

    pub(super) fn shared(&self) -> Arc<Mutex<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Serves until closed or nobody is left to ask.
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
        // What is stored first is seen by what reads after it, and nothing that reads can be older than it was.
        if !commits.is_empty() && self.commit(commits, requests) == Flow::Closed {
            return Flow::Closed;
        }
        for request in rest {
            match request {
                Request::Waiting(lane, limit, answer) => tell(answer, self.waiting(lane, limit)),
                Request::Acknowledge(lane, number, answer) => {
                    match self.acknowledge(lane, number, requests) {
                        Some(result) => tell(answer, result),
                        None => return Flow::Closed,
                    }
                }
                Request::PutAside(lane, number, why, answer) => {
                    if self.put_aside(lane, number, &why, answer, requests) == Flow::Closed {
                        return Flow::Closed;
                    }
                }
                Request::Upkeep(answer) => tell(answer, self.upkeep()),
                Request::Close(answer) => {
                    self.disk = None;
                    tell(answer, Ok(()));
                    return Flow::Closed;
                }
                Request::Commit(..) => {}
            }
        }
        Flow::On
    }

    fn commit(&mut self, commits: Vec<(Changes, Answer<()>)>, requests: &Receiver<Request>) -> Flow {
        let mut batch = sled::Batch::default();
        let mut next = self.life.clone();
        let mut bytes = self.waiting_bytes;
        let mut answers = Vec::new();
        let mut made = 0_u64;
        for (changes, answer) in commits {
            let new: u64 =
                changes.reports.iter().map(|report| outbox::stored_bytes(&[0; 10], &report.value)).sum();
            match self.room_for(new, bytes, &mut batch) {
                Ok(freed) => bytes = bytes.saturating_sub(freed).saturating_add(new),
                Err(error) => {
                    tell(answer, Err(error));
                    continue;
                }
            }
            for report in changes.reports {
                let place = next.lanes.of_mut(report.lane).make();
                batch.insert(Key::Report(report.lane, place).bytes(), report.value);
                made += 1;
            }
            for (key, value) in changes.records {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            answers.push(answer);
        }
        let stored = self.store(next, bytes, batch, requests);
        if stored == Flow::On {
            metrics::counter!("platen_gateway_reports_made_total").increment(made);
        }
        let result = if stored == Flow::On { Ok(()) } else { Err(SpoolError::Closed) };
        for answer in answers {
            tell(answer, result.clone());
        }
        stored
    }

    fn room_for(&self, new: u64, bytes: u64, batch: &mut sled::Batch) -> Result<u64, SpoolError> {
        let after = bytes.saturating_add(new);
        if new == 0 || after <= self.limit_bytes {
            return Ok(0);
        }
        let disk = self.disk.as_ref().ok_or(SpoolError::Closed)?;
        let needed = after.saturating_sub(self.limit_bytes);
        let freed =
            outbox::make_room(disk, batch, &self.life.lanes, needed, self.limit_bytes, Timestamp::now())?;
        if freed < needed {
            return Err(SpoolError::Full { limit_bytes: self.limit_bytes });
        }
        Ok(freed)
    }

    /// Makes a batch durable, however long the disk takes to have room for it.
    fn store(
        &mut self,
        mut next: Life,
        waiting_bytes: u64,
        mut batch: sled::Batch,
        requests: &Receiver<Request>,
    ) -> Flow {
        next.batch = next.batch.saturating_add(1);
        match layout::encode(&Key::Life, &next) {
            Ok(value) => batch.insert(Key::Life.bytes(), value),
            Err(error) => tracing::error!(error = %error, "the spool's own state can't be encoded"),
        }
        loop {
            match self.try_store(&next, &batch) {
                Ok(()) => break,
                Err(error) => self.fail(&error),
            }
            if self.wait(requests) == Flow::Closed {
                return Flow::Closed;
            }
        }
        self.life = next;
        self.waiting_bytes = waiting_bytes;
        self.publish(None);
        Flow::On
    }

    fn try_store(&mut self, next: &Life, batch: &sled::Batch) -> Result<(), DiskError> {
        let disk = match self.disk.take() {
            Some(disk) => disk,
            None => {
                self.reserve.free();
                let disk = Disk::open(&self.path)?;
                self.reserve.keep()?;
                disk
            }
        };
        // After a failure the batch may be on the disk all the same: never twice.
        let stored = disk.get(&Key::Life.bytes())?;
        let stored = stored.and_then(|value| layout::decode::<Life>(b"l", &value).ok());
        if stored.as_ref() != Some(next) {
            disk.apply(batch.clone())?;
        }
        self.disk = Some(disk);
        Ok(())
    }

    /// Waits a moment for the disk; a request to close ends the waiting, others are held.
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

    fn fail(&self, error: &DiskError) {
        let known = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).problem.is_some();
        if !known {
            tracing::error!(error = %error, "the spool can't store: nothing is acknowledged until it can");
            metrics::counter!("platen_gateway_spool_failures_total").increment(1);
        }
        self.publish(Some(error.to_string()));
    }

    fn waiting(&self, lane: Lane, byte_limit: usize) -> Result<Waiting, SpoolError> {
        let disk = self.disk.as_ref().ok_or(SpoolError::Closed)?;
        outbox::waiting(disk, lane, self.life.lanes.of(lane), byte_limit)
    }

    /// `None` when the spool was closed while it waited for the disk.
    fn acknowledge(
        &mut self,
        lane: Lane,
        number: u64,
        requests: &Receiver<Request>,
    ) -> Option<Result<Acknowledgement, SpoolError>> {
        let state = *self.life.lanes.of(lane);
        let judged = state.judge(number);
        if judged == Acknowledgement::Nothing {
            return Some(Ok(judged));
        }
        let mut next = self.life.clone();
        next.lanes.of_mut(lane).apply(judged);
        let mut batch = sled::Batch::default();
        let mut bytes = self.waiting_bytes;
        if let Acknowledgement::Free { up_to } = judged {
            let disk = self.disk.as_ref()?;
            match outbox::free(disk, &mut batch, lane, state.acknowledged.saturating_add(1), up_to) {
                Ok(freed) => bytes = bytes.saturating_sub(freed),
                Err(error) => return Some(Err(SpoolError::Read { problem: error.to_string() })),
            }
            metrics::counter!("platen_gateway_reports_acknowledged_total")
                .increment(up_to.saturating_sub(state.acknowledged));
        }
        if judged.is_new_life() {
            next.id = SpoolId(uuid::Uuid::now_v7());
            bytes = bytes.saturating_add(tell_new_life(&mut next, &mut batch, lane, judged));
        }
        match self.store(next, bytes, batch, requests) {
            Flow::On => Some(Ok(judged)),
            Flow::Closed => None,
        }
    }

    fn put_aside(
        &mut self,
        lane: Lane,
        number: u64,
        why: &str,
        answer: Answer<()>,
        requests: &Receiver<Request>,
    ) -> Flow {
        let state = self.life.lanes.of(lane);
        let place =
            (state.acknowledged.saturating_add(1)..=state.made).find(|p| state.number(*p) == Some(number));
        let why: String = why.chars().take(200).collect();
        let loss = Loss { lane, reports: 1, detail: format!("the server refused it: {why}") };
        let (Some(place), Ok(value)) = (place, layout::encode_report(Timestamp::now(), &Report::Loss(loss)))
        else {
            tell(answer, Ok(()));
            return Flow::On;
        };
        let mut batch = sled::Batch::default();
        batch.insert(Key::Report(lane, place).bytes(), value);
        let stored = self.store(self.life.clone(), self.waiting_bytes, batch, requests);
        tell(answer, if stored == Flow::On { Ok(()) } else { Err(SpoolError::Closed) });
        stored
    }

    fn upkeep(&self) -> Result<(), SpoolError> {
        if let Err(error) = self.reserve.keep() {
            tracing::warn!(error = %error, "no room for the spool's reserve");
        }
        self.publish(None);
        self.disk.as_ref().map(|_| ()).ok_or(SpoolError::Closed)
    }

    fn publish(&self, problem: Option<String>) {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if problem.is_none() && snapshot.problem.is_some() {
            tracing::info!("the spool stores again");
        }
        snapshot.id = self.life.id;
        snapshot.lanes = self.life.lanes;
        snapshot.waiting_bytes = self.waiting_bytes;
        snapshot.disk_bytes = self.disk.as_ref().map_or(snapshot.disk_bytes, Disk::bytes);
        snapshot.problem = problem;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("platen_gateway_spool_bytes").set(snapshot.disk_bytes as f64);
    }
}

/// A damaged store is put aside and made anew.
fn anew(
    path: &std::path::Path,
    rescued: Option<rescue::Rescued>,
    why: &str,
) -> Result<(Disk, Life, Restored, u64), SpoolError> {
    let now = Timestamp::now();
    let failed =
        |error: DiskError| SpoolError::Unusable { path: path.to_owned(), problem: error.to_string() };
    rescue::put_aside(path, now)?;
    let disk = Disk::open(path).map_err(failed)?;
    let rescued = rescued.unwrap_or(rescue::Rescued { records: std::collections::BTreeMap::new() });
    let detail = rescue::refill(&disk, rescued, now)?;
    tracing::error!(why, detail, "the spool was damaged");
    let (life, mut restored, bytes) = rescue::restore(&disk, false).map_err(failed)?;
    restored.damage = detail;
    Ok((disk, life, restored, bytes))
}

/// Reports that the server and this spool disagreed; gives the bytes that the report takes.
fn tell_new_life(next: &mut Life, batch: &mut sled::Batch, lane: Lane, judged: Acknowledgement) -> u64 {
    let (reports, detail) = match judged {
        Acknowledgement::ServerBehind { lost, .. } => {
            (lost, "the server no longer has what it had acknowledged")
        }
        Acknowledgement::Nothing
        | Acknowledgement::Free { .. }
        | Acknowledgement::Begin { .. }
        | Acknowledgement::ServerAhead { .. } => (0, "the spool is older than what the server has"),
    };
    tracing::error!(%lane, reports, "{detail}: the spool begins a new life");
    let loss = Report::Loss(Loss { lane, reports, detail: detail.to_owned() });
    let place = next.lanes.urgent.make();
    let key = Key::Report(Lane::Urgent, place).bytes();
    match layout::encode_report(Timestamp::now(), &loss) {
        Ok(value) => {
            let bytes = outbox::stored_bytes(&key, &value);
            batch.insert(key, value);
            bytes
        }
        Err(error) => {
            tracing::error!(error = %error, "a loss can't be encoded");
            0
        }
    }
}

fn tell<T>(answer: Answer<T>, result: Result<T, SpoolError>) {
    if answer.send(result).is_err() {
        tracing::trace!("nobody waits for the spool's answer any more");
    }
}
