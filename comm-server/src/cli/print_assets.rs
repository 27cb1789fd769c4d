//! What `asset` prints.

use comm_server_core::assets::{Epoch, History, Meter};
use jiff::Timestamp;
use serde_json::{Value, json};
use wire::reading::Counter;

use super::print::{PrintError, document, line, table, time};
use crate::store::{Asset, AssetDetail, SwapReading, UnassignedDevice, UnreadDevice};

fn asset_json(a: &Asset) -> Value {
    json!({ "asset": a.id, "name": a.spec.name, "erp_key": a.spec.erp_key, "notes": a.spec.notes,
        "customer": a.customer, "customer_name": a.customer_name, "site": a.spec.site, "site_name": a.site_name,
        "state": a.state().name(), "device": a.device, "device_since": a.device_since, "model": a.model,
        "serial": a.serial, "read_at": a.read_at, "version": a.version, "retired_at": a.retired_at })
}

pub(super) fn assets(json: bool, assets: &[Asset]) -> Result<(), PrintError> {
    if json {
        return document(&assets.iter().map(asset_json).collect::<Vec<_>>());
    }
    let row = |a: &Asset| {
        let device = a.device.as_ref().map(ToString::to_string).unwrap_or_default();
        let texts = [&a.spec.name, &a.spec.erp_key, &a.customer_name, &a.site_name].map(Clone::clone);
        [vec![a.id.to_string()], texts.to_vec(), vec![a.state().name().to_owned(), device, time(a.read_at)]]
            .concat()
    };
    let headers = ["asset", "name", "ERP key", "customer", "site", "state", "device", "last read"];
    line(&table(&headers, assets.iter().map(row)))
}

fn meter_json(m: &Meter) -> Value {
    json!({ "at": m.at, "value": m.value, "oid": m.source, "raw": m.raw, "gateway": m.gateway,
        "lane": m.report.map(|report| report.lane.name()), "seq": m.report.map(|report| report.seq) })
}

fn named_json(r: &SwapReading) -> Value {
    let mut document = meter_json(&r.meter);
    document["counter"] = r.counter.name().into();
    document
}

fn detail_json(
    found: &AssetDetail,
    (counter, history, (from, to)): (Counter, &History, (Timestamp, Timestamp)),
) -> Value {
    let named = |all: &[SwapReading]| all.iter().map(named_json).collect::<Vec<_>>();
    let epoch = |e: &Epoch| {
        json!({ "device": e.device, "oid": e.source(), "opened_by": e.opening.name(), "begin": meter_json(e.begin()),
            "end": meter_json(e.end()), "readings": e.readings(), "usage": e.usage(from, to) })
    };
    let placements =
        found.placements.iter().map(|p| json!({ "device": p.device, "from": p.from, "to": p.to }));
    let swaps = found.swaps.iter().map(|s| {
        json!({ "swap": s.id, "at": s.at, "old_device": s.old_device, "new_device": s.new_device,
            "reason": s.reason, "by": s.by, "created_at": s.created_at, "old": named(&s.old), "new": named(&s.new) })
    });
    let mut document = asset_json(&found.asset);
    document["placements"] = placements.collect();
    document["swaps"] = swaps.collect();
    document["counter"] = counter.name().into();
    document["usage"] = history.usage(from, to).into();
    document["epochs"] = history.epochs.iter().map(epoch).collect();
    document
}

pub(super) fn asset(
    json: bool,
    found: &AssetDetail,
    counted: (Counter, &History, (Timestamp, Timestamp)),
) -> Result<(), PrintError> {
    if json {
        return document(&detail_json(found, counted));
    }
    let (counter, history, (from, to)) = counted;
    assets(false, std::slice::from_ref(&found.asset))?;
    let row = |p: &comm_server_core::assets::Placement| {
        let to = p.to.map(|to| time(Some(to))).unwrap_or_default();
        vec![p.device.to_string(), time(Some(p.from)), to]
    };
    line(&table(&["device", "from", "to"], found.placements.iter().map(row)))?;
    let epoch = |e: &Epoch| {
        let (begin, end) = (e.begin(), e.end());
        vec![
            e.device.to_string(),
            e.opening.name().to_owned(),
            e.source().to_owned(),
            time(Some(begin.at)),
            begin.value.to_string(),
            time(Some(end.at)),
            end.value.to_string(),
            e.usage(from, to).to_string(),
        ]
    };
    let headers = ["device", "opened by", "object", "begin", "value", "end", "value", "counted"];
    line(&table(&headers, history.epochs.iter().map(epoch)))?;
    line(&format!("{}: {} counted", counter.name(), history.usage(from, to)))
}

pub(super) fn unassigned(json: bool, devices: &[UnassignedDevice]) -> Result<(), PrintError> {
    if json {
        let one = |d: &UnassignedDevice| {
            json!({ "gateway": d.gateway, "device": d.device, "vendor": d.vendor, "model": d.model,
                "serial": d.serial, "address": d.address, "customer": d.customer, "site": d.site,
                "first_seen_at": d.first_seen, "read_at": d.read_at, "placeable": d.placeable })
        };
        return document(&devices.iter().map(one).collect::<Vec<_>>());
    }
    let row = |d: &UnassignedDevice| {
        let texts = [&d.model, &d.address, &d.customer, &d.site].map(Clone::clone);
        [vec![d.gateway.to_string(), d.device.to_string()], texts.to_vec(), vec![time(Some(d.first_seen))]]
            .concat()
    };
    let headers = ["gateway", "device", "model", "address", "customer", "site", "first seen"];
    line(&table(&headers, devices.iter().map(row)))
}

pub(super) fn unread(json: bool, devices: &[UnreadDevice]) -> Result<(), PrintError> {
    if json {
        let one = |d: &UnreadDevice| {
            json!({ "gateway": d.gateway, "device": d.device, "model": d.model, "serial": d.serial,
                "customer": d.customer, "site": d.site, "asset": d.asset, "asset_name": d.asset_name,
                "first_seen_at": d.first_seen, "read_at": d.read_at, "reason": d.reason.name() })
        };
        return document(&devices.iter().map(one).collect::<Vec<_>>());
    }
    let row = |d: &UnreadDevice| {
        let texts = [&d.model, &d.customer, &d.site, &d.asset_name].map(Clone::clone);
        let ids = vec![d.gateway.to_string(), d.device.to_string()];
        [ids, texts.to_vec(), vec![time(d.read_at), d.reason.text().to_owned()]].concat()
    };
    let headers = ["gateway", "device", "model", "customer", "site", "asset", "last read", "reason"];
    line(&table(&headers, devices.iter().map(row)))
}
