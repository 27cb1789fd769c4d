//! Writes notices of the site's state machine to the log and to metrics.

use std::time::Duration;

use gateway_core::access::address_text;
use gateway_core::site::{Notice, SearchEnd};
use wire::ids::DeviceId;

pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::DeviceFound(id, address) => {
            tracing::info!(device = %id, device.address = address_text(*address), "new device");
        }
        Notice::DeviceMoved(id, address) => {
            tracing::info!(device = %id, device.address = address_text(*address), "device moved");
        }
        Notice::IdentityFinding(id, finding) => {
            let kind = finding.kind.name();
            tracing::warn!(device = %id, finding = kind, detail = finding.detail, "the identity of a device is not as expected");
            metrics::counter!("platen_gateway_identity_findings_total", "kind" => kind).increment(1);
        }
        Notice::NoDeviceId(address, error) => {
            tracing::error!(
                device.address = address_text(*address),
                error,
                "a device has no usable id and is skipped"
            );
        }
        Notice::Unreadable(id, error) => {
            tracing::warn!(device = %id, error, "device responds but can't be read");
        }
        Notice::CallMade(call, serial) => {
            tracing::info!(
                device = %call.device,
                device.serial = serial.as_deref().unwrap_or(""),
                subject = call.subject,
                detail = call.detail,
                "{}",
                call.title()
            );
        }
        Notice::CommandAccepted(id, order) => tracing::info!(command = %id, order, "command accepted"),
        Notice::CommandsFull(id) => {
            tracing::warn!(command = %id, "too many open commands: command postponed to a later poll");
        }
        Notice::CommandEnded(id, order, state, detail) => {
            tracing::info!(command = %id, order, state, detail, "command ended");
        }
        Notice::FirmwareStep(state) => {
            let device = state.device.as_ref().map_or("", DeviceId::as_str);
            let step = state.progress.step().name();
            tracing::info!(rollout = %state.rollout, device, step, detail = state.detail, "firmware update");
        }
    }
}

pub(super) fn log_search(end: &SearchEnd, took: Duration) {
    let took_s = took.as_secs();
    if let Some(covered) = end.cut_after {
        tracing::info!(covered, took_s, "the search continues when its next window opens");
        return;
    }
    tracing::info!(found = end.found, took_s, "search completed");
    metrics::counter!("platen_gateway_searches_total").increment(1);
}
