//! Commands to gateways: the one place where an operator's request becomes a command.

use clap::ValueEnum;
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use wire::command::Order;
use wire::ids::{CommandId, DeviceId, GatewayId};
use wire::limits::COMMAND_DEVICES;

use super::{Actor, Forbidden};
use crate::store::{NewCommand, Store, StoreError};

/// What an operator can request of a gateway. Firmware is updated by roll-outs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum RequestKind {
    /// Read the meters of all devices.
    CounterRequest,
    /// Read all devices completely.
    StatusSense,
    /// Search the networks for devices.
    Discovery,
    /// Report the state of the gateway itself.
    Diagnostics,
}

impl RequestKind {
    /// All kinds, as forms list them.
    pub(crate) const ALL: [Self; 4] =
        [Self::CounterRequest, Self::StatusSense, Self::Discovery, Self::Diagnostics];

    /// The name in forms, in the API and on the wire.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        self.order(None).name()
    }

    /// The title on pages.
    #[must_use]
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::CounterRequest => "Read counters",
            Self::StatusSense => "Sense status",
            Self::Discovery => "Find devices",
            Self::Diagnostics => "Diagnose the gateway",
        }
    }

    /// The permission that it needs.
    #[must_use]
    pub(crate) const fn permission(self) -> Permission {
        match self {
            Self::CounterRequest => Permission::AskCounters,
            Self::StatusSense => Permission::AskStatus,
            Self::Discovery | Self::Diagnostics => Permission::AskGateway,
        }
    }

    /// Whether the command can be limited to some devices.
    #[must_use]
    pub(crate) const fn is_of_devices(self) -> bool {
        match self {
            Self::CounterRequest | Self::StatusSense => true,
            Self::Discovery | Self::Diagnostics => false,
        }
    }

    fn order(self, devices: Option<Vec<DeviceId>>) -> Order {
        match self {
            Self::CounterRequest => Order::CounterRequest { devices },
            Self::StatusSense => Order::StatusSense { devices },
            Self::Discovery => Order::Discovery,
            Self::Diagnostics => Order::Diagnostics,
        }
    }
}

impl std::str::FromStr for RequestKind {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(CommandError::UnknownKind)
    }
}

/// Why a command isn't queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No [`RequestKind`] has this name.
    #[error("there is no command of that kind")]
    UnknownKind,
    /// The list of devices is empty or too long.
    #[error("order.devices has {given}: expected 1 to {COMMAND_DEVICES}")]
    Devices {
        /// Devices in the list.
        given: usize,
    },
    /// A command for a whole gateway was ordered for single devices.
    #[error("{} is for a whole gateway: order it without devices", kind.name())]
    NotOfDevices {
        /// The ordered kind.
        kind: RequestKind,
    },
    /// There is no such gateway.
    #[error("there is no gateway {gateway}")]
    NoGateway {
        /// The gateway.
        gateway: GatewayId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Queues commands; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    store: Store,
}

impl Commands {
    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Queues a command, which the gateway receives with its next poll; without `devices`, it is for all.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub(crate) async fn queue(
        &self,
        actor: &Actor,
        gateway: &GatewayId,
        kind: RequestKind,
        devices: Option<Vec<DeviceId>>,
    ) -> Result<CommandId, CommandError> {
        actor.check(kind.permission())?;
        if let Some(devices) = &devices {
            if !kind.is_of_devices() {
                return Err(CommandError::NotOfDevices { kind });
            }
            if devices.is_empty() || devices.len() > COMMAND_DEVICES {
                return Err(CommandError::Devices { given: devices.len() });
            }
        }
        let order = kind.order(devices);
        let new = NewCommand { gateway: gateway.clone(), order, created_by: actor.name.clone() };
        let queued = self.store.of(&actor.scope).create_command(new, Timestamp::now()).await?;
        queued.ok_or_else(|| CommandError::NoGateway { gateway: gateway.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in RequestKind::ALL {
            assert_eq!(kind.name().parse::<RequestKind>().unwrap(), kind);
            let argument = kind.to_possible_value().unwrap();
            assert_eq!(argument.get_name(), kind.name(), "the command line has the same names");
        }
        assert!("firmware_update".parse::<RequestKind>().is_err());
    }
}
