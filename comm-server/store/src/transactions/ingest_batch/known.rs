//! The state of the store before a batch.

use std::collections::BTreeSet;

use comm_server_core::ingest::{Arrival, Content, Known, readable};
use sqlx::AnyConnection;
use wire::ids::DeviceId;
use wire::report::{Edge, InformationReason, Report};

use crate::db::StoreError;
use crate::tables::{GatewayRef, calls, devices, reports};

/// Loads the data that the reports' effects depend on.
pub(in crate::transactions) async fn load(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    arrivals: &[Arrival],
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let (mut calls, mut found) = (false, false);
    for arrival in arrivals {
        let Content::Usable(report) = &arrival.content else { continue };
        match report {
            Report::Call(_) => calls = true,
            Report::CounterSet(set) => load_total(connection, of, &set.device, &mut known).await?,
            Report::DeviceInformation(information) => {
                calls |= information.reason == InformationReason::Found;
                found |= information.reason == InformationReason::Found;
                load_total(connection, of, &information.device, &mut known).await?;
            }
            Report::FirmwareState(_) | Report::Loss(_) => {}
        }
    }
    if calls {
        load_open_calls(connection, of, &mut known).await?;
    }
    if found && !known.open.is_empty() {
        load_forgotten(connection, of, &mut known).await?;
    }
    Ok(known)
}

async fn load_open_calls(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    known: &mut Known,
) -> Result<(), StoreError> {
    for call in calls::open_calls(connection, of).await? {
        known.open.insert(call.device, call.kind, call.subject, call.raised_by);
    }
    Ok(())
}

/// Loads the open calls that were raised before the present epoch of the gateway's spool began, and not again since.
/// Calls of devices that were never read are not included.
async fn load_forgotten(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    known: &mut Known,
) -> Result<(), StoreError> {
    let Some((since_ms, open)) = calls::open_before_spool(connection, of).await? else { return Ok(()) };
    let raised = reports::calls_since(connection, of, since_ms).await?.into_iter();
    let again: BTreeSet<_> = raised
        .filter(|call| call.edge == Edge::Raised)
        .map(|call| (call.device, call.call, readable(&call.subject)))
        .collect();
    for call in open {
        if !again.contains(&(call.device, call.kind, call.subject)) {
            known.forgotten.insert(call.raised_by);
        }
    }
    Ok(())
}

async fn load_total(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    device: &DeviceId,
    known: &mut Known,
) -> Result<(), StoreError> {
    if known.totals.contains_key(device) {
        return Ok(());
    }
    let total = devices::total(connection, of, device).await?;
    if let Some(last) = total.last {
        known.totals.insert(device.clone(), last);
    }
    if let Some(source) = total.source {
        known.total_sources.insert(device.clone(), source);
    }
    if let Some(fell_at) = total.fell_at {
        known.regressions.insert(device.clone(), fell_at);
    }
    Ok(())
}
