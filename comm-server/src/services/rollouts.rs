//! Firmware roll-outs: creation, retry and cancellation.
//!
//! A version that isn't published is rejected, and so is one that can't be checked.

use std::sync::Arc;

use comm_server_core::roles::Permission;
use comm_server_core::rollouts::{Interface, RolloutSpec, RolloutState, Start};
use jiff::Timestamp;
use wire::ids::RolloutId;
use wire::image::target_name;
use wire::model::same_model;

use super::{Actor, Forbidden, Image, Images};
use crate::store::{NewRollout, RolloutError, Store, StoreError};

/// Maximum number of published versions of a model that an error lists.
const OFFERED: usize = 8;

/// Why a roll-out isn't created or cancelled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No global server is configured.
    #[error("no global server is configured, so whether {target} is published can't be checked")]
    NoGlobalServer {
        /// Name of the image.
        target: String,
    },
    /// The list of the global server can't be read.
    #[error("whether {target} is published can't be checked: {why}")]
    Unreachable {
        /// Name of the image.
        target: String,
        /// Why, for people.
        why: String,
    },
    /// There is no such image.
    #[error("the global server has published no image {target}; {}", offer(versions))]
    NotPublished {
        /// Name of the image.
        target: String,
        /// Versions that are published for that model.
        versions: Vec<String>,
    },
    /// The roll-out to be retried has not ended.
    #[error("roll-out {rollout} is {state}: its failed devices can be ordered again when it has ended")]
    NotEnded {
        /// The roll-out.
        rollout: RolloutId,
        /// Its state.
        state: RolloutState,
    },
    /// The roll-out has no failed devices.
    #[error("no device of roll-out {rollout} has failed")]
    NothingFailed {
        /// The roll-out.
        rollout: RolloutId,
    },
    /// The roll-out can't be planned or changed.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
}

impl From<StoreError> for OrderError {
    fn from(error: StoreError) -> Self {
        Self::Rollout(error.into())
    }
}

fn offer(versions: &[String]) -> String {
    if versions.is_empty() {
        return "it has no image for this model: publish one with `platen-global-server publish`".to_owned();
    }
    format!("it has for this model: {}", versions.join(", "))
}

impl OrderError {
    /// The error and what to do next, by the options of an interface.
    #[must_use]
    pub(crate) fn message(&self, interface: Interface) -> String {
        let remedy = match self {
            Self::NoGlobalServer { .. } => Some(
                "add to the communication server's configuration: `global_server: {url: \"https://HOST:PORT\"}`"
                    .to_owned(),
            ),
            Self::Unreachable { .. } => Some(
                "nothing was ordered; check that the global server runs and that global_server.url \
                 is its address, then order again"
                    .to_owned(),
            ),
            Self::Rollout(RolloutError::Plan(refused)) => refused.remedy(interface),
            Self::Forbidden(_)
            | Self::NotPublished { .. }
            | Self::NotEnded { .. }
            | Self::NothingFailed { .. }
            | Self::Rollout(
                RolloutError::NotFound { .. }
                | RolloutError::Outside { .. }
                | RolloutError::Ended { .. }
                | RolloutError::Store(_),
            ) => None,
        };
        remedy.map_or_else(|| self.to_string(), |remedy| format!("{self}: {remedy}"))
    }
}

/// Creates and cancels roll-outs; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rollouts {
    store: Store,
    images: Option<Arc<Images>>,
}

impl Rollouts {
    /// The service on a store; without `images`, every roll-out is rejected.
    #[must_use]
    pub(crate) const fn new(store: Store, images: Option<Arc<Images>>) -> Self {
        Self { store, images }
    }

    /// Whether a global server is configured.
    #[must_use]
    pub(crate) const fn has_global_server(&self) -> bool {
        self.images.is_some()
    }

    /// Published images, or why they are unknown; at most a minute old.
    ///
    /// # Errors
    /// The role does not allow it.
    pub(crate) async fn published_images(
        &self,
        actor: &Actor,
    ) -> Result<Result<Vec<Image>, String>, Forbidden> {
        actor.check(Permission::SeeFleet)?;
        Ok(match &self.images {
            Some(images) => images.list().await,
            None => Err("no global server is configured".to_owned()),
        })
    }

    /// Orders a version for all devices of a model that lack it.
    ///
    /// # Errors
    /// The role does not allow it, the plan is rejected, the version isn't published or can't be checked, or the
    /// store failed.
    pub(crate) async fn create(&self, actor: &Actor, spec: RolloutSpec) -> Result<RolloutId, OrderError> {
        actor.check(Permission::RollOut)?;
        self.order(actor, spec, None).await
    }

