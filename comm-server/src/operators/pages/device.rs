//! `/devices/{gateway}/{device}`: everything about one device.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::{Counter, Reading};

use super::calls::{self, CallRow};
use super::error::PageError;
use super::icon::Icon;
use super::layout::{Done, Layout};
use super::live::Wanted;
use super::session::{FormSubmission, PageParams, PageSession};
use super::state::{self, StateBadge};
use super::supply::{self, Alarms, Bar};
use super::time::{When, grouped};
use super::url::{address, device_page, segment};
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, PathIds};
use crate::operators::error::ApiError;
use crate::services::RequestKind;
use crate::store::{
    CallFilter, CounterPoint, Device, DeviceDetail, Gateway, LatestCounter, Page, SeriesQuery, Sighting,
    SupplyCall,
};
use comm_server_core::calls::CallPriority;
use comm_server_core::roles::Permission;

/// Readings in the table beside the plot.
const TABLE_POINTS: usize = 30;

/// Message about a completed action.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'a> {
    layout: Layout,
    d: &'a Head,
    may_count: bool,
    may_sense: bool,
    unit: &'a str,
    series: String,
    points: Vec<Point>,
    overview: &'a Overview,
    history: &'a History,
}

/// The current state of the device.
#[derive(Template)]
#[template(path = "device_overview.html")]
struct Overview {
    state: StateBadge,
    read_at: Option<When>,
    /// Why the shown state is old.
    stale: Option<&'static str>,
    may_roll_out: bool,
    console: Vec<String>,
    alerts: Vec<Alert>,
    supplies: Vec<Bar>,
    trays: Vec<Bar>,
    facts: Vec<Fact>,
    firmware: Vec<Fact>,
    rollout_href: String,
    /// Other gateways that see the device.
    elsewhere: Vec<Elsewhere>,
    /// Whether the device is counted under this gateway.
    counted: bool,
}

/// Readings and events.
#[derive(Template)]
#[template(path = "device_history.html")]
struct History {
    unit: String,
    counters: Vec<CounterRow>,
    calls: Vec<CallRow>,
    more_calls: bool,
    calls_href: String,
}

/// Another gateway that sees the device.
struct Elsewhere {
    gateway: String,
    href: String,
}

struct Head {
    model: String,
    serial: String,
    gateway: String,
    site: String,
    href: String,
}

struct Fact {
    name: String,
    value: String,
}

struct Alert {
    text: String,
    tone: &'static str,
    icon: Icon,
}

struct CounterRow {
    title: &'static str,
    value: String,
    oid: String,
    raw: String,
    at: When,
}

struct Point {
    at: When,
    value: String,
}

/// The stored data of a device.
struct Known {
    detail: DeviceDetail,
    gateway: Option<Gateway>,
    counters: Vec<LatestCounter>,
    calls: Page<crate::store::Call>,
    top_call: Option<CallPriority>,
    supply_calls: Vec<SupplyCall>,
    others: Vec<Sighting>,
}

/// `GET /devices/{gateway}/{device}`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds((gateway, device)): PathIds<(GatewayId, DeviceId)>,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let known = read(&state, &caller, &gateway, &device).await?;
    // The table beside the plot is not a live region: it is drawn with the page.
    let points = match wanted {
        Wanted::Page => points(&state, &caller, &gateway, &device, now).await?,
        Wanted::Regions { .. } => Vec::new(),
    };
    let done =
        query.done.filter(|word| word == "queued").map(|_| queued(known.gateway.as_ref(), &gateway, now));
    let head = Head::of(&known);
    let (overview, history) = prepared(&caller, known, now);
    Ok(wanted.answer(&[&overview, &history], || DevicePage {
        layout: Layout::with(&caller, "/", done),
        may_count: caller.actor.may(Permission::AskCounters),
        may_sense: caller.actor.may(Permission::AskStatus),
        series: format!(
            "/api/v1/gateways/{}/devices/{}/counters?counter=total",
            segment(gateway.as_str()),
            segment(device.as_str())
        ),
        d: &head,
        unit: &history.unit,
        points,
        overview: &overview,
        history: &history,
    }))
}

