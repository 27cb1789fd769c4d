//! The configuration file.

mod database;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use comm_server_core::cadence::Cadence;
use comm_server_core::retention::Retention;
use pki::{IdentityConfig, Tolerance};
use runtime::check::{Invalid, Problem};
use runtime::config::{ConfigError, Paths, Source};
use runtime::error::chain;
use runtime::listener::Deadlines;
use runtime::local::LocalConfig;
use runtime::logging::LogConfig;
use runtime::public_certificate::{CertificateFiles, PublicCertificate};
use serde::Deserialize;

use crate::gateways::est::Issuer;
use crate::services::check_leaked_hashes;
use crate::store::{self, Needs, StoreError};

/// Name of the database file in the data directory.
const DATABASE: &str = "platen.db";

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this server.
    pub name: String,
    /// Directory for its files.
    pub data_dir: PathBuf,
    /// Database URL; by default an SQLite file in the data directory. A relative path is resolved against the folder
    /// of the configuration.
    #[serde(default)]
    pub database: Option<String>,
    /// URL of a standby of the database, read where data may be some seconds old; PostgreSQL only.
    #[serde(default)]
    pub database_replica: Option<String>,
    /// Maximum lag of a standby that is read, seconds: 1 to 3600.
    #[serde(default = "replica_behind_s")]
    pub(crate) database_replica_behind_s: u32,
    /// Certificate and key.
    pub identity: IdentityConfig,
    /// Clock skew and overdue revocation lists that the verifier of peers tolerates.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The gateways' listener.
    pub gateways: Listen,
    /// The operators' listener.
    pub operators: Operators,
    /// The local port for health and metrics.
    pub local: LocalConfig,
    /// The enrollment listener.
    #[serde(default)]
    pub enrollment: Option<Enrollment>,
    /// The global server, whose published images can be ordered in roll-outs.
    #[serde(default)]
    pub global_server: Option<GlobalServer>,
    /// How often gateways poll.
    #[serde(default)]
    pub cadence: Cadence,
    /// How long a peer may take for each step of a connection, on every port.
    #[serde(default)]
    pub(crate) deadlines: Deadlines,
    /// Retention of stored data, days.
    #[serde(default)]
    pub retention: Retention,
    /// Rules for passwords.
    #[serde(default)]
    pub passwords: Passwords,
    /// Log format and level.
    #[serde(default)]
    pub log: LogConfig,
}

/// Default maximum lag of a standby, seconds.
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

/// The operators' listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// `ADDRESS:PORT`, as everywhere.
    pub listen: SocketAddr,
    /// Certificate of a public CA with its intermediates, PEM, so that browsers don't warn; the identity's
    /// certificate if absent.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Private key of that certificate.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

impl Operators {
    /// The certificate's files, if both are configured.
    #[must_use]
    pub fn files(&self) -> Option<CertificateFiles> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(CertificateFiles { certificate, key })
    }
}

/// Enrollment of gateways.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrollment {
    /// The enrollment listener, for gateways without a certificate.
    pub listen: SocketAddr,
    /// Folder of the authority: as `platen-pki` made it, without `root-key.pem` and `server-ca-key.pem`.
    pub authority: PathBuf,
}

/// Rules for passwords.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    /// File with SHA-1 hashes of leaked passwords, sorted, one per line, in the format of Have I Been Pwned. These
    /// passwords are rejected.
    #[serde(default)]
    pub leaked_hashes: Option<PathBuf>,
}

/// The global server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalServer {
    /// `https://HOST[:PORT]`.
    pub url: String,
}

