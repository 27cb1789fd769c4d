//! Output of the command line: one JSON document, or tables for people.

use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use comm_server_core::audit::differences;
use comm_server_core::tenancy::{Part, SiteId, TenantId};
use jiff::Timestamp;
use runtime::output::OutputReader;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;
use wire::ids::{CommandId, DeviceId, GatewayId};
use wire::report::WaitReason;
use wire::text::with_marks;

use crate::services::{FileOutcome, ImportMode, Invited, MadeToken, PlaceSetting, audit_document};
use crate::store::backup::{BackedUp, Restored};
use crate::store::{
    ApiToken, AuditChain, Customer, Dealer, Gateway, LeftOutDevice, ListedUser, Migrated, Quarantined,
    Recorded, Replayed, Rollout, RolloutDevice, Site,
};

/// Standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output can't be written")]
pub(crate) struct PrintError(#[from] std::io::Error);

/// Prints a line. A reader that closed its end is not an error.
pub(super) fn line(text: &str) -> Result<(), PrintError> {
    runtime::output::line(text)?;
    Ok(())
}

pub(super) fn document(value: &impl Serialize) -> Result<(), PrintError> {
    runtime::output::document(value)?;
    Ok(())
}

pub(super) fn table(headers: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headers);
    // Names of devices and reasons come from others: a terminal must not obey them.
    table.add_rows(
        rows.map(|row| row.into_iter().map(|cell| with_marks(&cell).into_owned()).collect::<Vec<_>>()),
    );
    table.to_string()
}

pub(super) fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

pub(super) fn queued(json: bool, gateway: &GatewayId, command: CommandId) -> Result<(), PrintError> {
    if json {
        return document(&json!({"gateway": gateway, "command": command}));
    }
    line(&format!("queued for {gateway}: {command}"))
}

pub(super) fn one_time(json: bool, user: &str, password: &str) -> Result<(), PrintError> {
    if json {
        return document(&json!({"user": user, "one_time_password": password}));
    }
    line(&format!("one-time password of {user}: {password}"))
}

pub(super) fn gateways(json: bool, gateways: &[Gateway]) -> Result<(), PrintError> {
    if json {
        return document(&gateways);
    }
    let row = |g: &Gateway| {
        vec![
            g.gateway.to_string(),
            g.version.clone(),
            g.devices.to_string(),
            g.devices_offline.to_string(),
            g.open_calls.to_string(),
            time(g.last_poll),
            format!("{} s", g.next_poll_s),
        ]
    };
    let headers = ["gateway", "version", "devices", "offline", "open calls", "last poll", "interval"];
    line(&table(&headers, gateways.iter().map(row)))
}

fn rollout_row(r: &Rollout) -> Vec<String> {
    vec![
        r.rollout.to_string(),
        r.target.clone(),
        r.state.to_string(),
        time(Some(r.not_before)),
        format!("{} of {}", r.verified, r.devices),
        r.failed.to_string(),
        r.cancelled.to_string(),
        r.created_by.clone(),
    ]
}

const ROLLOUT: [&str; 8] =
    ["roll-out", "target", "state", "not before", "verified", "failed", "cancelled", "by"];

