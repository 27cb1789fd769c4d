//! The progress of a roll-out as a bar with a legend, and of its devices as rows.

use jiff::Timestamp;
use wire::ids::DeviceId;

use super::state::{self, StateBadge};
use super::time::{When, grouped};
use super::url::{device_page, element};
use crate::store::{Rollout, RolloutDevice};

/// Width of the whole bar.
const WIDTH: i64 = 1000;

/// Minimum width of a part, so that one device of thousands is visible.
const LEAST: i64 = 8;

/// The devices of a roll-out, by their steps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// "1 of 1,091 verified".
    pub(super) summary: String,
    /// The non-empty parts, in the order of the bar. Waiting devices have none: their part of the bar stays unfilled.
    pub(super) parts: Vec<Part>,
    /// Everything in words.
    pub(super) words: String,
}

/// Devices of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Class of its fill.
    pub(super) class: &'static str,
    /// Its name.
    pub(super) title: &'static str,
    /// Devices.
    pub(super) devices: String,
    /// Its start, 0 to 1000.
    pub(super) from: i64,
    /// Its width, 0 to 1000; 0 for waiting devices.
    pub(super) width: i64,
}

impl Progress {
    pub(super) fn of(r: &Rollout) -> Self {
        let kinds = [
            ("part-good", "Verified", r.verified),
            ("part-bad", "Failed", r.failed),
            ("part-busy", "Updating", r.pushed),
            ("part-idle", "Cancelled", r.cancelled),
            ("part-wait", "Waiting", r.pending + r.staged),
        ];
        let mut from = 0;
        let mut parts = Vec::new();
        for (class, title, devices) in kinds.into_iter().filter(|(_, _, devices)| *devices > 0) {
            let share = devices.saturating_mul(WIDTH).checked_div(r.devices).unwrap_or(0).max(LEAST);
            let width = if class == "part-wait" { 0 } else { share.min(WIDTH - from) };
            parts.push(Part { class, title, devices: grouped(devices), from, width });
            from += width;
        }
        let words = |part: &Part| format!("{} {}", part.devices, part.title.to_lowercase());
        let words = parts.iter().map(words).collect::<Vec<_>>().join(", ");
        Self {
            summary: format!("{} of {} verified", grouped(r.verified), grouped(r.devices)),
            words: format!("{} devices: {words}", grouped(r.devices)),
            parts,
        }
    }
}

/// The row of a device, or of a gateway that stages the image.
pub(super) struct StepRow {
    pub(super) element: String,
    pub(super) href: String,
    pub(super) title: String,
    /// Serial number and name, which distinguish the device.
    pub(super) sub: String,
    pub(super) gateway: String,
    pub(super) place: String,
    pub(super) state: StateBadge,
    /// What it waits for.
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) panel: String,
    pub(super) version_before: String,
    pub(super) version_now: String,
    pub(super) updated_at: When,
}

impl StepRow {
    pub(super) fn of(d: RolloutDevice, now: Timestamp) -> Self {
        let joined = |parts: [&str; 2]| {
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        };
        let waiting_for = d.waiting_for;
        let title = match &d.device {
            None => "Image staged".to_owned(),
            Some(device) if d.model.is_empty() => device.to_string(),
            Some(_) => d.model,
        };
        let device = d.device.as_ref().map_or("", DeviceId::as_str);
        Self {
            element: element("s", &[d.gateway.as_str(), device]),
            href: d.device.as_ref().map(|device| device_page(&d.gateway, device)).unwrap_or_default(),
            title,
            sub: if d.serial.is_empty() { device.to_owned() } else { joined([&d.serial, &d.name]) },
            place: joined([&d.customer, &d.site]),
            state: state::of_step(d.step, waiting_for),
            reason: waiting_for.map(|reason| sentence(reason.text())).unwrap_or_default(),
            gateway: d.gateway.into(),
            detail: d.detail,
            panel: d.panel,
            version_before: d.version_before,
            version_now: d.version_now,
            updated_at: When::new(d.updated_at, now),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use comm_server_core::rollouts::RolloutState;

    use super::*;
    use wire::ids::RolloutId;

    fn rollout(verified: i64, failed: i64, pushed: i64, cancelled: i64, pending: i64) -> Rollout {
        Rollout {
            rollout: RolloutId(uuid::Uuid::nil()),
            vendor: String::new(),
            model: String::new(),
            version: String::new(),
            target: String::new(),
            not_before: Timestamp::UNIX_EPOCH,
            created_by: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            state: RolloutState::Running,
            retry_of: None,
            retried_by: None,
            devices: verified + failed + pushed + cancelled + pending,
            pending,
            staged: 0,
            pushed,
            verified,
            failed,
            cancelled,
        }
    }

    #[test]
    fn what_waits_is_not_filled_and_every_part_is_named() {
        let waiting = Progress::of(&rollout(0, 0, 0, 0, 2));
        assert_eq!(waiting.summary, "0 of 2 verified");
        assert_eq!(waiting.words, "2 devices: 2 waiting");
        assert!(waiting.parts.iter().all(|part| part.width == 0), "{waiting:?}");
        let mixed = Progress::of(&rollout(1, 1, 1, 0, 1089));
        assert_eq!(mixed.summary, "1 of 1,092 verified");
        assert_eq!(mixed.words, "1,092 devices: 1 verified, 1 failed, 1 updating, 1,089 waiting");
        assert_eq!(mixed.parts.iter().map(|part| part.width).collect::<Vec<_>>(), [8, 8, 8, 0]);
        let all = Progress::of(&rollout(2, 1, 0, 0, 0));
        assert!(all.parts.iter().map(|part| part.width).sum::<i64>() <= WIDTH);
    }
}
