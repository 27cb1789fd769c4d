//! `/devices/{gateway}/{device}`: everything about one device.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use wire::command::Order;
use wire::ids::DeviceId;
use wire::reading::{Counter, Reading};

use super::calls::{self, CallRow};
use super::choice::{address, device_page, segment};
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::shell::Shell;
use super::state::{self, StateBadge};
use super::supply::{self, Bar};
use super::time::{When, grouped};
use super::visitor::{Submitted, Visitor};
use crate::operators::caller::{Caller, Params};
use crate::operators::refused::Refused;
use crate::operators::role::Act;
use crate::operators::{OperatorState, orders};
use crate::store::{CallFilter, CounterPoint, Device, DeviceDetail, Gravest, LatestCounter, Sighting};

/// Readings in the table beside the plot.
const TABLE_POINTS: usize = 30;

/// A word on what was done.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    shell: Shell,
    d: Head,
    may_count: bool,
    may_sense: bool,
    may_roll_out: bool,
    console: Vec<String>,
    alerts: Vec<Alert>,
    supplies: Vec<Bar>,
    trays: Vec<Bar>,
    facts: Vec<Fact>,
    firmware: Vec<Fact>,
    unit: String,
    counters: Vec<CounterRow>,
    series: String,
    points: Vec<Point>,
    calls: Vec<CallRow>,
    rollout_href: String,
    /// Other gateways that see the device.
    elsewhere: Vec<Elsewhere>,
    /// Whether the device counts here.
    counted: bool,
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
    state: StateBadge,
    read_at: Option<When>,
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
    title: String,
    value: String,
    oid: String,
    raw: String,
    at: When,
}

struct Point {
    at: When,
    value: String,
}

/// What the store knows of a device.
struct Known {
    detail: DeviceDetail,
    site: String,
    counters: Vec<LatestCounter>,
    points: Vec<CounterPoint>,
    calls: Vec<crate::store::Call>,
    others: Vec<Sighting>,
}

/// `GET /devices/{gateway}/{device}`
pub(super) async fn show(
    State(state): State<OperatorState>,
    Visitor(caller): Visitor,
    Path((gateway, device)): Path<(String, String)>,
    Params(query): Params<Query>,
) -> Result<Response, PageRefused> {
    let known = read(&state, &caller, &gateway, &device).await?;
    let shell = Shell::new(&caller, "/", query.done.as_deref());
    Ok(page(&prepared(shell, &caller, known, Timestamp::now())))
}

async fn read(
    state: &OperatorState,
    caller: &Caller,
    gateway: &str,
    device: &str,
) -> Result<Known, PageRefused> {
    let (store, tenant) = (state.seen_by(caller), caller.tenant.as_str());
    let detail = store.device(tenant, gateway, device).await?.ok_or_else(|| Refused::not_found("device"))?;
    let site = store.gateway(tenant, gateway).await?.map(|gateway| gateway.site).unwrap_or_default();
    let total = Counter::Total.name();
    let (begin, end) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let mut points = store.counter_series(tenant, gateway, device, total, begin, end).await?;
    points.drain(..points.len().saturating_sub(TABLE_POINTS));
    let filter = CallFilter {
        gateway: Some(gateway.to_owned()),
        device: Some(device.to_owned()),
        ..CallFilter::default()
    };
    let calls = store.calls(tenant, &filter, None).await?.items;
    let counters = store.latest_counters(tenant, gateway, device).await?;
    let others = store.other_sightings(tenant, gateway, device).await?;
    Ok(Known { detail, site, counters, points, calls, others })
}