/// What a device waits for, its result, and its console text.
fn reason(d: &RolloutDevice) -> String {
    let waits = d.waiting_for.map_or("", WaitReason::text);
    let panel = if d.panel.is_empty() { String::new() } else { format!("its panel shows: {}", d.panel) };
    let parts = [waits, d.detail.as_str(), panel.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

pub(super) fn rollouts(json: bool, rollouts: &[Rollout]) -> Result<(), PrintError> {
    if json {
        return document(&rollouts);
    }
    line(&table(&ROLLOUT, rollouts.iter().map(rollout_row)))
}

pub(super) fn rollout(
    json: bool,
    rollout: &Rollout,
    devices: &[RolloutDevice],
    left_out: &[LeftOutDevice],
) -> Result<(), PrintError> {
    if json {
        return document(&json!({"rollout": rollout, "devices": devices, "left_out": left_out}));
    }
    line(&table(&ROLLOUT, std::iter::once(rollout_row(rollout))))?;
    if let Some(retried) = &rollout.retry_of {
        line(&format!("orders the failed devices of {retried} again"))?;
        for device in left_out {
            line(&format!("not ordered again: {} at {}: {}", device.device, device.gateway, device.reason))?;
        }
    }
    if let Some(again) = &rollout.retried_by {
        line(&format!("its failed devices are ordered again by {again}"))?;
    }
    let row = |d: &RolloutDevice| {
        let device = d.device.as_ref().map_or("(staging)", DeviceId::as_str);
        vec![
            d.gateway.to_string(),
            device.to_owned(),
            d.step.name().to_owned(),
            d.version_before.clone(),
            d.version_now.clone(),
            reason(d),
        ]
    };
    let headers = ["gateway", "device", "step", "before", "now", "why"];
    line(&table(&headers, devices.iter().map(row)))
}

pub(super) fn migrated(json: bool, done: Migrated) -> Result<(), PrintError> {
    if json {
        return document(&done);
    }
    let Migrated { from, to } = done;
    line(&if from == to {
        format!("the tables are already at version {to}")
    } else {
        format!("the tables were migrated from version {from} to {to}")
    })
}

pub(super) fn backed_up(json: bool, file: &Path, done: &BackedUp) -> Result<(), PrintError> {
    if json {
        return document(
            &json!({"file": file, "tables": done.tables, "rows": done.rows, "bytes": done.bytes}),
        );
    }
    line(&format!(
        "{}: {} rows, {} bytes, tables of version {}",
        file.display(),
        done.rows,
        done.bytes,
        done.tables
    ))
}

pub(super) fn restored(json: bool, file: &Path, done: &Restored) -> Result<(), PrintError> {
    if json {
        return document(&json!({"file": file, "tables": done.tables, "rows": done.rows}));
    }
    line(&format!(
        "{} rows restored from {}, made with tables of version {}",
        done.rows,
        file.display(),
        done.tables
    ))
}

pub(super) fn replayed(json: bool, done: Replayed) -> Result<(), PrintError> {
    if json {
        return document(&done);
    }
    line(&format!("{} reports stored, {} still can't be used", done.taken, done.kept))
}

pub(super) fn quarantine(json: bool, reports: &[Quarantined]) -> Result<(), PrintError> {
    if json {
        return document(&reports);
    }
    let row = |q: &Quarantined| {
        vec![
            q.gateway.to_string(),
            q.lane.name().to_owned(),
            q.seq.to_string(),
            time(Some(q.received_at)),
            q.reason.clone(),
        ]
    };
    line(&table(&["gateway", "lane", "number", "received", "why"], reports.iter().map(row)))
}

pub(super) fn audit(json: bool, entries: &[Recorded]) -> Result<(), PrintError> {
    if json {
        return document(&entries.iter().map(audit_document).collect::<Vec<_>>());
    }
    let row = |e: &Recorded| {
        let number = e.number.map(|number| number.to_string()).unwrap_or_default();
        let changed = differences(e.before.as_ref(), e.after.as_ref());
        let changed = changed.iter().map(|d| format!("{}: {:?} → {:?}", d.field, d.before, d.after));
        let detail = std::iter::once(e.detail.clone()).chain(changed).collect::<Vec<_>>().join("; ");
        vec![number, time(Some(e.at)), e.who.clone(), e.what.clone(), detail]
    };
    line(&table(&["entry", "when", "who", "what", "detail"], entries.iter().map(row)))
}

pub(super) fn audit_chain(json: bool, chain: &AuditChain) -> Result<(), PrintError> {
    let AuditChain { head, broken } = chain;
    let hash = head.hash.to_string();
    if json {
        let broken = broken.map(|broken| {
            json!({"number": broken.number, "fault": broken.fault.name(), "detail": broken.to_string()})
        });
        return document(&json!({
            "whole": broken.is_none(), "number": head.number, "hash": hash,
            "first_number": head.first_number, "broken": broken,
        }));
    }
    match broken {
        // The reason follows as the error.
        Some(_) => Ok(()),
        None if head.number < head.first_number => {
            line(&format!("whole, without entries; {}:{hash}", head.number))
        }
        None => line(&format!(
            "whole from entry {} to entry {}; {}:{hash}",
            head.first_number, head.number, head.number
        )),
    }
}

/// Prints a part of an output; `false` if the reader closed its end.
pub(super) fn part(text: &str) -> Result<bool, PrintError> {
    let reader = runtime::output::write(|out| out.write_all(text.as_bytes()))?;
    Ok(reader == OutputReader::Present)
}

/// Prints a text without a line break of its own.
pub(super) fn text(text: &str) -> Result<(), PrintError> {
    line(text.trim_end())
}

pub(super) fn created(json: bool, what: &str, id: &str) -> Result<(), PrintError> {
    if json {
        return document(&json!({ what: id }));
    }
    line(&format!("{what} {id}"))
}

pub(super) fn assigned(json: bool, gateway: &GatewayId, site: Option<SiteId>) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "gateway": gateway, "site": site }));
    }
    line(&match site {
        Some(site) => format!("{gateway} belongs to site {site}"),
        None => format!("{gateway} belongs to no site"),
    })
}

