//! The schedule: what comes again and again, by tokio-cron-scheduler with jobs that know no time zone.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_cron_scheduler::{Job as CronJob, JobScheduler, JobSchedulerError};

use super::engine::{Engine, Event};
use crate::config::Config;

/// Between two tidyings of the spool.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);

/// No job comes more often: the scheduler's own grain.
const LEAST: Duration = Duration::from_secs(1);

/// A job of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Search the networks.
    Search,
    /// Read all devices wholly.
    Readings,
    /// Tidy up.
    Upkeep,
}

impl Job {
    /// Name in the spool.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Readings => "readings",
            Self::Upkeep => "upkeep",
        }
    }
}

/// Begins the schedule.
pub(super) async fn begin(
    config: &Config,
    events: UnboundedSender<Event>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let sensing = &config.sensing;
    let seconds = |seconds: u32| config.wait(Duration::from_secs(seconds.into())).max(LEAST);
    for (job, every) in [
        (Job::Search, seconds(sensing.discovery_s)),
        (Job::Readings, seconds(sensing.reading_s)),
        (Job::Upkeep, UPKEEP_EVERY),
    ] {
        let events = events.clone();
        let repeated = CronJob::new_repeated(every, move |_, _| {
            tracing::debug!(job = job.name(), "due");
            Engine::tell(&events, Event::Due(job));
        })?;
        scheduler.add(repeated).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// Ends the schedule.
pub(super) async fn end(mut scheduler: JobScheduler) {
    if let Err(error) = scheduler.shutdown().await {
        tracing::warn!(error = %error, "the schedule can't be ended");
    }
}
