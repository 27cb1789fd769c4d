//! A new command, as part of any change that orders something.

use comm_server_core::commands;
use jiff::Timestamp;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::command::Order;
use wire::ids::CommandId;

use crate::db::StoreError;
use crate::tables::GatewayRef;
use crate::tables::commands::{NewRow, insert};

/// Queues an order for a gateway; `by` is its author.
pub(super) async fn queue_command(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    order: &Order,
    by: &str,
    now: Timestamp,
) -> Result<CommandId, StoreError> {
    let id = CommandId(Uuid::now_v7());
    let rollout = match order {
        Order::FirmwareUpdate(update) => Some(update.rollout),
        Order::FirmwareCancel { rollout } => Some(*rollout),
        Order::CounterRequest { .. } | Order::StatusSense { .. } | Order::Diagnostics | Order::Discovery => {
            None
        }
    };
    let expires_at = commands::expires_at(order, now);
    insert(connection, NewRow { of, id, order, rollout, by, now, expires_at }).await?;
    Ok(id)
}
