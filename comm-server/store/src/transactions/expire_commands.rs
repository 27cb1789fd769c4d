//! Expires commands that no gateway began before their expiry time.

use comm_server_core::commands::CommandEvent;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::OrderKind;

use super::advance_rollout::fail_devices;
use crate::Store;
use crate::db::StoreError;
use crate::tables::{GatewayRef, commands};

impl Store {
    /// Expires commands whose expiry time has passed, with the devices of their roll-outs; returns their number.
    pub async fn expire_commands(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer().write(move |c| Box::pin(async move { expire(c, now).await })).await
    }
}

async fn expire(connection: &mut AnyConnection, now: Timestamp) -> Result<u64, StoreError> {
    let mut expired = 0;
    for due in commands::due(connection, now).await? {
        let of = GatewayRef { tenant: &due.tenant, gateway: &due.gateway };
        let states = (due.state, due.state.after(CommandEvent::Expire));
        // A response may have come through another server since the command was read: that one stays.
        if !commands::move_state(connection, of, due.id, states, "not begun before its expiry").await? {
            continue;
        }
        expired += 1;
        if due.kind == OrderKind::FirmwareUpdate {
            fail_devices(connection, of, due.id, "the command was not begun before its expiry", now).await?;
        }
    }
    Ok(expired)
}
