//! Section `discovery` of the configuration.

use gateway_core::search::Span;
use gateway_core::windows::Windows;
use serde::Deserialize;

/// Section `discovery`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryConfig {
    /// Packets that a search sends per second.
    pub packets_per_s: u32,
    /// Whether multicast DNS is queried as well.
    pub mdns: bool,
    /// Addresses that a search never probes.
    pub exclude: Vec<Span>,
    /// When scheduled searches may run, in the site's time zone; always if absent.
    pub windows: Windows,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { packets_per_s: 200, mdns: false, exclude: Vec::new(), windows: Windows::default() }
    }
}
