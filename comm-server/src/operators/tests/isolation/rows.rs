//! A row of everything for a dealer, under ids and names that begin with its mark.

use comm_server_core::tenancy::{Scope, TenantId};
use jiff::Timestamp;

use super::super::site::Site;
use crate::store::AuditEntry;

/// The ids of what belongs to a dealer, by the names of the API's parameters.
pub(super) struct Ids {
    /// A word that stands in every text of the dealer; all marks are of one length.
    pub(super) mark: &'static str,
    number: u8,
}

impl Ids {
    pub(super) const fn new(mark: &'static str, number: u8) -> Self {
        Self { mark, number }
    }

    fn uuid(&self, what: u8) -> String {
        format!("01980{:03}-0000-7000-8000-{what:012}", self.number)
    }

    /// The value of a parameter or of a field; `None` for one that names nothing of a dealer.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let mark = self.mark;
        Some(match name {
            "gateway" | "gateways" => format!("gw-{mark}"),
            "device" | "devices" => format!("ricoh:{mark}"),
            "user" => format!("{mark}-user"),
            "customer" => self.uuid(1),
            "site" => self.uuid(2),
            "asset" => self.uuid(3),
            "rollout" => self.uuid(4),
            "token" => self.uuid(5),
            // Texts that search.
            "q" | "who" | "what" => mark.to_owned(),
            _ => return None,
        })
    }

    /// A text without the words of the dealer, and without any UUID.
    pub(super) fn hidden(&self, text: &str) -> String {
        let mut hidden = text.replace(self.mark, "MARK");
        let is_uuid =
            |at: &usize| hidden.get(*at..at + 36).is_some_and(|part| part.parse::<uuid::Uuid>().is_ok());
        let found: Vec<usize> = (0..hidden.len()).filter(is_uuid).collect();
        for at in found {
            hidden.replace_range(at..at + 36, &"u".repeat(36));
        }
        hidden
    }

    /// Whether a text has an id or another word of the dealer.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.contains(self.mark) || self.uuid(0).get(..9).is_some_and(|begin| text.contains(begin))
    }
}

const NAMES: [&str; 8] = ["gateway", "device", "user", "customer", "site", "asset", "rollout", "token"];

/// Rows of a dealer; `$gateway` and the like stand for its ids.
const ROWS: &[&str] = &[
    "INSERT INTO customers (tenant, customer, name, erp_key, version, created_ms, updated_ms) \
     VALUES ('$tenant', '$customer', '$mark customer', '$mark-1', 1, 5, 5)",
    "INSERT INTO sites (tenant, site, customer, name, erp_key, version, created_ms, updated_ms) \
     VALUES ('$tenant', '$site', '$customer', '$mark site', '$mark-2', 1, 5, 5)",
    "INSERT INTO settings (tenant, level, node, name, value, updated_ms, updated_by) \
     VALUES ('$tenant', 'site', '$site', 'time_zone', 'Europe/Berlin', 5, '$user')",
    "INSERT INTO gateways (tenant, gateway, customer_id, site_id, version, first_seen_ms, last_poll_ms, next_poll_s) \
     VALUES ('$tenant', '$gateway', '$customer', '$site', '$mark', 5, 5, 3600)",
    "INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ('$tenant', '$gateway', 'urgent', 7, 9)",
    "INSERT INTO reports (tenant, gateway, lane, seq, at_ms, received_ms, kind, device, body) \
     VALUES ('$tenant', '$gateway', 'urgent', 1, 5, 5, 'call', '$device', '{}')",
    "INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) \
     VALUES ('$tenant', '$gateway', 'urgent', 2, 5, '$mark reason', '{\"kind\":\"$mark\"}')",
    "INSERT INTO devices (tenant, gateway, device, vendor, model, serial, name, address, firmware, first_seen_ms) \
     VALUES ('$tenant', '$gateway', '$device', 'ricoh', '$mark model', '$mark', '$mark name', '$mark', '1', 5), \
            ('$tenant', '$gateway', '$device-2', 'ricoh', '$mark model', '$mark-2', '$mark name', '$mark', '1', 5)",
    "INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw) \
     VALUES ('$tenant', '$gateway', '$device', 'total', 5, 7, '1.3.6', 7)",
    "INSERT INTO assets (tenant, asset, name, erp_key, site, notes, version, created_ms, updated_ms) \
     VALUES ('$tenant', '$asset', '$mark asset', '$mark-3', '$site', '$mark notes', 1, 5, 5)",
    "INSERT INTO placements (tenant, asset, device, from_ms) VALUES ('$tenant', '$asset', '$device', 5)",
    "INSERT INTO swaps (tenant, swap, asset, at_ms, old_device, new_device, reason, created_by, created_ms, is_complete) \
     VALUES ('$tenant', '$asset', '$asset', 6, '$device-0', '$device', '$mark', '$user', 6, 0)",
    "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms, \
     received_ms, is_open) \
     VALUES ('$tenant', '$gateway', 'urgent', 1, '$device', 'jam', '$mark', '$mark', 5, 5, 1)",
    "INSERT INTO commands (tenant, gateway, command, kind, body, created_by, created_ms, expires_ms, state) \
     VALUES ('$tenant', '$gateway', '$rollout', 'status_sense', '{\"kind\":\"status_sense\",\"devices\":null}', \
     '$user', 5, 9000000000000, 'queued')",
    "INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, created_ms, state) \
     VALUES ('$tenant', '$rollout', 'ricoh', '$mark model', '2', '$mark', 9000000000000, '$user', 5, 'scheduled')",
    "INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, updated_ms) \
     VALUES ('$tenant', '$rollout', '$gateway', '$device', 'pending', 5)",
    "INSERT INTO api_tokens (tenant, token, name, token_hash, role, created_by, created_ms, expires_ms) \
     VALUES ('$tenant', '$token', '$mark token', '$mark', 'viewer', '$user', 5, 9000000000000)",
];

/// Stores a row of everything, a user, and an administrator `MARK-head`.
pub(super) async fn fill(site: &Site, tenant: &TenantId, ids: &Ids) {
    for row in ROWS {
        let row = row.replace("$tenant", tenant.as_str()).replace("$mark", ids.mark);
        let row =
            NAMES.iter().fold(row, |row, name| row.replace(&format!("${name}"), &ids.of(name).unwrap()));
        site.sql(Box::leak(row.into_boxed_str())).await;
    }
    for (name, role) in [("user", "viewer"), ("head", "administrator")] {
        site.add_user_of(tenant, &format!("{}-{name}", ids.mark), role, false).await;
    }
    let own = site.store.of(&Scope::of_tenant(tenant.clone()));
    let entry = AuditEntry::new(Timestamp::now(), ids.mark, ids.mark, ids.mark);
    own.append_audit(entry).await.unwrap();
}
