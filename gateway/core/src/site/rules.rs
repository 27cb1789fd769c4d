//! The part of the configuration that decisions need.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calls::CallRules;
use crate::firmware::UpdateRules;
use crate::search::Sweep;
use crate::sensing::SensingRules;
use crate::windows::Windows;

/// Rules of one site.
#[derive(Debug, Clone)]
pub struct SiteRules {
    /// How often devices are read.
    pub sensing: SensingRules,
    /// The thresholds of calls.
    pub calls: CallRules,
    /// The times of firmware updates.
    pub updates: UpdateRules,
    /// Maximum number of reads in progress.
    pub concurrency: usize,
    /// Interval of searches, not divided by the speed-up.
    pub discovery: Duration,
    /// Interval of full readings of a device, not divided by the speed-up.
    pub reading: Duration,
    /// When networks may be searched.
    pub windows: Windows,
    /// The site's time zone.
    pub zone: TimeZone,
    /// The configured networks.
    pub sweep: Sweep,
    /// Devices that are configured by their address.
    pub single_devices: Vec<SocketAddr>,
    /// Whether calls are mailed.
    pub mails: bool,
}

impl SiteRules {
    /// An interval, divided by the speed-up of a demonstration.
    #[must_use]
    pub(crate) fn wait(&self, wait: Duration) -> Duration {
        let speedup = self.sensing.speedup;
        wait.div_f64(if speedup.is_finite() { speedup.max(1.0) } else { 1.0 })
    }

    /// Whether an address is configured, by itself or as part of a network.
    #[must_use]
    pub fn holds(&self, address: SocketAddr) -> bool {
        self.single_devices.contains(&address) || self.sweep.owner(address).is_some()
    }

    /// Interval of reads of a device in use.
    pub(super) fn status_interval(&self) -> Duration {
        self.wait(self.sensing.status)
    }

    /// A device that responded within this time is assumed to have kept its address.
    pub(super) fn recent_within(&self) -> SignedDuration {
        let sensing = &self.sensing;
        let longest = sensing.status.max(sensing.idle).max(sensing.asleep).saturating_mul(2);
        SignedDuration::try_from(self.wait(longest)).unwrap_or(SignedDuration::MAX)
    }

    /// Until when the networks may be searched: `Some(None)` without an end, `None` if they may not be searched now.
    pub(super) fn open_until(&self, now: Timestamp) -> Option<Option<Timestamp>> {
        self.windows.open_until(now, &self.zone)
    }
}
