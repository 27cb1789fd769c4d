//! Roll-outs: made of commands, advanced by reports, their state always derived from their devices.

mod cancel;
mod create;
mod derive;
mod read;
mod steps;

pub use read::{Rollout, RolloutDevice};

pub(super) use derive::begin_due;
pub(super) use steps::{Place, advance, fail_devices};

use std::collections::BTreeSet;

use comm_server_core::rollouts::{PlanError, Wish, plan};
use jiff::Timestamp;
use wire::ids::RolloutId;

use super::{Store, StoreError};

/// A roll-out to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRollout {
    /// What is wished.
    pub wish: Wish,
    /// Name of the published image.
    pub target: String,
    /// The roll-out whose failed devices these are.
    pub retry_of: Option<RolloutId>,
    /// Who makes it.
    pub created_by: String,
}

/// Why a roll-out isn't made or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No such roll-out.
    #[error("there is no roll-out {rollout}")]
    NotFound {
        /// The roll-out.
        rollout: RolloutId,
    },
    /// It is at its end already.
    #[error("roll-out {rollout} is {state} already")]
    Ended {
        /// The roll-out.
        rollout: RolloutId,
        /// How it ended.
        state: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Makes a roll-out: a command for each gateway that has devices of the model which don't show the version.
    ///
    /// # Errors
    /// The plan is refused, or the database.
    pub async fn create_rollout(
        &self,
        tenant: &str,
        new: NewRollout,
        now: Timestamp,
    ) -> Result<RolloutId, RolloutError> {
        let tenant = tenant.to_owned();
        let made = self
            .writer()
            .write(move |connection| {
                Box::pin(async move { create::create(connection, &tenant, &new, now).await })
            })
            .await?;
        Ok(made?)
    }

    /// Whether [`Store::create_rollout`] would make it, as things are now; changes nothing.
    ///
    /// # Errors
    /// The plan is refused, or the database.
    pub async fn check_rollout(&self, tenant: &str, wish: &Wish, now: Timestamp) -> Result<(), RolloutError> {
        let fleet = create::fleet(&mut *self.reader().await?, tenant).await?;
        plan(wish, &fleet, now)?;
        Ok(())
    }

    /// Devices that failed in a roll-out, by gateway and id.
    ///
    /// # Errors
    /// The database.
    pub async fn failed_devices(
        &self,
        tenant: &str,
        rollout: RolloutId,
    ) -> Result<BTreeSet<(String, String)>, StoreError> {
        read::failed_devices(&mut *self.reader().await?, tenant, rollout).await
    }

    /// Cancels what isn't yet pushed.
    ///
    /// # Errors
    /// There is no such roll-out, it has ended, or the database.
    pub async fn cancel_rollout(
        &self,
        tenant: &str,
        rollout: RolloutId,
        by: &str,
        now: Timestamp,
    ) -> Result<(), RolloutError> {
        let (tenant, by) = (tenant.to_owned(), by.to_owned());
        let outcome = self
            .writer()
            .write(move |connection| {
                Box::pin(async move { cancel::cancel(connection, (&tenant, rollout), &by, now).await })
            })
            .await?;
        match outcome {
            cancel::Cancelled::Yes => Ok(()),
            cancel::Cancelled::NotFound => Err(RolloutError::NotFound { rollout }),
            cancel::Cancelled::Ended(state) => Err(RolloutError::Ended { rollout, state }),
        }
    }

    /// Roll-outs whose date has come are running; how many.
    ///
    /// # Errors
    /// The database.
    pub async fn begin_due_rollouts(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer().write(move |connection| Box::pin(async move { begin_due(connection, now).await })).await
    }
}
