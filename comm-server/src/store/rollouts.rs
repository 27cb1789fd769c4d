//! Roll-outs: made of commands, advanced by reports, their state always derived from their devices.

mod change;
mod read;

pub use read::{Rollout, RolloutDevice};

pub(super) use change::{Place, Told, advance, begin_due, fail_devices};

use jiff::Timestamp;
use wire::ids::RolloutId;

use super::{Store, StoreError};

/// A roll-out to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRollout {
    /// Vendor's short name, as in a reading.
    pub vendor: String,
    /// Model, as in a reading.
    pub model: String,
    /// Version that the devices show afterwards.
    pub version: String,
    /// Push not before this.
    pub not_before: Timestamp,
    /// Who makes it.
    pub created_by: String,
}

/// Why a roll-out isn't made or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// A text is empty or too long.
    #[error("{field} {given:?} is not usable: expected 1 to 100 characters")]
    Field {
        /// Which.
        field: &'static str,
        /// As it was given.
        given: String,
    },
    /// Nothing to do.
    #[error("no device of {vendor} {model} lacks version {version}")]
    NoDevices {
        /// Vendor.
        vendor: String,
        /// Model.
        model: String,
        /// Version.
        version: String,
    },
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
    /// A text is unusable, there is no such device, or the database.
    pub async fn create_rollout(
        &self,
        tenant: &str,
        new: NewRollout,
        now: Timestamp,
    ) -> Result<RolloutId, RolloutError> {
        for (field, given) in [("vendor", &new.vendor), ("model", &new.model), ("version", &new.version)] {
            let usable = !given.trim().is_empty() && given.chars().count() <= 100;
            if !usable || given.chars().any(wire::text::is_hidden) {
                return Err(RolloutError::Field { field, given: given.chars().take(120).collect() });
            }
        }
        let own = tenant.to_owned();
        let plan = new.clone();
        let made = self
            .writer()
            .write(move |connection| {
                Box::pin(async move { change::create(connection, &own, &plan, now).await })
            })
            .await?;
        let NewRollout { vendor, model, version, .. } = new;
        made.ok_or(RolloutError::NoDevices { vendor, model, version })
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
                Box::pin(async move { change::cancel(connection, (&tenant, rollout), &by, now).await })
            })
            .await?;
        match outcome {
            change::Cancelled::Yes => Ok(()),
            change::Cancelled::NotFound => Err(RolloutError::NotFound { rollout }),
            change::Cancelled::Ended(state) => Err(RolloutError::Ended { rollout, state }),
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