pub(super) fn customers(json: bool, customers: &[Customer]) -> Result<(), PrintError> {
    if json {
        let one = |c: &Customer| {
            json!({ "customer": c.id, "name": c.spec.name, "erp_key": c.spec.erp_key, "sites": c.sites,
                "gateways": c.gateways, "devices": c.devices, "devices_offline": c.devices_offline })
        };
        return document(&customers.iter().map(one).collect::<Vec<_>>());
    }
    let row = |c: &Customer| {
        let numbers = [c.sites, c.gateways, c.devices, c.devices_offline].map(|number| number.to_string());
        [vec![c.id.to_string(), c.spec.name.clone(), c.spec.erp_key.clone()], numbers.to_vec()].concat()
    };
    let headers = ["customer", "name", "ERP key", "sites", "gateways", "devices", "offline"];
    line(&table(&headers, customers.iter().map(row)))
}

pub(super) fn sites(json: bool, sites: &[Site]) -> Result<(), PrintError> {
    if json {
        let one = |s: &Site| {
            json!({ "site": s.id, "customer": s.customer, "customer_name": s.customer_name, "name": s.spec.name,
                "erp_key": s.spec.erp_key, "address": s.spec.address.line(), "gateways": s.gateways,
                "devices": s.devices, "devices_offline": s.devices_offline })
        };
        return document(&sites.iter().map(one).collect::<Vec<_>>());
    }
    let row = |s: &Site| {
        let texts = [&s.spec.name, &s.customer_name, &s.spec.erp_key].map(Clone::clone);
        let numbers = [s.gateways, s.devices, s.devices_offline].map(|number| number.to_string());
        [vec![s.id.to_string()], texts.to_vec(), vec![s.spec.address.line()], numbers.to_vec()].concat()
    };
    let headers = ["site", "name", "customer", "ERP key", "address", "gateways", "devices", "offline"];
    line(&table(&headers, sites.iter().map(row)))
}

pub(super) fn settings(json: bool, settings: &[PlaceSetting]) -> Result<(), PrintError> {
    if json {
        let one = |s: &PlaceSetting| {
            (
                s.setting.name().to_owned(),
                json!({ "own": s.own, "value": s.effective.value, "from": s.effective.origin.name(),
                "inherited": s.inherited.value, "inherited_from": s.inherited.origin.name() }),
            )
        };
        return document(&settings.iter().map(one).collect::<serde_json::Map<_, _>>());
    }
    let row = |s: &PlaceSetting| {
        let effective = [s.effective.value.clone(), s.effective.origin.name().to_owned()];
        [vec![s.setting.name().to_owned()], effective.to_vec(), vec![s.own.clone().unwrap_or_default()]]
            .concat()
    };
    line(&table(&["setting", "value", "from", "own value"], settings.iter().map(row)))
}

pub(super) fn imported(json: bool, mode: ImportMode, outcome: &FileOutcome) -> Result<(), PrintError> {
    if json {
        return document(outcome);
    }
    for row in &outcome.errors {
        let column = if row.column.is_empty() { String::new() } else { format!(", column {}", row.column) };
        line(&with_marks(&format!("line {}{column}: {}", row.line, row.detail)))?;
    }
    let FileOutcome { rows, created, changed, unchanged, wrong, .. } = outcome;
    let what = if mode == ImportMode::Check { "would be " } else { "" };
    line(&format!(
        "{rows} rows: {created} {what}created, {changed} {what}changed, {unchanged} unchanged, {wrong} invalid"
    ))
}

/// Prints a one-time link. It is a secret, so it goes to standard output only.
pub(super) fn invited(json: bool, invited: &Invited) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "user": invited.user.as_str(), "path": invited.path(),
            "expires_at": invited.expires_at }));
    }
    line(&format!(
        "{}: open {} on the console; it works once, until {}",
        invited.user,
        invited.path(),
        time(Some(invited.expires_at))
    ))
}

pub(super) fn registered(json: bool, gateway: &GatewayId, dealer: &TenantId) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "gateway": gateway, "dealer": dealer }));
    }
    line(&format!("{gateway} belongs to the dealer {dealer}"))
}

