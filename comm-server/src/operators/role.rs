//! Roles and what each may do: one table, read by every handler through [`Role::may`].

use std::str::FromStr;

/// What somebody does for the service company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks after calls: asks devices how they are.
    Dispatcher,
    /// Looks after meters: asks devices for their counters.
    MeterClerk,
    /// Looks after firmware: makes and cancels roll-outs.
    FirmwareManager,
    /// Sees and uses panels.
    AssistanceOperator,
    /// Repairs: everything about devices, but not firmware for a whole fleet.
    Engineer,
    /// Everything.
    Administrator,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See gateways, devices, calls, commands, roll-outs and images.
    SeeFleet,
    /// Ask for counters.
    AskCounters,
    /// Ask for the status of devices.
    AskStatus,
    /// Ask a gateway to search its networks or to describe itself.
    AskGateway,
    /// Make and cancel firmware roll-outs.
    RollOut,
    /// See reports that were put aside, bodies included.
    SeeQuarantine,
    /// Try reports again that were put aside.
    ReplayQuarantine,
    /// See who did what.
    SeeAudit,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 7] = [
        Self::Viewer,
        Self::Dispatcher,
        Self::MeterClerk,
        Self::FirmwareManager,
        Self::AssistanceOperator,
        Self::Engineer,
        Self::Administrator,
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
        }
    }

    /// Whether this role may do that.
    #[must_use]
    pub const fn may(self, act: Permission) -> bool {
        use Permission::{AskCounters, AskGateway, AskStatus, RollOut, SeeFleet};
        match self {
            Self::Viewer => matches!(act, SeeFleet),
            Self::Dispatcher | Self::AssistanceOperator => matches!(act, SeeFleet | AskStatus),
            Self::MeterClerk => matches!(act, SeeFleet | AskCounters),
            Self::FirmwareManager => matches!(act, SeeFleet | AskStatus | RollOut),
            Self::Engineer => matches!(act, SeeFleet | AskCounters | AskStatus | AskGateway),
            Self::Administrator => true,
        }
    }
}

/// A role that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role of that name")]
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
    fn every_role_may_exactly_what_the_table_says() {
        use Permission::*;
        let acts = [
            SeeFleet,
            AskCounters,
            AskStatus,
            AskGateway,
            RollOut,
            SeeQuarantine,
            SeeAudit,
            ReplayQuarantine,
        ];
        let table = [
            (Role::Viewer, "10000000"),
            (Role::Dispatcher, "10100000"),
            (Role::MeterClerk, "11000000"),
            (Role::FirmwareManager, "10101000"),
            (Role::AssistanceOperator, "10100000"),
            (Role::Engineer, "11110000"),
            (Role::Administrator, "11111111"),
        ];
        assert_eq!(table.map(|(role, _)| role), Role::ALL);
        for (role, allowed) in table {
            let found: String = acts.map(|act| if role.may(act) { '1' } else { '0' }).iter().collect();
            assert_eq!(found, allowed, "{role:?}");
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(NoSuchRole));
    }
}
