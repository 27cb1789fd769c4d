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
    /// URL of a standby of the database, for what may be shown some seconds old; PostgreSQL only.
    #[serde(default)]
    pub database_replica: Option<String>,
    /// How many seconds the standby may be behind and still be read, 1 to 3600.
    #[serde(default = "replica_behind_s")]
    pub database_replica_behind_s: u32,
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

/// Seconds that a replica may be behind unless the file says otherwise.
const fn replica_behind_s() -> u32 {
    5
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
    /// The replica.
    #[error("{}: {key}: {problem}", file.display())]
    Replica {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong, and what was expected.
        problem: &'static str,
    },
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
        config.check_replica().map_err(|(key, problem)| {
            let file = file.to_owned();
            Unusable::Replica { file, key, problem }
        })?;
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

    fn check_replica(&self) -> Result<(), (&'static str, &'static str)> {
        let is_postgresql = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !(1..=3600).contains(&self.database_replica_behind_s) {
            return Err(("database_replica_behind_s", "expected 1 to 3600 seconds"));
        }
        let Some(replica) = &self.database_replica else { return Ok(()) };
        if is_postgresql(replica) && self.database.as_deref().is_some_and(is_postgresql) {
            return Ok(());
        }
        Err(("database_replica", "expected postgres://user@host/database, and database to be PostgreSQL too"))
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
