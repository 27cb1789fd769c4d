//! Vendor profiles: the private objects of one maker as data (`docs/profiles.md`), and their interpretation.
//!
//! A profile names objects and decides nothing. It is read from YAML by [`Profile::parse`], validated as a whole, and
//! applied to what was read of a device.

mod counter;
mod firmware;
mod lines;
mod octets;
mod pattern;
mod private_level;
mod schema;
mod supply;
mod supply_table;
mod text;

use std::sync::Arc;

use crate::reading::mib::Oid;

pub use counter::{CounterSource, CounterValue, RowChoice, Wanted};
pub(crate) use firmware::SYSTEM;
pub use firmware::{FirmwareSource, FirmwareTransport, RAW_PORT};
pub use pattern::Pattern;
pub use schema::{IdentitySources, MatchRule, Profile, ProfileError, SystemIdentity};
pub use supply::SupplySource;
pub use supply_table::{SupplyTable, TableUse};
pub use text::{StandardField, StandardTexts, TextSource};

/// All profiles that a gateway knows.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    all: Vec<Arc<Profile>>,
}

impl Profiles {
    /// A later profile replaces an earlier one of the same vendor.
    #[must_use]
    pub fn new(profiles: impl IntoIterator<Item = Profile>) -> Self {
        let mut all: Vec<Arc<Profile>> = Vec::new();
        for profile in profiles {
            all.retain(|own| own.vendor != profile.vendor);
            all.push(Arc::new(profile));
        }
        Self { all }
    }

    /// The profile of a vendor.
    #[must_use]
    pub fn by_vendor(&self, vendor: &str) -> Option<&Arc<Profile>> {
        self.all.iter().find(|profile| profile.vendor == vendor)
    }

    /// All profiles.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.all.iter()
    }

    /// The profile with the best matching rule, of those that don't exclude the device. A rule over texts takes
    /// precedence over one over `sysObjectID` alone (a brand on another maker's engine), then the longest prefix
    /// wins.
    #[must_use]
    pub fn select(&self, system: &SystemIdentity<'_>) -> Option<Arc<Profile>> {
        let mut best: Option<(u32, &Arc<Profile>)> = None;
        for profile in self.all.iter().filter(|profile| !profile.excludes(system)) {
            if let Some(weight) = profile.rules.iter().filter_map(|rule| rule.weight(system)).max()
                && best.is_none_or(|(heaviest, _)| weight > heaviest)
            {
                best = Some((weight, profile));
            }
        }
        best.map(|(_, profile)| Arc::clone(profile))
    }

    /// The probe objects of all profiles that have one and don't exclude the device. They identify the vendor if the
    /// system group doesn't.
    pub(crate) fn probes(&self, system: &SystemIdentity<'_>) -> Vec<(Arc<Profile>, Oid)> {
        let own = self.all.iter().filter(|profile| !profile.excludes(system));
        own.filter_map(|profile| Some((Arc::clone(profile), profile.probe.clone()?))).collect()
    }
}