async fn read(
    state: &OperatorState,
    caller: &Caller,
    gateway: &GatewayId,
    device: &DeviceId,
) -> Result<Known, PageError> {
    let view = state.view(caller, Permission::SeeFleet)?;
    let detail = view.device(gateway, device).await?.ok_or_else(|| ApiError::not_found("device"))?;
    let filter =
        CallFilter { gateway: Some(gateway.clone()), device: Some(device.clone()), ..CallFilter::default() };
    let own = (gateway, device);
    Ok(Known {
        detail,
        gateway: view.gateway(gateway).await?,
        counters: view.latest_counters(gateway, device).await?,
        calls: view.calls(&filter, None).await?,
        top_call: view.top_call(gateway, device).await?,
        supply_calls: view.supply_calls(own, own).await?,
        others: view.other_sightings(gateway, device).await?,
    })
}

/// The newest readings of the total, the newest first.
async fn points(
    state: &OperatorState,
    caller: &Caller,
    gateway: &GatewayId,
    device: &DeviceId,
    now: Timestamp,
) -> Result<Vec<Point>, PageError> {
    let view = state.view(caller, Permission::SeeFleet)?;
    let query = SeriesQuery {
        gateway,
        device,
        counter: Counter::Total,
        from: Timestamp::UNIX_EPOCH,
        to: Timestamp::MAX,
        source: None,
    };
    let points = view.counter_series(query).await?.points;
    let point = |p: &CounterPoint| Point { at: When::new(p.at, now), value: grouped(p.value) };
    Ok(points.iter().rev().take(TABLE_POINTS).map(point).collect())
}

/// Message after a command was queued: when the gateway receives it, if known, with a link.
fn queued(known: Option<&Gateway>, gateway: &GatewayId, now: Timestamp) -> Done {
    let due = known.and_then(Gateway::next_poll).filter(|due| *due > now);
    let text = match due {
        Some(due) => {
            format!("Queued. {gateway} receives it with its next poll, {}.", When::new(due, now).relative)
        }
        None if known.is_some_and(|known| known.is_silent(now)) => {
            format!("Queued. {gateway} has missed its polls: it receives the command when it polls again.")
        }
        None => format!("Queued. {gateway} receives it with its next poll, which is due."),
    };
    Done::with_link(text, super::commands::page_of(gateway), "See its commands")
}

/// Why the shown state of a device is old, if it is.
fn stale(offline: bool, gateway: Option<&Gateway>, now: Timestamp) -> Option<&'static str> {
    if gateway.is_some_and(|gateway| gateway.is_silent(now)) {
        return Some("Its gateway has missed its polls.");
    }
    offline.then_some("The device does not respond to its gateway.")
}

impl Head {
    fn of(known: &Known) -> Self {
        let d = &known.detail.device;
        let site = known.gateway.as_ref().map(|gateway| gateway.site.as_str()).unwrap_or_default();
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        Self {
            href: device_page(&d.gateway, &d.device),
            model: or(&d.model, d.device.as_str()),
            serial: or(&d.serial, &d.address),
            site: or(site, d.gateway.as_str()),
            gateway: d.gateway.to_string(),
        }
    }
}

fn prepared(caller: &Caller, known: Known, now: Timestamp) -> (Overview, History) {
    let d = known.detail.device;
    let reading: Option<Reading> = known.detail.reading.and_then(|json| serde_json::from_value(json).ok());
    let reading = reading.as_ref();
    let alarms = Alarms::of(&known.supply_calls, &d.gateway, &d.device);
    let elsewhere = |other: Sighting| Elsewhere {
        href: device_page(&other.gateway, &d.device),
        gateway: other.gateway.into(),
    };
    let overview = Overview {
        state: state::of_device(d.offline, known.top_call, reading.map(|r| &r.status)),
        read_at: d.read_at.map(|at| When::new(at, now)),
        stale: stale(d.offline, known.gateway.as_ref(), now),
        may_roll_out: caller.actor.may(Permission::RollOut),
        console: reading.map(|r| console(&r.status.console)).unwrap_or_default(),
        alerts: reading.map(|r| r.alerts.iter().filter_map(alert).collect()).unwrap_or_default(),
        supplies: reading.map(|r| supply::supplies(&r.supplies, &alarms)).unwrap_or_default(),
        trays: reading.map(|r| supply::trays(&r.trays)).unwrap_or_default(),
        firmware: reading.map(firmware).unwrap_or_default(),
        rollout_href: address("/rollouts", &[("vendor", &d.vendor), ("model", &d.model)]),
        facts: facts(&d, reading, now),
        elsewhere: known.others.into_iter().map(elsewhere).collect(),
        counted: d.counted,
    };
    let history = History {
        unit: known.counters.iter().map(|c| c.unit.clone()).find(|unit| !unit.is_empty()).unwrap_or_default(),
        counters: counters(known.counters, now),
        more_calls: known.calls.next.is_some(),
        calls: calls::rows(known.calls.items, now),
        calls_href: calls::page_of(&d.gateway, &d.device),
    };
    (overview, history)
}

