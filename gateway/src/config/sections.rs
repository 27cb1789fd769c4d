//! Sections of the configuration file, with their defaults.

use std::net::SocketAddr;

use gateway_core::search::Span;
use runtime::local::LocalConfig;
use secrecy::SecretString;
use serde::Deserialize;

/// Section `comm_server`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommServerConfig {
    /// `https://HOST:PORT`.
    pub url: String,
    /// `http://[USER:PASSWORD@]HOST:PORT`, also used for the global server.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// Section `local` where none is written.
pub(super) fn local() -> LocalConfig {
    LocalConfig { listen: SocketAddr::from(([127, 0, 0, 1], 9110)), hosts: Vec::new() }
}

/// Section `site`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its time zone, by its name in the tz database.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// One of `networks`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Its addresses: a network, a range or one address.
    #[serde(alias = "range")]
    pub cidr: Span,
    /// Addresses that a search excludes.
    #[serde(default)]
    pub exclude: Vec<Span>,
    /// Whether a search probes every address; if not, only those that announce themselves.
    #[serde(default = "yes")]
    pub sweep: bool,
    /// Port of the agents.
    #[serde(default = "snmp_port")]
    pub port: u16,
    /// SNMP v2c community for this network only, tried before the list of credentials.
    #[serde(default, deserialize_with = "secret")]
    pub community: Option<SecretString>,
}

/// One of `devices`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// `ADDR`, `ADDR:PORT`, `NAME` or `NAME:PORT`.
    pub address: String,
    /// SNMP v2c community for this device only, tried before the list of credentials.
    #[serde(default, deserialize_with = "secret")]
    pub community: Option<SecretString>,
}

const fn yes() -> bool {
    true
}

const fn snmp_port() -> u16 {
    161
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|secret| secret.map(SecretString::from))
}

/// Section `sensing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensingConfig {
    /// Minimum interval of reads of a device, seconds.
    pub status_s: u32,
    /// Interval for a device without changes for a long time, seconds.
    pub idle_s: u32,
    /// Interval for a device that sleeps, seconds.
    pub asleep_s: u32,
    /// Interval of full readings, seconds.
    pub reading_s: u32,
    /// Interval of searches, seconds.
    pub discovery_s: u32,
    /// Time to wait for an SNMP response, milliseconds.
    pub timeout_ms: u32,
    /// Retries of an SNMP request.
    pub retries: u32,
    /// Timeouts in a row after which a device is offline.
    pub offline_after: u32,
    /// Devices that are read at the same time.
    pub concurrency: usize,
    /// A supply is near its end at this percentage and below.
    pub near_end_percent: f64,
}

impl Default for SensingConfig {
    fn default() -> Self {
        Self {
            status_s: 60,
            idle_s: 180,
            asleep_s: 300,
            reading_s: 3600,
            discovery_s: 86_400,
            timeout_ms: 2000,
            retries: 2,
            offline_after: 3,
            concurrency: 64,
            near_end_percent: 10.0,
        }
    }
}

/// Section `spool`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// Maximum size in total, MiB.
    pub limit_mib: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { limit_mib: 256 }
    }
}

/// Section `demonstration`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemonstrationConfig {
    /// Factor by which every interval is shortened: polls, reads of devices, reads of a device that restarts. Nothing
    /// else changes.
    pub speedup: f64,
}

impl Default for DemonstrationConfig {
    fn default() -> Self {
        Self { speedup: 1.0 }
    }
}
