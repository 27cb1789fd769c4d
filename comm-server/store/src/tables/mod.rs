//! The middle layer: one file per table, rows in and rows out. A table never calls another one and decides nothing.

pub(crate) mod addresses;
pub(crate) mod api_tokens;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod audit_heads;
pub(crate) mod calls;
pub(crate) mod commands;
pub(crate) mod counters;
pub(crate) mod customers;
pub(crate) mod devices;
pub(crate) mod enrollments;
pub(crate) mod gateways;
pub(crate) mod idempotency_keys;
pub(crate) mod invitations;
pub(crate) mod lanes;
pub(crate) mod login_failures;
pub(crate) mod partitions;
pub(crate) mod placements;
pub(crate) mod poll_states;
pub(crate) mod quarantine;
pub(crate) mod reports;
pub(crate) mod rollout_devices;
pub(crate) mod rollouts;
pub(crate) mod second_factors;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod sites;
pub(crate) mod swap_readings;
pub(crate) mod swaps;
pub(crate) mod tenants;
pub(crate) mod users;

use comm_server_core::tenancy::{TenantId, UserName};
use wire::ids::GatewayId;

use crate::db::writer::GatewayKey;

/// A gateway of a tenant: the first two columns of most keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GatewayRef<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) gateway: &'a GatewayId,
}

impl<'a> GatewayRef<'a> {
    pub(crate) fn of(key: &'a GatewayKey) -> Self {
        Self { tenant: &key.tenant, gateway: &key.gateway }
    }
}

/// A lane of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneRef<'a> {
    pub(crate) of: GatewayRef<'a>,
    pub(crate) lane: wire::report::Lane,
}

/// An account: tenant and login name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountRef<'a> {
    pub(crate) tenant: &'a TenantId,
    /// `None` for a text that is not a login name; its rows have an empty text, which no user has.
    pub(crate) user: Option<&'a UserName>,
}