    /// Orders the failed devices of a roll-out that has ended again, as a new roll-out without a date. Devices that
    /// are no longer in the fleet, or already show the version, are left out:
    /// [`crate::store::Scoped::left_out_devices`].
    ///
    /// # Errors
    /// As [`Rollouts::create`]; or there is no such roll-out, it has not ended, or none of its devices failed.
    pub(crate) async fn retry(
        &self,
        actor: &Actor,
        rollout: RolloutId,
        allow_downgrade: bool,
    ) -> Result<RolloutId, OrderError> {
        actor.check(Permission::RollOut)?;
        let found = self.store.of(&actor.scope).rollout(rollout).await?;
        let found = found.ok_or(RolloutError::NotFound { rollout })?;
        if !found.has_ended() {
            return Err(OrderError::NotEnded { rollout, state: found.state });
        }
        let failed = self.store.of(&actor.scope).failed_devices(rollout).await?;
        if failed.is_empty() {
            return Err(OrderError::NothingFailed { rollout });
        }
        let spec = RolloutSpec {
            vendor: found.vendor,
            model: found.model,
            version: found.version,
            start: Start::Now,
            allow_downgrade,
            only: Some(failed),
        };
        self.order(actor, spec, Some(rollout)).await
    }

    /// Cancels the devices that were not pushed to.
    ///
    /// # Errors
    /// The role does not allow it, there is no such roll-out, or it has ended.
    pub(crate) async fn cancel(&self, actor: &Actor, rollout: RolloutId) -> Result<(), OrderError> {
        actor.check(Permission::RollOut)?;
        Ok(self.store.of(&actor.scope).cancel_rollout(rollout, &actor.name, Timestamp::now()).await?)
    }

    async fn order(
        &self,
        actor: &Actor,
        mut spec: RolloutSpec,
        retry_of: Option<RolloutId>,
    ) -> Result<RolloutId, OrderError> {
        let now = Timestamp::now();
        // What is wrong with the request itself is reported without the network.
        self.store.of(&actor.scope).check_rollout(&spec, now).await?;
        let image = self.published(&spec).await?;
        // As it was published: gateways compare it with the signed metadata and with what the device shows.
        spec.version = image.version;
        let new = NewRollout { spec, target: image.target, retry_of, created_by: actor.name.clone() };
        Ok(self.store.of(&actor.scope).create_rollout(new, now).await?)
    }

    async fn published(&self, spec: &RolloutSpec) -> Result<Image, OrderError> {
        let target = target_name(&spec.vendor, &spec.model, &spec.version);
        let Some(images) = &self.images else { return Err(OrderError::NoGlobalServer { target }) };
        let of_model = |image: &Image| {
            image.vendor.eq_ignore_ascii_case(&spec.vendor)
                && same_model(&spec.vendor, &image.model, &spec.model)
        };
        let is_it = |image: &Image| of_model(image) && image.version.trim() == spec.version.trim();
        if let Ok(list) = images.list().await
            && let Some(image) = list.into_iter().find(is_it)
        {
            return Ok(image);
        }
        // It may have been published since the list was read.
        let list =
            images.list_now().await.map_err(|why| OrderError::Unreachable { target: target.clone(), why })?;
        let versions = list
            .iter()
            .filter(|image| of_model(image))
            .map(|image| image.version.clone())
            .take(OFFERED)
            .collect();
        list.into_iter().find(is_it).ok_or(OrderError::NotPublished { target, versions })
    }
}

/// Parses a roll-out's id.
///
/// # Errors
/// It isn't an id; the message says what is expected and where to find it.
pub(crate) fn parse_id(text: &str) -> Result<RolloutId, InvalidRolloutId> {
    let given = || InvalidRolloutId { given: text.chars().take(60).collect() };
    text.trim().parse().map_err(|_| given())
}

/// A text that is not the id of a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not the id of a roll-out: expected 36 characters, such as \
     01980000-0000-7000-8000-000000000001; `rollout list` shows them"
)]
pub(crate) struct InvalidRolloutId {
    given: String,
}

/// Parses a date.
///
/// # Errors
/// It isn't a date with its zone; the message has an example.
pub(crate) fn parse_date(text: &str) -> Result<Timestamp, InvalidDate> {
    text.trim().parse().map_err(|_| InvalidDate { given: text.chars().take(60).collect() })
}

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a time: expected RFC 3339 with the zone, such as 2026-12-31T20:00:00Z or \
     2026-12-31T20:00:00+01:00"
)]
pub(crate) struct InvalidDate {
    given: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_ids_and_dates_are_rejected_with_what_is_expected() {
        let id = parse_id("0198abcd").unwrap_err().to_string();
        assert!(id.contains("\"0198abcd\"") && id.contains("36 characters") && id.contains("rollout list"));
        assert!(parse_id(" 01980000-0000-7000-8000-000000000001 ").is_ok());
        let date = parse_date("tomorrow 8pm").unwrap_err().to_string();
        assert!(date.contains("\"tomorrow 8pm\"") && date.contains("2026-12-31T20:00:00Z"), "{date}");
        assert!(parse_date("2026-12-31T20:00:00+01:00").is_ok());
        assert!(parse_date("2026-12-31 20:00").is_err(), "without a zone");
    }
}
