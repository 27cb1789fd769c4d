//! The writers: each executes the queued changes in one transaction, and responds to each after the commit.
//!
//! A change that fails is rolled back alone (to a savepoint); a commit that fails is reported to all. Thousands of
//! gateways thus share one sync, and nothing is acknowledged that isn't durable. All changes of a gateway go through
//! the same writer, in order; if several servers share a database, the gateway's row is locked first.

mod group;
mod job;
mod queue;

use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;

use sqlx::{AnyConnection, AnyPool};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::engine::{Engine, Writing};
pub use job::{Caller, PollOutcome};
pub(crate) use job::{GatewayKey, PollRequest, Urgency};
use queue::{Entrance, Queue};

/// A future of a change, tied to its connection.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Handles polls, each of a different gateway, in one transaction; the outcomes have the same order.
pub(crate) type TakePolls =
    for<'c> fn(&'c mut AnyConnection, &'c [&'c PollRequest]) -> Work<'c, Vec<PollOutcome>>;

/// The settings of a writer's transactions.
#[derive(Clone)]
struct Transactions {
    engine: Engine,
    pool: AnyPool,
    take_polls: TakePolls,
}

/// Sends the result of a change after the commit.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The execution of a change; returns whether it is kept, and what to send.
type Made<'c> = Pin<Box<dyn Future<Output = (bool, Answer)> + Send + 'c>>;

type Change = Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Made<'c> + Send>;

/// A queued change.
struct Waiting {
    key: Option<GatewayKey>,
    what: What,
}

/// The change.
enum What {
    /// Any single change.
    Change(Change),
    /// A poll, together with others.
    Poll(Box<PollRequest>, oneshot::Sender<Result<PollOutcome, StoreError>>),
}

/// Passes changes to the writers.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    groups: Arc<[Entrance]>,
    singles: Option<Entrance>,
    closing: CancellationToken,
}

impl Writer {
    /// Starts the writers; the task ends when they are closed or the last clone is dropped.
    pub(crate) fn start(engine: Engine, pool: AnyPool, take_polls: TakePolls) -> (Self, JoinHandle<()>) {
        let closing = CancellationToken::new();
        let Writing { groups, singles } = engine.writing();
        let writing = |pool| Transactions { engine, pool, take_polls };
        let mut tasks = tokio::task::JoinSet::new();
        let mut entrances = Vec::with_capacity(usize::from(groups));
        for _ in 0..groups {
            let (entrance, queue) = Queue::new();
            entrances.push(entrance);
            tasks.spawn(group::run(writing(pool.clone()), queue, closing.clone()));
        }
        let singles = (singles > 0).then(|| {
            let (entrance, queue) = Queue::new();
            tasks.spawn(group::run_singles(writing(pool), queue, closing.clone(), singles));
            entrance
        });
        let task = tokio::spawn(async move { while tasks.join_next().await.is_some() {} });
        (Self { groups: entrances.into(), singles, closing }, task)
    }

    /// Rejects further changes; queued ones are still executed.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// How full the queue for changes is, at the fullest writer: 0 to 1.
    pub(crate) fn load(&self) -> f64 {
        self.groups.iter().map(Entrance::load).fold(0.0, f64::max)
    }

    /// Executes a change that concerns no single gateway; returns after the commit.
    ///
    /// # Errors
    /// The change or the commit failed, or the store is busy, closed or unreachable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        let entrance = self.singles.as_ref().or_else(|| self.groups.first());
        self.hand_over(entrance, None, Urgency::Urgent, |sender| What::Change(change(work, sender))).await
    }

    /// Executes a change that concerns one gateway; returns after the commit.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(crate) async fn write_of<T, F>(
        &self,
        key: GatewayKey,
        urgency: Urgency,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        let what = |sender| What::Change(change(work, sender));
        self.hand_over(self.group_of(&key), Some(key), urgency, what).await
    }

    /// Handles a poll, in one transaction with those that arrive at the same time; returns after the commit.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(crate) async fn poll(&self, request: PollRequest) -> Result<PollOutcome, StoreError> {
        let key = request.caller.key();
        let what = |sender| What::Poll(Box::new(request), sender);
        self.hand_over(self.group_of(&key), Some(key), Urgency::Regular, what).await
    }

    /// The writer of a gateway's changes.
    fn group_of(&self, key: &GatewayKey) -> Option<&Entrance> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % self.groups.len().max(1) as u64).unwrap_or(0);
        self.groups.get(place)
    }

    /// The error of a change that was dropped without a result.
    fn why_nothing(&self) -> StoreError {
        if self.closing.is_cancelled() { StoreError::Closed } else { StoreError::Unreachable }
    }

    /// Enqueues a change that is built with a sender, and waits for the value sent.
    async fn hand_over<T>(
        &self,
        entrance: Option<&Entrance>,
        key: Option<GatewayKey>,
        urgency: Urgency,
        what: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> What,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let entrance = entrance.ok_or(StoreError::Closed)?;
        entrance.enter(urgency, Waiting { key, what: what(sender) }).await?;
        answer.await.map_err(|_| self.why_nothing())?
    }
}

fn change<T, F>(work: F, sender: oneshot::Sender<Result<T, StoreError>>) -> Change
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
{
    Box::new(move |connection| {
        Box::pin(async move {
            let outcome = work(connection).await;
            let keep = outcome.is_ok();
            (keep, answer(outcome, sender))
        })
    })
}

/// Sends an outcome after its commit has succeeded or failed.
fn answer<T: Send + 'static>(
    outcome: Result<T, StoreError>,
    sender: oneshot::Sender<Result<T, StoreError>>,
) -> Answer {
    Box::new(move |committed: Result<(), String>| {
        let outcome = match committed {
            Ok(()) => outcome,
            Err(reason) => outcome.and(Err(StoreError::Commit { reason })),
        };
        // The sender may have been cancelled; what was committed stays committed.
        drop(sender.send(outcome));
    })
}
