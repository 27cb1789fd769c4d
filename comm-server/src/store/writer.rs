//! The one writer: takes the changes that wait, makes them in one transaction, and answers each after the commit.
//!
//! A change that fails is undone alone (a savepoint); a commit that fails is told to all. So thousands of gateways
//! share one sync, and nothing is acknowledged that isn't on the disk.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{StoreError, failed};

/// Changes that may wait before senders have to.
const WAITING: usize = 1024;

/// How long a sender waits for a place before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Changes in one transaction.
const PER_COMMIT: usize = 256;

/// A future of a change, tied to its connection.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// A change that was made and waits for the commit.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;

/// A change and whether it is to be kept.
type Made<'c> = Pin<Box<dyn Future<Output = (bool, Answer)> + Send + 'c>>;

type Change = Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Made<'c> + Send>;

/// Hands changes to the writer's task.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    changes: mpsc::Sender<Change>,
    closing: CancellationToken,
}

impl Writer {
    /// Starts the task; it ends when the writer is closed or its last clone is gone.
    pub(crate) fn start(pool: AnyPool) -> (Self, JoinHandle<()>) {
        let (changes, waiting) = mpsc::channel(WAITING);
        let closing = CancellationToken::new();
        let task = tokio::spawn(run(pool, waiting, closing.clone()));
        (Self { changes, closing }, task)
    }

    /// Takes no more changes; those that wait are still made.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Makes a change; the answer comes after the commit.
    ///
    /// # Errors
    /// The change, the commit, or the store is busy or closed.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let place = tokio::time::timeout(PATIENCE, self.changes.reserve()).await;
        place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?.send(change(work, sender));
        answer.await.map_err(|_| StoreError::Closed)?
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
            let answer = move |committed: Result<(), String>| {
                let outcome = match committed {
                    Ok(()) => outcome,
                    Err(reason) => outcome.and(Err(StoreError::Commit { reason })),
                };
                // Whoever asked may be gone; what was committed stays committed.
                drop(sender.send(outcome));
            };
            (keep, Box::new(answer) as Answer)
        })
    })
}

async fn run(pool: AnyPool, mut waiting: mpsc::Receiver<Change>, closing: CancellationToken) {
    let mut changes = Vec::with_capacity(PER_COMMIT);
    loop {
        let taken = tokio::select! {
            taken = waiting.recv_many(&mut changes, PER_COMMIT) => taken,
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        if taken == 0 {
            break;
        }
        let mut answers = Vec::with_capacity(changes.len());
        let committed = commit(&pool, &mut changes, &mut answers).await;
        let committed = committed.map_err(|error| chain(&error));
        if let Err(reason) = &committed {
            tracing::error!(reason, "a transaction failed");
        }
        changes.clear();
        for answer in answers {
            answer(committed.clone());
        }
    }
}

/// Makes the changes in one transaction. What isn't answered because the transaction broke is dropped: its sender
/// sees the store closed.
async fn commit(
    pool: &AnyPool,
    changes: &mut Vec<Change>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed("to begin"))?;
    for change in changes.drain(..) {
        sqlx::query("SAVEPOINT one").execute(&mut *transaction).await.map_err(failed("a savepoint"))?;
        let (keep, answer) = change(&mut transaction).await;
        answers.push(answer);
        if !keep {
            sqlx::query("ROLLBACK TO one").execute(&mut *transaction).await.map_err(failed("to undo"))?;
        }
        sqlx::query("RELEASE one").execute(&mut *transaction).await.map_err(failed("a savepoint"))?;
    }
    transaction.commit().await.map_err(failed("to commit"))
}

/// An error with its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