impl Paths for Config {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.data_dir];
        paths.extend(self.identity.paths());
        paths.extend(&mut self.operators.certificate);
        paths.extend(&mut self.operators.key);
        paths.extend(&mut self.passwords.leaked_hashes);
        paths.extend(self.enrollment.as_mut().map(|enrollment| &mut enrollment.authority));
        paths
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// The file can't be read, or has invalid values: all of them.
    pub fn load(file: &Path) -> Result<Self, Invalid> {
        Ok(Self::read(file)?.1)
    }

    /// As [`Config::load`], and also returns the source, for errors about single values.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(file: &Path) -> Result<(Source, Self), Invalid> {
        let (source, config) = Self::parsed(file)?;
        let problems = config.check_values(&source);
        if problems.is_empty() { Ok((source, config)) } else { Err(Invalid(problems)) }
    }

    /// Validates the configuration and what it names: the certificate, the authority, the database. Creates nothing.
    ///
    /// # Errors
    /// All problems.
    pub async fn check(file: &Path) -> Result<Self, Invalid> {
        let (source, config) = Self::parsed(file)?;
        let mut problems = config.check_values(&source);
        let issue = format!(
            "issue it first, where the authority is: platen-pki issue --dir AUTHORITY --profile comm-server --name {} \
             --dns HOST --out DIR",
            config.name
        );
        match runtime::check::identity(&config.identity, config.tolerance, &issue) {
            Ok(identity) => {
                let enrollment = config.enrollment.as_ref();
                if let Some(Err(error)) = enrollment.map(|it| Issuer::open(&it.authority, &identity)) {
                    problems.push(source.problem("enrollment.authority", chain(&error)));
                }
            }
            Err(faults) => problems.extend(faults.iter().map(|(key, why)| source.problem(key, why))),
        }
        if let Some(files) = config.operators.files()
            && let Err(error) = PublicCertificate::load(&files)
        {
            problems.push(source.problem("operators.certificate", chain(&error)));
        }
        if let Some(file) = &config.passwords.leaked_hashes
            && let Err(error) = check_leaked_hashes(file)
        {
            problems.push(source.problem("passwords.leaked_hashes", error));
        }
        // A wrong URL was found above; the first start makes the data directory.
        let will_be_made = config.database.is_none() && !config.data_dir.exists();
        if !will_be_made
            && store::check_url(&config.database_url()).is_ok()
            && let Err(error) = store::reach(&config.database_url(), Needs::Nothing).await
        {
            problems.push(config.database_problem(&source, &error));
        }
        if problems.is_empty() { Ok(config) } else { Err(Invalid(problems)) }
    }

    fn parsed(file: &Path) -> Result<(Source, Self), ConfigError> {
        let source = Source::read(file)?;
        let mut config: Self = source.parse()?;
        let folder = source.folder();
        config.database = config.database.map(|url| database::relative_to(&folder, &url));
        Ok((source, config))
    }

    /// The problems that the values alone show.
    fn check_values(&self, source: &Source) -> Vec<Problem> {
        // Both begin with their key.
        let of_key = |text: String| match text.split_once(' ') {
            Some((key, rest)) => source.problem(key, rest),
            None => Problem::of_file(source.file(), text),
        };
        let pair = match (&self.operators.certificate, &self.operators.key) {
            (Some(_), None) => Some(source.problem("operators.key", "missing: a certificate needs its key")),
            (None, Some(_)) => {
                Some(source.problem("operators.certificate", "missing: a key needs its certificate"))
            }
            (Some(_), Some(_)) | (None, None) => None,
        };
        let cadence = self.cadence.check().err().map(|problem| of_key(problem.to_string()));
        let retention = self.retention.check().err().map(|problem| of_key(problem.to_string()));
        let replica = self.check_replica().err().map(|(key, problem)| source.problem(key, problem));
        let database = store::check_url(&self.database_url()).err();
        let database = database.map(|error| self.database_problem(source, &error));
        [pair, cadence, retention, replica, database].into_iter().flatten().collect()
    }

    /// A problem of the database, at the key that names it.
    #[must_use]
    pub(crate) fn database_problem(&self, source: &Source, error: &StoreError) -> Problem {
        source.problem(if self.database.is_some() { "database" } else { "data_dir" }, chain(error))
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

    /// URL of the database: with SQLite, by default a file in the data directory.
    #[must_use]
    pub(crate) fn database_url(&self) -> String {
        self.database.clone().unwrap_or_else(|| database::of_file(&self.data_dir.join(DATABASE)))
    }
}