fn prepared(shell: Shell, caller: &Caller, known: Known, now: Timestamp) -> DevicePage {
    let d = known.detail.device;
    let reading: Option<Reading> = known.detail.reading.and_then(|json| serde_json::from_value(json).ok());
    let reading = reading.as_ref();
    let gravest = gravest(&known.calls);
    let href = device_page(&d.gateway, &d.device);
    let series = format!(
        "/api/v1/gateways/{}/devices/{}/counters?counter=total",
        segment(&d.gateway),
        segment(&d.device)
    );
    DevicePage {
        may_count: caller.role.may(Act::AskCounters),
        may_sense: caller.role.may(Act::AskStatus),
        may_roll_out: caller.role.may(Act::RollOut),
        console: reading.map(|r| console(&r.status.console)).unwrap_or_default(),
        alerts: reading.map(|r| r.alerts.iter().filter_map(alert).collect()).unwrap_or_default(),
        supplies: reading.map(|r| supply::supplies(&r.supplies)).unwrap_or_default(),
        trays: reading.map(|r| supply::trays(&r.trays)).unwrap_or_default(),
        firmware: reading.map(firmware).unwrap_or_default(),
        unit: known.counters.iter().map(|c| c.unit.clone()).find(|unit| !unit.is_empty()).unwrap_or_default(),
        counters: counters(known.counters, now),
        points: known
            .points
            .iter()
            .rev()
            .map(|p| Point { at: When::new(p.at, now), value: grouped(p.value) })
            .collect(),
        calls: calls::rows(known.calls, now),
        rollout_href: address("/rollouts", &[("vendor", &d.vendor), ("model", &d.model)]),
        facts: facts(&d, reading, now),
        elsewhere: known
            .others
            .into_iter()
            .map(|other| Elsewhere { href: device_page(&other.gateway, &d.device), gateway: other.gateway })
            .collect(),
        counted: d.counted,
        d: Head {
            state: state::of_device(d.offline, gravest, reading.map(|r| &r.status)),
            read_at: d.read_at.map(|at| When::new(at, now)),
            model: if d.model.is_empty() { d.device } else { d.model },
            serial: if d.serial.is_empty() { d.address } else { d.serial },
            site: if known.site.is_empty() { d.gateway.clone() } else { known.site },
            gateway: d.gateway,
            href,
        },
        series,
        shell,
    }
}

/// The gravest open call among a device's newest ones.
fn gravest(calls: &[crate::store::Call]) -> Option<Gravest> {
    let open = |kind: &str| calls.iter().any(|call| call.open && call.kind == kind);
    let ranks = [
        ("service_call", Gravest::ServiceCall),
        ("supply_end", Gravest::SupplyEnd),
        ("jam", Gravest::Jam),
        ("cover_open", Gravest::CoverOpen),
        ("supply_near_end", Gravest::SupplyNearEnd),
    ];
    ranks.into_iter().find(|(kind, _)| open(kind)).map(|(_, gravest)| gravest)
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
        ("Gateway", d.gateway.clone()),
        ("Device id", d.device.clone()),
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

fn counters(latest: Vec<LatestCounter>, now: Timestamp) -> Vec<CounterRow> {
    let mut latest = latest;
    let order = |name: &str| Counter::ALL.iter().position(|counter| counter.name() == name);
    latest.sort_by_key(|counter| order(&counter.counter));
    let row = |c: LatestCounter| CounterRow {
        title: title(&c.counter),
        value: grouped(c.value),
        oid: c.oid,
        raw: grouped(c.raw),
        at: When::new(c.at, now),
    };
    latest.into_iter().map(row).collect()
}

/// A counter's name for people.
fn title(counter: &str) -> String {
    let text = match counter {
        "total" => "Total",
        "black" => "Black and white",
        "color" => "Colour",
        "copy_total" => "Copies",
        "copy_black" => "Copies, black and white",
        "copy_color" => "Copies, colour",
        "print_total" => "Prints",
        "print_black" => "Prints, black and white",
        "print_color" => "Prints, colour",
        "fax_total" => "Faxes received",
        "scan_total" => "Scans",
        "duplex" => "Two-sided sheets",
        "power_on" => "Since power-on",
        "jams" => "Paper jams",
        other => other,
    };
    text.to_owned()
}

/// `POST /devices/{gateway}/{device}/commands`
pub(super) async fn ask(
    State(state): State<OperatorState>,
    Path((gateway, device)): Path<(String, String)>,
    Submitted { caller, fields }: Submitted,
) -> Result<Response, PageRefused> {
    let id: DeviceId = device.parse().map_err(|_| Refused::not_found("device"))?;
    if state.store().device(&caller.tenant, &gateway, &device).await?.is_none() {
        return Err(Refused::not_found("device").into());
    }
    let devices = Some(vec![id]);
    let order = match fields.text("kind") {
        "counter_request" => Order::CounterRequest { devices },
        "status_sense" => Order::StatusSense { devices },
        _ => return Err(Refused::malformed("there is no command of that kind").into()),
    };
    orders::queue(&state, &caller, &gateway, order).await?;
    Ok(Redirect::to(&address(&device_page(&gateway, &device), &[("done", "queued")])).into_response())
}
