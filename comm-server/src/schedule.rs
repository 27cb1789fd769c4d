//! Scheduled jobs: meter requests that are due, expired commands and sessions, roll-outs whose date has passed, audit
//! entries that are not sealed. Jobs run in UTC.

use std::future::Future;

use comm_server_core::calls;
use comm_server_core::commands::CommandState;
use comm_server_core::retention::Retention;
use comm_server_core::tenancy::Scope;
use jiff::Timestamp;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use wire::report::CallKind;

use crate::store::{Statistics, Store, StoreError};

/// At second 0 of each minute.
const EACH_MINUTE: &str = "0 * * * * *";

/// At minute 17 of each hour.
const EACH_HOUR: &str = "0 17 * * * *";

/// Every 10 seconds.
const SEALING: &str = "*/10 * * * * *";

/// Every 15 seconds.
const OFTEN: &str = "*/15 * * * * *";

/// Starts the jobs.
///
/// # Errors
/// The scheduler.
pub(crate) async fn start(store: &Store, retention: Retention) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    scheduler.add(job(EACH_MINUTE, store, "meter requests", ask_meters)?).await?;
    scheduler.add(job(EACH_MINUTE, store, "expiry of commands", expire_commands)?).await?;
    scheduler.add(job(EACH_MINUTE, store, "expiry of sessions", expire_sessions)?).await?;
    scheduler.add(job(EACH_MINUTE, store, "dates of roll-outs", begin_rollouts)?).await?;
    scheduler.add(job(EACH_MINUTE, store, "readings of swaps", complete_swaps)?).await?;
    let tidy = move |store: Store, now| async move { store.apply_retention(retention, now).await };
    scheduler.add(job(EACH_HOUR, store, "retention", tidy)?).await?;
    scheduler.add(job(SEALING, store, "sealing of the audit", seal_audit)?).await?;
    scheduler.add(job(OFTEN, store, "statistics", gauge)?).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

fn job<Work, Done>(
    when: &str,
    store: &Store,
    what: &'static str,
    work: Work,
) -> Result<Job, JobSchedulerError>
where
    Work: Fn(Store, Timestamp) -> Done + Clone + Send + Sync + 'static,
    Done: Future<Output = Result<u64, StoreError>> + Send + 'static,
{
    let store = store.clone();
    Job::new_async(when, move |_, _| {
        let (store, work) = (store.clone(), work.clone());
        Box::pin(async move {
            match work(store, Timestamp::now()).await {
                Ok(0) => {}
                Ok(done) => tracing::info!(done, what, "a scheduled job made changes"),
                Err(error) => {
                    tracing::error!(what, error = &error as &dyn std::error::Error, "a scheduled job failed");
                }
            }
        })
    })
}

async fn ask_meters(store: Store, now: Timestamp) -> Result<u64, StoreError> {
    store.request_due_meters(now, rand::random).await
}

async fn expire_commands(store: Store, now: Timestamp) -> Result<u64, StoreError> {
    store.expire_commands(now).await
}

async fn expire_sessions(store: Store, now: Timestamp) -> Result<u64, StoreError> {
    store.expire_sessions(now).await
}

async fn complete_swaps(store: Store, _: Timestamp) -> Result<u64, StoreError> {
    store.complete_swaps().await
}

async fn begin_rollouts(store: Store, now: Timestamp) -> Result<u64, StoreError> {
    store.begin_due_rollouts(now).await
}

/// Seals new audit entries. This isn't logged, because there are new ones nearly always.
async fn seal_audit(store: Store, _: Timestamp) -> Result<u64, StoreError> {
    store.seal_audit().await.map(|_| 0)
}

/// Numbers of all tenants as metrics. Kinds and states that are gone must not keep their last number.
async fn gauge(store: Store, _: Timestamp) -> Result<u64, StoreError> {
    let mut statistics = Statistics::default();
    for tenant in store.dealer_ids().await? {
        statistics.add(&store.of(&Scope::of_tenant(tenant)).statistics().await?);
    }
    let number = |rows: Option<&u64>| {
        u32::try_from(rows.copied().unwrap_or_default()).map_or(f64::INFINITY, f64::from)
    };
    for kind in CallKind::ALL.into_iter().filter(|kind| calls::has_end(*kind)) {
        let open = number(statistics.open_calls.get(&kind));
        metrics::gauge!("platen_comm_open_calls", "kind" => kind.name()).set(open);
    }
    for state in CommandState::ALL {
        let commands = number(statistics.commands.get(&state));
        metrics::gauge!("platen_comm_commands", "state" => state.name()).set(commands);
    }
    Ok(0)
}
