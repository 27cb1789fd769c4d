//! What follows a read that timed out.

use std::net::SocketAddr;

use wire::ids::DeviceId;

use super::context::Context;
use super::{answers, reports};

/// A read timed out. That opens no call while the device receives an image or restarts after one.
pub(super) fn on_silence(cx: &mut Context, id: &DeviceId, why: &str) {
    let now = cx.clock();
    let is_updated = cx.state.updates.values().any(|update| update.is_under_way(id));
    if !is_updated {
        let Some(record) = cx.state.devices.get_mut(id) else { return };
        let calls = record.calls.on_silence(&cx.rules.calls, id, now);
        reports::make_calls(cx, id, &calls);
    }
    answers::on_silence(cx, id, why);
}

/// Counts a timeout for devices whose address now belongs to another device. One that was read elsewhere since has
/// another address, and responds there.
pub(super) fn silence_previous_devices(cx: &mut Context, address: SocketAddr) {
    let devices = &cx.state.devices;
    let Some(watched) = cx.addresses.at(address) else { return };
    watched.previous_devices.retain(|id| devices.get(id).is_some_and(|record| record.address == address));
    for id in watched.previous_devices.clone() {
        on_silence(cx, &id, "another device has its address");
    }
}
