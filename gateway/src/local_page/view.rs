//! The page as values: all decisions and texts are here, the template only arranges them.

use askama::Template;
use wire::report::{CallKind, Lane};

use super::Asked;
use super::devices::Devices;
use super::firmware::{Update, device_name};
use super::words::{self, Moment, Tone};
use crate::status::{CertificateState, CertificateStatus, LinkStatus, OpenCallStatus, Status};

/// Maximum number of calls that are listed; the rest is counted.
const CALLS: usize = 50;

/// Maximum number of firmware updates that are shown.
const UPDATES: usize = 5;

/// How often the page's script refreshes it, seconds.
const REFRESH_S: u32 = 15;

#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    pub(super) gateway: String,
    pub(super) site: Option<String>,
    pub(super) version: String,
    pub(super) uptime: String,
    pub(super) at: Moment,
    pub(super) refresh_s: u32,
    pub(super) link: Link,
    pub(super) certificate: Option<Certificate>,
    pub(super) queue: Queue,
    pub(super) calls: Vec<OpenCall>,
    pub(super) more_calls: usize,
    pub(super) all_devices: usize,
    pub(super) offline: usize,
    pub(super) q: String,
    pub(super) devices: Devices,
    pub(super) updates: Vec<Update>,
}

/// The link to the communication server.
pub(super) struct Link {
    pub(super) state: &'static str,
    pub(super) tone: Tone,
    pub(super) url: String,
    pub(super) last: Option<Moment>,
    pub(super) next: Option<Moment>,
    pub(super) cadence: Option<String>,
    pub(super) error: Option<String>,
    pub(super) failures: u32,
}

/// The gateway's certificate.
pub(super) struct Certificate {
    pub(super) ends: Moment,
    pub(super) alarm: Option<String>,
}

/// What waits to be sent.
pub(super) struct Queue {
    pub(super) lanes: Vec<LaneRow>,
    pub(super) mails_waiting: u64,
    pub(super) size: String,
    pub(super) problem: Option<String>,
}

pub(super) struct LaneRow {
    pub(super) name: &'static str,
    pub(super) waiting: String,
    pub(super) acknowledged: String,
}

pub(super) struct OpenCall {
    pub(super) title: &'static str,
    pub(super) tone: Tone,
    pub(super) detail: String,
    pub(super) device: String,
    pub(super) since: Moment,
}

impl Page {
    pub(super) fn of(status: &Status, asked: &Asked) -> Self {
        let now = status.at;
        // A supply at its end needs no second line that it is near its end.
        let ended = |near: &OpenCallStatus| {
            let same = |own: &OpenCallStatus| own.device == near.device && own.subject == near.subject;
            let end = |own: &OpenCallStatus| own.call == CallKind::SupplyEnd && same(own);
            near.call == CallKind::SupplyNearEnd && status.open_calls.iter().any(end)
        };
        let open: Vec<&OpenCallStatus> = status.open_calls.iter().filter(|call| !ended(call)).collect();
        let calls = open.iter().take(CALLS).map(|call| {
            let (title, tone) = words::call(call.call);
            let device = device_name(&status.devices, call.device.as_str());
            OpenCall { title, tone, detail: call.detail.clone(), device, since: Moment::new(call.since, now) }
        });
        Self {
            gateway: status.gateway.clone(),
            site: status.site.clone(),
            version: status.version.clone(),
            uptime: words::span(status.uptime_s),
            at: Moment::new(now, now),
            refresh_s: REFRESH_S,
            link: link(status),
            certificate: status.certificate.as_ref().map(|it| certificate(it, now)),
            queue: queue(status),
            calls: calls.collect(),
            more_calls: open.len().saturating_sub(CALLS),
            all_devices: status.devices.len(),
            offline: status.devices.iter().filter(|device| !device.online).count(),
            q: asked.q.chars().take(64).collect(),
            devices: Devices::of(status, &asked.q, asked.page.unwrap_or(1)),
            updates: status
                .firmware
                .iter()
                .take(UPDATES)
                .map(|u| Update::of(u, &status.devices, now))
                .collect(),
        }
    }
}

fn link(status: &Status) -> Link {
    let (link, now) = (&status.link, status.at);
    let (state, tone) = link_state(link);
    Link {
        state,
        tone,
        url: link.url.clone(),
        last: link.last_poll.map(|at| Moment::new(at, now)),
        next: link.next_poll.map(|at| Moment::new(at.max(now), now)),
        cadence: link.interval_s.map(words::cadence),
        error: link.last_error.clone(),
        failures: link.failures,
    }
}

fn certificate(certificate: &CertificateStatus, now: jiff::Timestamp) -> Certificate {
    let why = certificate.problem.as_deref().unwrap_or_default();
    let alarm = match certificate.state {
        CertificateState::Valid | CertificateState::Due => None,
        CertificateState::Ending => Some(format!("It expires soon, and renewal fails: {why}")),
        CertificateState::Expired => Some(
            "It has expired: the server rejects this gateway. Enroll it again with a new token.".to_owned(),
        ),
    };
    Certificate { ends: Moment::new(certificate.not_after, now), alarm }
}

fn link_state(link: &LinkStatus) -> (&'static str, Tone) {
    match (&link.last_error, link.last_poll) {
        (None, Some(_)) => ("Connected", Tone::Good),
        (None, None) => ("Not polled yet", Tone::Quiet),
        (Some(_), Some(_)) => ("Connection lost", Tone::Bad),
        (Some(_), None) => ("No connection", Tone::Bad),
    }
}

fn queue(status: &Status) -> Queue {
    let lane = |lane: Lane, name| {
        let of = status.lanes.of(lane);
        LaneRow { name, waiting: words::grouped(of.waiting), acknowledged: words::grouped(of.acknowledged) }
    };
    let (waiting, limit) = (status.spool.waiting_bytes, status.spool.limit_bytes);
    Queue {
        lanes: vec![lane(Lane::Urgent, "Urgent"), lane(Lane::Bulk, "Bulk")],
        mails_waiting: status.mails_waiting,
        size: format!("{} of {}", words::bytes(waiting), words::bytes(limit)),
        problem: status.spool.problem.clone(),
    }
}
