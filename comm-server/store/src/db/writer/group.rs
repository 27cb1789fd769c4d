//! Groups of changes, each one transaction.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use runtime::error::chain;
use sqlx::AnyConnection;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use super::{Answer, GatewayKey, PollOutcome, PollRequest, TakePolls, Transactions, Waiting, What, answer};
use crate::db::{Engine, StoreError, failed};

/// Maximum number of changes in one transaction.
const PER_COMMIT: usize = 256;

/// Commits the queued changes in groups, one group at a time.
pub(super) async fn run(transactions: Transactions, mut queue: Queue, closing: CancellationToken) {
    let mut changes = Vec::with_capacity(PER_COMMIT);
    while queue.take(&mut changes, PER_COMMIT, &closing).await > 0 {
        transactions.finish(&mut changes).await;
    }
}

/// Commits each queued change in its own transaction, up to `at_once` at a time.
pub(super) async fn run_singles(
    transactions: Transactions,
    mut queue: Queue,
    closing: CancellationToken,
    at_once: u16,
) {
    let places = Arc::new(Semaphore::new(usize::from(at_once)));
    let mut next = Vec::with_capacity(1);
    while queue.take(&mut next, 1, &closing).await > 0 {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (transactions, mut changes) = (transactions.clone(), std::mem::take(&mut next));
        tokio::spawn(async move {
            transactions.finish(&mut changes).await;
            drop(place);
        });
    }
    // What was begun is ended before this is.
    drop(places.acquire_many(u32::from(at_once)).await);
}

impl Transactions {
    /// Executes the changes, commits, and sends the outcomes.
    async fn finish(&self, changes: &mut Vec<Waiting>) {
        let mut answers = Vec::with_capacity(changes.len());
        let committed = self.commit(changes, &mut answers).await;
        let committed = committed.map_err(|error| chain(&error));
        if let Err(reason) = &committed {
            tracing::error!(reason, "a database transaction failed and was rolled back");
        }
        changes.clear();
        for answer in answers {
            answer(committed.clone());
        }
    }

    /// Applies the changes in one transaction. If the transaction breaks, changes without an outcome are dropped, and
    /// their callers get [`StoreError::Unreachable`].
    async fn commit(&self, changes: &mut Vec<Waiting>, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
        let mut transaction =
            self.pool.begin_with(self.engine.begin()).await.map_err(failed("begin transaction"))?;
        if self.engine == Engine::Postgresql {
            // In one order everywhere, so that two servers never wait for each other.
            changes.sort_by(|one, other| one.key.cmp(&other.key));
            let mut keys: Vec<GatewayKey> =
                changes.iter().filter_map(|waiting| waiting.key.clone()).collect();
            keys.dedup();
            lock(self.engine, &mut transaction, keys).await?;
        }
        let mut polls = Vec::new();
        for Waiting { what, .. } in changes.drain(..) {
            match what {
                What::Poll(asked, sender) => polls.push((asked, sender)),
                What::Change(change) => {
                    mark(&mut transaction).await?;
                    let (keep, answer) = change(&mut transaction).await;
                    answers.push(answer);
                    release(&mut transaction, keep).await?;
                }
            }
        }
        // Last, so that their responses include the changes of the same group.
        while !polls.is_empty() {
            let mut of_others = HashSet::new();
            let (now, later) = polls.into_iter().partition(|(asked, _)| of_others.insert(asked.caller.key()));
            take_polls(&mut transaction, self.take_polls, now, answers).await?;
            polls = later;
        }
        transaction.commit().await.map_err(failed("commit"))
    }
}

/// A queued poll.
type Poll = (Box<PollRequest>, oneshot::Sender<Result<PollOutcome, StoreError>>);

/// Handles polls, each of a different gateway: all in one transaction or, if that fails, one by one, so that one that
/// fails doesn't affect the others.
async fn take_polls(
    connection: &mut AnyConnection,
    take: TakePolls,
    polls: Vec<Poll>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    mark(connection).await?;
    let all: Vec<&PollRequest> = polls.iter().map(|(asked, _)| &**asked).collect();
    let taken = take(connection, &all).await;
    release(connection, taken.is_ok()).await?;
    match taken {
        Ok(taken) => {
            answers
                .extend(polls.into_iter().zip(taken).map(|((_, sender), polled)| answer(Ok(polled), sender)));
        }
        Err(error) if polls.len() == 1 => {
            answers.extend(polls.into_iter().next().map(|(_, sender)| answer(Err(error), sender)));
        }
        Err(_) => {
            for poll in polls {
                Box::pin(take_polls(connection, take, vec![poll], answers)).await?;
            }
        }
    }
    Ok(())
}

async fn mark(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("SAVEPOINT one").execute(connection).await.map_err(failed("savepoint"))?;
    Ok(())
}

/// Releases the savepoint of [`mark`], and rolls back to it before unless the change is kept.
async fn release(connection: &mut AnyConnection, keep: bool) -> Result<(), StoreError> {
    if !keep {
        sqlx::query("ROLLBACK TO one")
            .execute(&mut *connection)
            .await
            .map_err(failed("roll back to savepoint"))?;
    }
    sqlx::query("RELEASE one").execute(connection).await.map_err(failed("savepoint"))?;
    Ok(())
}

/// Locks the rows of the gateways, so that what a change reads about its gateway stays valid until the commit.
async fn lock(
    engine: Engine,
    connection: &mut AnyConnection,
    mut keys: Vec<GatewayKey>,
) -> Result<(), StoreError> {
    let Some(last) = keys.last().cloned() else { return Ok(()) };
    // Few lengths, so that few statements are prepared.
    keys.resize(keys.len().next_power_of_two(), last);
    let mut sql = String::from("SELECT gateway FROM gateways WHERE (tenant, gateway) IN (");
    for place in 0..keys.len() {
        let joint = if place == 0 { "" } else { ", " };
        let written = write!(sql, "{joint}(${}, ${})", place * 2 + 1, place * 2 + 2);
        written.expect("writing to a string succeeds");
    }
    sql.push_str(") ORDER BY tenant, gateway");
    sql.push_str(engine.for_update());
    let mut select = sqlx::query(sqlx::AssertSqlSafe(sql));
    for key in keys {
        select = select.bind(key.tenant.to_string()).bind(key.gateway.to_string());
    }
    select.fetch_all(connection).await.map_err(failed("lock gateways"))?;
    Ok(())
}
