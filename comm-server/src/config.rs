//! The configuration file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use comm_server_core::cadence::{Cadence, InvalidCadence};
use comm_server_core::retention::{InvalidRetention, Retention};
use pki::{IdentityConfig, IdentityError, Tolerance};
use program::config::ConfigError;
use program::logging::LogConfig;
use serde::Deserialize;

use crate::gateways::est::{CannotIssue, Issuer};

/// Name of the database file in the data directory.
const DATABASE: &str = "platen.db";

/// All of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this server.
    pub name: String,
    /// Where it keeps its files.
    pub data_dir: PathBuf,
    /// Database URL; by default a file in the data directory.
    #[serde(default)]
    pub database: Option<String>,
    /// Certificate and key.
    pub identity: IdentityConfig,
    /// How far the verifier of peers bends.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// Where gateways come.
    pub gateways: Listen,
    /// Where operators come.
    pub operators: Listen,
    /// Where monitoring comes.
    pub local: Listen,
    /// Where new gateways enrol.
    #[serde(default)]
    pub enrolment: Option<Enrolment>,
    /// Whose published images the console lists.
    #[serde(default)]
    pub global_server: Option<GlobalServer>,
    /// How often gateways poll.
    #[serde(default)]
    pub cadence: Cadence,
    /// How long things are kept.
    #[serde(default)]
    pub retention: Retention,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogConfig,
}

/// An address to listen on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// `ADDRESS:PORT`; port 0 takes a free one, written to `addresses.json` in the data directory.
    pub listen: SocketAddr,
}

/// Enrolment of gateways.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Where gateways come that have no certificate yet.
    pub listen: SocketAddr,
    /// Folder of the authority: as `platen-pki` made it, without `root-key.pem` and `server-ca-key.pem`.
    pub authority: PathBuf,
}

/// The global server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalServer {
    /// `https://HOST[:PORT]`.
    pub url: String,
}

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The cadence.
    #[error("{}: {problem}", file.display())]
    Cadence {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: InvalidCadence,
    },
    /// The retention.
    #[error("{}: {problem}", file.display())]
    Retention {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: InvalidRetention,
    },
    /// The identity.
    #[error("{}: identity", file.display())]
    Identity {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<IdentityError>,
    },
    /// The authority.
    #[error("{}: enrolment.authority", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<CannotIssue>,
    },
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// The file can't be read, has a wrong key or value, or a cadence that can't be kept.
    pub fn load(file: &Path) -> Result<Self, Unusable> {
        let config: Self = program::config::load(file)?;
        config.cadence.check().map_err(|problem| Unusable::Cadence { file: file.to_owned(), problem })?;
        let retained = config.retention.check();
        retained.map_err(|problem| Unusable::Retention { file: file.to_owned(), problem })?;
        Ok(config)
    }

    /// Reads the file and what it names.
    ///
    /// # Errors
    /// As [`Config::load`], or the identity can't be used.
    pub fn check(file: &Path) -> Result<Self, Unusable> {
        let config = Self::load(file)?;
        let identity = pki::Identity::load_with(&config.identity, config.tolerance)
            .map_err(|source| Unusable::Identity { file: file.to_owned(), source: Box::new(source) })?;
        if let Some(enrolment) = &config.enrolment {
            Issuer::open(&enrolment.authority, &identity)
                .map_err(|source| Unusable::Authority { file: file.to_owned(), source: Box::new(source) })?;
        }
        Ok(config)
    }

    /// URL of the database.
    ///
    /// # Errors
    /// The working directory is unknown, which a relative data directory needs.
    pub fn database_url(&self) -> std::io::Result<String> {
        if let Some(url) = &self.database {
            return Ok(url.clone());
        }
        let file = std::path::absolute(self.data_dir.join(DATABASE))?;
        let path = file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        Ok(format!("sqlite://{path}"))
    }
}
