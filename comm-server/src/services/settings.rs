//! Settings of the parts of the tree, and the origin of each value.

use comm_server_core::cadence::Cadence;
use comm_server_core::roles::Permission;
use comm_server_core::second_factor::RequireTotp;
use comm_server_core::settings::{Effective, Level, Setting};
use comm_server_core::tree::Node;

use super::customers::{CustomersError, author, check_time_zone, check_whole_tenant};
use super::{Actor, Forbidden};
use crate::store::{ChangeError, OwnValue, Store, StoreError};

/// A setting of a part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaceSetting {
    /// The setting.
    pub setting: Setting,
    /// Its own value.
    pub own: Option<String>,
    /// The value that applies.
    pub effective: Effective,
    /// The value that would apply without its own.
    pub(crate) inherited: Effective,
}

/// Reads and changes settings; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    store: Store,
    cadence: Cadence,
}

/// Why settings can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Settings {
    /// The service on a store; `cadence` is the one of the configuration.
    #[must_use]
    pub(crate) const fn new(store: Store, cadence: Cadence) -> Self {
        Self { store, cadence }
    }

    /// The settings of a part of the tree; `None` if the actor can't access such a part.
    pub(crate) async fn of(
        &self,
        actor: &Actor,
        node: &Node,
    ) -> Result<Option<Vec<PlaceSetting>>, SettingsError> {
        actor.check(Permission::SeeFleet)?;
        let Some(own) = self.store.of(&actor.scope).own_values(node).await? else { return Ok(None) };
        Ok(Some(self.derived(node.level(), &own)))
    }

    fn derived(&self, level: Level, own: &[OwnValue]) -> Vec<PlaceSetting> {
        let here = Setting::ALL.into_iter().filter(|setting| level <= setting.lowest());
        let one = |setting: Setting| {
            let values: Vec<(Level, &str)> = own
                .iter()
                .filter(|value| value.setting == setting)
                .map(|value| (value.level, value.value.as_str()))
                .collect();
            let above: Vec<(Level, &str)> = values.iter().copied().filter(|(of, _)| *of < level).collect();
            let default = self.default_of(setting);
            PlaceSetting {
                setting,
                own: values.iter().find(|(of, _)| *of == level).map(|(_, value)| (*value).to_owned()),
                effective: setting.effective(&values, &default),
                inherited: setting.effective(&above, &default),
            }
        };
        here.map(one).collect()
    }

    fn default_of(&self, setting: Setting) -> String {
        match setting {
            Setting::TimeZone => "UTC".to_owned(),
            Setting::PollInterval => self.cadence.regular_s.to_string(),
            Setting::RequireTotp => RequireTotp::default().name().to_owned(),
        }
    }

    /// Sets a value of a part of the tree; `None` removes it, so that the part inherits.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn set(
        &self,
        actor: &Actor,
        node: Node,
        setting: Setting,
        value: Option<&str>,
    ) -> Result<(), CustomersError> {
        actor.check(setting.permission())?;
        if node == Node::Tenant {
            check_whole_tenant(actor)?;
        }
        if node.level() > setting.lowest() {
            return Err(ChangeError::NotFound { what: "setting" }.into());
        }
        let value = value.map(|value| setting.parse(value)).transpose()?;
        if let (Some(zone), Setting::TimeZone) = (&value, setting) {
            check_time_zone(zone)?;
        }
        Ok(self.store.of(&actor.scope).set_setting(node, setting, value, author(actor)).await?)
    }
}
