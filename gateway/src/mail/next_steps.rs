//! Advice for people on site about a call, in one or two sentences.

use wire::report::{CallKind, Edge};

pub(super) const fn next_steps(call: CallKind, edge: Edge) -> &'static str {
    match (call, edge) {
        (CallKind::ServiceCall, Edge::Raised) => {
            "The device needs a service engineer. This gateway informs your service company; you \
             don't need to call. Please leave the device switched on, so that its state can be read."
        }
        (CallKind::ServiceCall, Edge::Cleared) => {
            "The device no longer requests service. It can be used again."
        }
        (CallKind::Jam, Edge::Raised) => {
            "Please follow the instructions on the device's panel to remove the paper. If it jams \
             again soon, inform your service company."
        }
        (CallKind::CoverOpen, Edge::Raised) => {
            "Please close the cover or door that the device's panel shows."
        }
        (CallKind::SupplyNearEnd, Edge::Raised) => {
            "The device still works. Please have a replacement ready; do not replace it yet."
        }
        (CallKind::SupplyEnd, Edge::Raised) => {
            "The device may have stopped. Please replace the supply as the device's panel shows."
        }
        (CallKind::DeviceOffline, Edge::Raised) => {
            "The device does not respond on the network. If it was not switched off on purpose, please check its power, \
             its network cable and its address."
        }
        (CallKind::CounterRegression, _) => {
            "A page counter of the device is lower than before, for example after a controller board was replaced. This gateway informs your service \
             company; you don't need to do anything."
        }
        (CallKind::SupplyReplaced, _)
        | (
            CallKind::Jam
            | CallKind::CoverOpen
            | CallKind::SupplyNearEnd
            | CallKind::SupplyEnd
            | CallKind::DeviceOffline,
            Edge::Cleared,
        ) => "You don't need to do anything.",
    }
}
