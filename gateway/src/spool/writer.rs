//! The thread that owns the store: joins what waits into one sync, and stays until the disk takes it.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::outbox::{Acknowledgement, LaneState};
use jiff::Timestamp;
use tokio::sync::oneshot::Sender;
use wire::ids::SpoolId;
use wire::report::{Lane, Loss, Report};

use super::changes::Changes;
use super::disk::{Disk, DiskError, Reserve};
use super::layout::{self, Key, Life, Restored};
use super::mark::Mark;
use super::opening::{self, Opened};
use super::{Snapshot, SpoolError, SpoolSettings, Waiting, compact, outbox};

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
    /// The number that the server has, and the last number of the batch that it answers.
    Acknowledge(Lane, u64, Option<u64>, Answer<Acknowledgement>),
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

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Durable,
    /// The store had to be made anew meanwhile: what was decided before is to be decided again.
    Anew,
    Closed,
}

/// The thread's state.
pub(super) struct Writer {
    path: PathBuf,
    limit_bytes: u64,
    reserve: Reserve,
    mark: Mark,
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
        let reserve = Reserve::beside(&path);
        let mut mark = Mark::beside(&path);
        let Opened { disk, life, mut restored, waiting_bytes } = opening::open(&path, &reserve, mark.read())?;
        if let Err(error) = mark.write(&life) {
            tracing::warn!(error = %error, "the spool's mark can't be written yet");
        }
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
            Self { path, limit_bytes, reserve, mark, disk: Some(disk), life, waiting_bytes, snapshot, held };
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
                Request::Acknowledge(lane, number, last, answer) => {
                    match self.acknowledge((lane, number, last), requests) {
                        Some(result) => tell(answer, result),
                        None => return Flow::Closed,
                    }
                }
                Request::PutAside(lane, number, why, answer) => {
                    if self.put_aside(lane, number, &why, answer, requests) == Flow::Closed {
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

    /// Joins changes into one batch; those that there is no room for are refused.
    fn gather(&self, commits: Vec<(Changes, Answer<()>)>) -> Gathered {
        let mut all = Gathered {
            batch: sled::Batch::default(),
            next: self.life.clone(),
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
    ) -> Stored {
        next.batch = next.batch.saturating_add(1);
        match layout::encode(&Key::Life, &next) {
            Ok(value) => batch.insert(Key::Life.bytes(), value),
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
        self.life = next;
        self.waiting_bytes = waiting_bytes;
        self.publish(None);
        Stored::Durable
    }

    fn try_store(&mut self, next: &Life, batch: &sled::Batch) -> Result<Stored, DiskError> {
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
        // Before anybody hears of it: a store that goes back behind it is known then.
        self.mark.write(next)?;
        Ok(Stored::Durable)
    }

    /// Opens the store again, however long the disk takes.
    fn stay_open(&mut self, requests: &Receiver<Request>) -> Flow {
        while self.disk.is_none() {
            let life = self.life.clone();
            match self.reopen(&life) {
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

    /// Opens the store again after the disk refused, once there is room; `None` when it is not what it was, and had to be
    /// made anew.
    fn reopen(&mut self, next: &Life) -> Result<Option<Disk>, DiskError> {
        self.reserve.room_to_go_on()?;
        match Disk::open(&self.path) {
            Ok(disk) => {
                let found = stored_life(&disk)?;
                if found.as_ref() == Some(&self.life) || found.as_ref() == Some(next) {
                    self.reserve.keep()?;
                    return Ok(Some(disk));
                }
                disk.close();
            }
            Err(DiskError::Damaged(why)) => tracing::error!(why, "the store can't be opened again"),
            Err(error @ DiskError::Io(_)) => return Err(error),
        }
        let opened = opening::open(&self.path, &self.reserve, Some(self.life.clone()))
            .map_err(|error| DiskError::Io(io::Error::other(error.to_string())))?;
        self.mark.write(&opened.life)?;
        self.life = opened.life;
        self.waiting_bytes = opened.waiting_bytes;
        self.disk = Some(opened.disk);
        Ok(None)
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

    /// Tells that the disk refuses; nothing is answered until it doesn't.
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
        (lane, number, last): (Lane, u64, Option<u64>),
        requests: &Receiver<Request>,
    ) -> Option<Result<Acknowledgement, SpoolError>> {
        loop {
            let state = *self.life.lanes.of(lane);
            let judged = last.map_or_else(|| state.judge(number), |last| state.judge_batch(number, last));
            if judged == Acknowledgement::Nothing {
                return Some(Ok(judged));
            }
            let mut next = self.life.clone();
            next.lanes.of_mut(lane).apply(judged);
            let mut batch = sled::Batch::default();
            let mut bytes = self.waiting_bytes;
            let (from, up_to) = (state.acknowledged.saturating_add(1), next.lanes.of(lane).acknowledged);
            if from <= up_to {
                let disk = self.disk.as_ref()?;
                match outbox::free(disk, &mut batch, lane, from, up_to) {
                    Ok(freed) => bytes = bytes.saturating_sub(freed),
                    Err(error) => return Some(Err(SpoolError::Read { problem: error.to_string() })),
                }
            }
            if judged.is_new_life() {
                next.id = SpoolId(uuid::Uuid::now_v7());
            }
            if let Some(loss) = loss(&state, lane, number, judged) {
                bytes = bytes.saturating_add(report_loss(&mut next, &mut batch, loss));
            }
            match self.store(next, bytes, batch, requests) {
                Stored::Durable => {
                    let freed = up_to.saturating_sub(state.acknowledged);
                    metrics::counter!("platen_gateway_reports_acknowledged_total").increment(freed);
                    return Some(Ok(judged));
                }
                Stored::Anew => {}
                Stored::Closed => return None,
            }
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
        let (result, flow) = match self.store(self.life.clone(), self.waiting_bytes, batch, requests) {
            // A store that was made anew offers it again, and the server refuses it again.
            Stored::Durable | Stored::Anew => (Ok(()), Flow::On),
            Stored::Closed => (Err(SpoolError::Closed), Flow::Closed),
        };
        tell(answer, result);
        flow
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
        metrics::gauge!("platen_gateway_spool_stores").set(if snapshot.problem.is_none() {
            1.0
        } else {
            0.0
        });
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("platen_gateway_spool_bytes").set(snapshot.disk_bytes as f64);
    }
}

/// Changes that share one sync.
struct Gathered {
    batch: sled::Batch,
    next: Life,
    bytes: u64,
    made: u64,
    admitted: Vec<(Changes, Answer<()>)>,
}

/// Makes a batch durable. After a failure it may be on the disk all the same: never twice.
fn apply_once(disk: &Disk, next: &Life, batch: &sled::Batch) -> Result<(), DiskError> {
    if stored_life(disk)?.as_ref() == Some(next) { Ok(()) } else { disk.apply(batch.clone()) }
}

fn stored_life(disk: &Disk) -> Result<Option<Life>, DiskError> {
    let stored = disk.get(&Key::Life.bytes())?;
    Ok(stored.and_then(|value| layout::decode::<Life>(b"l", &value).ok()))
}

/// What the server's word says of losses, to be reported.
fn loss(state: &LaneState, lane: Lane, number: u64, judged: Acknowledgement) -> Option<Loss> {
    let gone = state.gone(number, judged);
    // That it went back was told when it was opened, unless it is an old copy of everything.
    let is_old_news = state.doubt.is_some_and(|doubt| doubt.went_back());
    let (reports, detail) = match judged {
        Acknowledgement::ServerBehind { lost, .. } => {
            (gone.saturating_add(lost), "the server no longer has what it had acknowledged")
        }
        Acknowledgement::ServerAhead { .. } if !is_old_news => {
            (gone, "the spool is older than what the server has")
        }
        Acknowledgement::Nothing
        | Acknowledgement::Confirmed
        | Acknowledgement::Free { .. }
        | Acknowledgement::Compared { .. }
        | Acknowledgement::Begin { .. }
        | Acknowledgement::ServerAhead { .. } => {
            (gone, "they went with a damaged spool, and the server doesn't have them")
        }
    };
    if reports == 0 && (is_old_news || !judged.is_new_life()) {
        return None;
    }
    tracing::error!(%lane, reports, "{detail}");
    metrics::counter!("platen_gateway_reports_lost_total").increment(gone);
    Some(Loss { lane, reports, detail: detail.to_owned() })
}

/// Adds the report of a loss; gives the bytes that it takes.
fn report_loss(next: &mut Life, batch: &mut sled::Batch, loss: Loss) -> u64 {
    let value = match layout::encode_report(Timestamp::now(), &Report::Loss(loss)) {
        Ok(value) => value,
        Err(error) => {
            tracing::error!(error = %error, "a loss can't be encoded");
            return 0;
        }
    };
    let key = Key::Report(Lane::Urgent, next.lanes.urgent.make()).bytes();
    let bytes = outbox::stored_bytes(&key, &value);
    batch.insert(key, value);
    bytes
}

fn tell<T>(answer: Answer<T>, result: Result<T, SpoolError>) {
    if answer.send(result).is_err() {
        tracing::trace!("nobody waits for the spool's answer any more");
    }
}
