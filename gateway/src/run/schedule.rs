//! The schedule of recurring jobs, by tokio-cron-scheduler. Jobs are intervals, so no time zone is involved.

use std::time::Duration;

use gateway_core::site::{Event, Job};
use tokio::sync::mpsc::UnboundedSender;
use tokio_cron_scheduler::{Job as CronJob, JobScheduler, JobSchedulerError};

use super::input::{Input, send};
use crate::config::Config;

/// Interval of spool maintenance.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);

/// The scheduler's resolution: no job recurs more often.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// Starts the schedule.
pub(super) async fn begin(
    config: &Config,
    inputs: UnboundedSender<Input>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let sensing = &config.sensing;
    let seconds = |seconds: u32| config.wait(Duration::from_secs(seconds.into())).max(EVERY_MIN);
    for (job, every) in [
        (Job::Search, seconds(sensing.discovery_s)),
        (Job::Readings, seconds(sensing.reading_s)),
        (Job::Upkeep, UPKEEP_EVERY),
    ] {
        let inputs = inputs.clone();
        let repeated = CronJob::new_repeated(every, move |_, _| {
            tracing::debug!(job = job.name(), "job is due");
            send(&inputs, Input::Site(Event::Due(job)));
        })?;
        scheduler.add(repeated).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// Stops the schedule.
pub(super) async fn end(mut scheduler: JobScheduler) {
    if let Err(error) = scheduler.shutdown().await {
        tracing::warn!(error = %error, "the schedule can't be stopped");
    }
}