fn console(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn alert(alert: &wire::reading::Alert) -> Option<Alert> {
    let critical = alert.severity.as_ref().is_some_and(|s| s.is("critical"));
    let group = alert.group_name.as_ref().map(supply::words);
    let text = alert.description.clone().filter(|text| !text.trim().is_empty()).or(group)?;
    let (tone, icon) = if critical { ("bad", Icon::Alert) } else { ("warn", Icon::Alert) };
    Some(Alert { text, tone, icon })
}

fn facts(d: &Device, reading: Option<&Reading>, now: Timestamp) -> Vec<Fact> {
    let description = reading.and_then(|r| r.identity.sys_descr.clone()).unwrap_or_default();
    let all = [
        ("Vendor", d.vendor.clone()),
        ("Model", d.model.clone()),
        ("Serial number", d.serial.clone()),
        ("Name", d.name.clone()),
        ("Address", d.address.clone()),
        ("Hardware address", d.mac.clone()),
        ("Gateway", d.gateway.to_string()),
        ("Device id", d.device.to_string()),
        ("First seen", When::new(d.first_seen, now).full),
        ("Describes itself as", description),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.trim().is_empty());
    known.map(|(name, value)| Fact { name: name.to_owned(), value }).collect()
}

fn firmware(reading: &Reading) -> Vec<Fact> {
    let fact = |f: &wire::reading::Firmware| Fact { name: f.component.clone(), value: f.version.clone() };
    reading.identity.firmware.iter().map(fact).collect()
}

fn counters(mut latest: Vec<LatestCounter>, now: Timestamp) -> Vec<CounterRow> {
    latest.sort_by_key(|counter| counter.counter);
    let row = |c: LatestCounter| CounterRow {
        title: title(c.counter),
        value: grouped(c.value),
        oid: c.oid,
        raw: grouped(c.raw),
        at: When::new(c.at, now),
    };
    latest.into_iter().map(row).collect()
}

/// A counter's name for people.
const fn title(counter: Counter) -> &'static str {
    match counter {
        Counter::Total => "Total",
        Counter::Black => "Black and white",
        Counter::Color => "Colour",
        Counter::CopyTotal => "Copies",
        Counter::CopyBlack => "Copies, black and white",
        Counter::CopyColor => "Copies, colour",
        Counter::PrintTotal => "Prints",
        Counter::PrintBlack => "Prints, black and white",
        Counter::PrintColor => "Prints, colour",
        Counter::FaxTotal => "Faxes received",
        Counter::ScanTotal => "Scans",
        Counter::Duplex => "Two-sided sheets",
        Counter::PowerOn => "Since power-on",
        Counter::Jams => "Paper jams",
    }
}

/// `POST /devices/{gateway}/{device}/commands`
pub(super) async fn ask(
    State(state): State<OperatorState>,
    PathIds((gateway, device)): PathIds<(GatewayId, DeviceId)>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let kind: RequestKind = fields.text("kind").parse()?;
    if state.services.views.now(&caller.actor, kind.permission())?.device(&gateway, &device).await?.is_none()
    {
        return Err(ApiError::not_found("device").into());
    }
    state.services.commands.queue(&caller.actor, &gateway, kind, Some(vec![device.clone()])).await?;
    Ok(Redirect::to(&address(&device_page(&gateway, &device), &[("done", "queued")])).into_response())
}