fn dealer_json(d: &Dealer) -> serde_json::Value {
    json!({ "dealer": d.id, "name": d.name, "disabled_at": d.disabled_at, "created_at": d.created_at })
}

const fn dealer_state(d: &Dealer) -> &'static str {
    if d.disabled_at.is_some() { "disabled" } else { "active" }
}

pub(super) fn dealer(json: bool, dealer: &Dealer) -> Result<(), PrintError> {
    if json {
        return document(&dealer_json(dealer));
    }
    line(&format!("{}: {}, {}", dealer.id, with_marks(&dealer.name), dealer_state(dealer)))
}

pub(super) fn dealers(json: bool, dealers: &[Dealer]) -> Result<(), PrintError> {
    if json {
        return document(&dealers.iter().map(dealer_json).collect::<Vec<_>>());
    }
    let row = |d: &Dealer| {
        vec![d.id.to_string(), d.name.clone(), dealer_state(d).to_owned(), time(Some(d.created_at))]
    };
    line(&table(&["dealer", "name", "state", "created"], dealers.iter().map(row)))
}

pub(super) fn state_of_user(json: bool, user: &str, disabled: bool) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "user": user, "disabled": disabled }));
    }
    let state = if disabled { "disabled, the user's sessions have ended" } else { "allowed to log in" };
    line(&format!("{user}: {state}"))
}

pub(super) fn tokens(json: bool, tokens: &[ApiToken], now: Timestamp) -> Result<(), PrintError> {
    if json {
        let one = |t: &ApiToken| {
            let (customer, site) = Part::ids(t.spec.account.part);
            json!({ "token": t.id, "name": t.spec.name, "role": t.spec.account.role.name(), "customer": customer,
                "site": site, "networks": t.spec.networks, "created_by": t.created_by, "created_at": t.created_at,
                "expires_at": t.spec.expires_at, "used_at": t.used_at, "revoked_at": t.revoked_at })
        };
        return document(&tokens.iter().map(one).collect::<Vec<_>>());
    }
    let row = |t: &ApiToken| {
        let state = match t.revoked_at {
            Some(_) => "revoked",
            None if t.spec.expires_at <= now => "expired",
            None => "works",
        };
        let texts = [t.id.to_string(), t.spec.name.clone(), t.spec.account.role.name().to_owned()];
        let rest =
            [state.to_owned(), time(t.used_at), time(Some(t.spec.expires_at)), t.spec.networks.clone()];
        [texts.to_vec(), rest.to_vec()].concat()
    };
    let headers = ["token", "name", "role", "state", "last use", "expires", "networks"];
    line(&table(&headers, tokens.iter().map(row)))
}

/// Prints a token. It is a secret, so it goes to standard output only.
pub(super) fn token_made(json: bool, made: &MadeToken) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "token": made.id, "secret": made.token }));
    }
    line(&format!("token {}: {}", made.id, made.token))
}

pub(super) fn token_revoked(json: bool, token: Uuid) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "token": token, "revoked": true }));
    }
    line(&format!("{token} is revoked"))
}

pub(super) fn factor_removed(json: bool, user: &str) -> Result<(), PrintError> {
    if json {
        return document(&json!({ "user": user, "has_second_factor": false }));
    }
    line(&format!("{user}: the second factor is removed, the user's sessions have ended"))
}

pub(super) fn users(json: bool, users: &[ListedUser]) -> Result<(), PrintError> {
    if json {
        let one = |ListedUser { user, place, invited }: &ListedUser| {
            json!({ "name": user.name.as_str(), "role": user.role.name(), "reaches": place,
                "full_name": user.full_name, "mail": user.mail, "disabled_at": user.disabled_at,
                "has_password": !user.password_hash.is_empty(), "invited": invited,
                "has_second_factor": user.has_second_factor })
        };
        return document(&users.iter().map(one).collect::<Vec<_>>());
    }
    let row = |ListedUser { user, place, .. }: &ListedUser| {
        let reaches = if place.is_empty() { "every customer" } else { place };
        let state = if user.disabled_at.is_some() { "disabled" } else { "" };
        let texts = [user.name.as_str(), user.role.name(), reaches, &user.full_name, &user.mail, state];
        texts.map(str::to_owned).to_vec()
    };
    line(&table(&["user", "role", "reaches", "full name", "mail", "state"], users.iter().map(row)))
}
