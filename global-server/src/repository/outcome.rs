//! The result of a change: what is installed, and what must still be signed.

use std::path::PathBuf;

use serde::Serialize;
use tuf::RoleName;

/// A version of a role that was installed: gateways see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
}

/// Signatures that a version of a role lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// The role that names the keys, with its version.
    pub named_by: String,
    /// Signatures that are missing.
    pub more: usize,
    /// Ids of the keys that may give them.
    pub keys: Vec<String>,
    /// The file to sign; `None` if `refresh` makes it where the keys are.
    pub file: Option<PathBuf>,
}

/// The result of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What gateways see from now on.
    pub installed: Vec<Installed>,
    /// What must be signed before they see the rest.
    pub missing: Vec<Missing>,
}

impl Outcome {
    /// The version of a role that was installed.
    #[must_use]
    pub fn version(&self, role: &RoleName) -> Option<u64> {
        self.installed.iter().find(|installed| installed.role == role.as_str()).map(|found| found.version)
    }
}
