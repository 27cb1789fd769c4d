//! Roles and their permissions.

use std::str::FromStr;

use crate::tenancy::TenantId;

/// The role of an operator at the service company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads everything about the fleet.
    Viewer,
    /// Handles calls: requests the status of devices.
    Dispatcher,
    /// Handles billing: requests counters, manages customers, sites and assets.
    MeterClerk,
    /// Handles firmware: creates and cancels roll-outs.
    FirmwareManager,
    /// Views and operates panels by Remote Assistance.
    AssistanceOperator,
    /// Repairs devices: every command, but no roll-outs.
    Engineer,
    /// Has every permission.
    Administrator,
    /// A user of a customer: sees the customer's devices and nothing else.
    CustomerViewer,
    /// A user of a customer: sees the customer's devices, and orders for them.
    CustomerBuyer,
    /// Of the provider's people, and outside of every dealer: keeps dealers and the provider's own logins.
    Provider,
}

/// A permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read gateways, devices, calls, commands, roll-outs and images.
    SeeFleet,
    /// Request counters.
    AskCounters,
    /// Request the status of devices.
    AskStatus,
    /// Request discovery or diagnostics of a gateway.
    AskGateway,
    /// Create, retry and cancel firmware roll-outs.
    RollOut,
    /// Read quarantined reports, bodies included.
    SeeQuarantine,
    /// Replay quarantined reports.
    ReplayQuarantine,
    /// Create, change and delete customers and sites, assign gateways to sites, and manage assets and their devices.
    ManageCustomers,
    /// Create, change, disable and invite users, end their sessions, and give them new one-time passwords.
    ManageUsers,
    /// Read the audit.
    SeeAudit,
    /// See and, with consent, operate the panel of a device by Remote Assistance.
    UseAssistance,
    /// Enable Remote Assistance for a part of the tree, or disable it.
    EnableAssistance,
    /// Create, change and disable dealers, and invite the first administrator of each.
    ManageDealers,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 13] = [
        Self::SeeFleet,
        Self::AskCounters,
        Self::AskStatus,
        Self::AskGateway,
        Self::RollOut,
        Self::SeeQuarantine,
        Self::SeeAudit,
        Self::ReplayQuarantine,
        Self::ManageUsers,
        Self::ManageCustomers,
        Self::UseAssistance,
        Self::EnableAssistance,
        Self::ManageDealers,
    ];
}

impl Permission {
    /// Whether the permission requires access to the whole tenant, because its data belong to no part of the tree.
    #[must_use]
    pub const fn is_of_whole_tenant(self) -> bool {
        matches!(self, Self::SeeAudit)
    }
}

impl Role {
    /// All roles; the one with the fewest permissions is first.
    pub const ALL: [Self; 10] = [
        Self::Viewer,
        Self::Dispatcher,
        Self::MeterClerk,
        Self::FirmwareManager,
        Self::AssistanceOperator,
        Self::Engineer,
        Self::Administrator,
        Self::CustomerViewer,
        Self::CustomerBuyer,
        Self::Provider,
    ];

    /// Name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Dispatcher => "dispatcher",
            Self::MeterClerk => "meter_clerk",
            Self::FirmwareManager => "firmware_manager",
            Self::AssistanceOperator => "assistance_operator",
            Self::Engineer => "engineer",
            Self::Administrator => "administrator",
            Self::CustomerViewer => "customer_viewer",
            Self::CustomerBuyer => "customer_buyer",
            Self::Provider => "provider",
        }
    }

    /// Name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Dispatcher => "Dispatcher",
            Self::MeterClerk => "Meter clerk",
            Self::FirmwareManager => "Firmware manager",
            Self::AssistanceOperator => "Assistance operator",
            Self::Engineer => "Engineer",
            Self::Administrator => "Administrator",
            Self::CustomerViewer => "Customer: viewer",
            Self::CustomerBuyer => "Customer: buyer",
            Self::Provider => "Provider",
        }
    }

    /// Whether the role is for users of a customer, who can access at most a part of the tree.
    #[must_use]
    pub(crate) const fn is_of_customers(self) -> bool {
        matches!(self, Self::CustomerViewer | Self::CustomerBuyer)
    }

    /// Whether logins of a tenant may have the role: the provider's people have one of their own, and nobody else has it.
    #[must_use]
    pub fn is_of(self, tenant: &TenantId) -> bool {
        (self == Self::Provider) == tenant.is_provider()
    }

    /// The role of those who keep the logins of a tenant.
    #[must_use]
    pub fn head_of(tenant: &TenantId) -> Self {
        if tenant.is_provider() { Self::Provider } else { Self::Administrator }
    }

    /// Whether the role has the permission.
    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        use Permission::{
            AskCounters, AskGateway, AskStatus, ManageCustomers, ManageDealers, ManageUsers, RollOut,
            SeeAudit, SeeFleet, UseAssistance,
        };
        match self {
            Self::Viewer | Self::CustomerViewer | Self::CustomerBuyer => matches!(permission, SeeFleet),
            Self::Dispatcher => matches!(permission, SeeFleet | AskStatus),
            Self::AssistanceOperator => matches!(permission, SeeFleet | AskStatus | UseAssistance),
            Self::MeterClerk => matches!(permission, SeeFleet | AskCounters | ManageCustomers),
            Self::FirmwareManager => matches!(permission, SeeFleet | AskStatus | RollOut),
            Self::Engineer => {
                matches!(permission, SeeFleet | AskCounters | AskStatus | AskGateway | UseAssistance)
            }
            Self::Administrator => !matches!(permission, ManageDealers),
            Self::Provider => matches!(permission, ManageDealers | ManageUsers | SeeAudit),
        }
    }
}

/// An unknown role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role: expected one of {}", Role::ALL.map(Role::name).join(", "))]
pub struct NoSuchRole;

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(NoSuchRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_exactly_the_permissions_of_the_table() {
        let table = [
            (Role::Viewer, "1000000000000"),
            (Role::Dispatcher, "1010000000000"),
            (Role::MeterClerk, "1100000001000"),
            (Role::FirmwareManager, "1010100000000"),
            (Role::AssistanceOperator, "1010000000100"),
            (Role::Engineer, "1111000000100"),
            (Role::Administrator, "1111111111110"),
            (Role::CustomerViewer, "1000000000000"),
            (Role::CustomerBuyer, "1000000000000"),
            (Role::Provider, "0000001010001"),
        ];
        assert_eq!(table.map(|(role, _)| role), Role::ALL);
        for (role, allowed) in table {
            let found: String = Permission::ALL
                .map(|permission| if role.may(permission) { '1' } else { '0' })
                .iter()
                .collect();
            assert_eq!(found, allowed, "{role:?}");
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(NoSuchRole));
    }

    #[test]
    fn the_provider_and_dealers_share_no_role() {
        let (provider, dealer) = (TenantId::provider(), TenantId::default_tenant());
        for role in Role::ALL {
            assert_ne!(role.is_of(&provider), role.is_of(&dealer), "{role:?}");
        }
        assert_eq!((Role::head_of(&provider), Role::head_of(&dealer)), (Role::Provider, Role::Administrator));
    }
}
