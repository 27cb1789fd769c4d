//! The global server's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use pki::{IdentityConfig, Tolerance};
use runtime::config::Paths;
use runtime::listener::Deadlines;
use runtime::local::LocalConfig;
use runtime::logging::LogConfig;
use serde::Deserialize;

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name, as in the certificate.
    pub name: String,
    /// Directory for the files that the program writes.
    pub data_dir: PathBuf,
    /// The server's own certificate.
    pub identity: IdentityConfig,
    /// Clock skew and overdue revocation lists that the verifier of peers tolerates.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// Address for gateways and communication servers.
    pub listen: SocketAddr,
    /// Address for health and metrics.
    pub local: LocalConfig,
    /// How long a peer may take for each step of a connection.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The firmware repository.
    pub repository: PathBuf,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
}

impl Paths for Config {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.data_dir, &mut self.repository];
        paths.extend(self.identity.paths());
        paths
    }
}
