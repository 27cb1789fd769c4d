//! Advice for people on site about a call, in one or two sentences.

use wire::report::{CallKind, Edge};

pub(super) const fn next_steps(call: CallKind, edge: Edge) -> &'static str {
    match (call, edge) {
        (CallKind::ServiceCall, Edge::Raised) => {
            "The device asks for a service engineer. Your service company is told by this gateway; you need not \
             call. Please leave the device switched on, so that its state can be read."
        }
        (CallKind::ServiceCall, Edge::Cleared) => {
            "The device no longer requests service. It can be used again."
        }
        (CallKind::Jam, Edge::Raised) => {
            "Please follow the instructions on the device's panel to take out the paper. If it jams again soon, tell \
             your service company."
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
            "The device does not answer on the network. If it was not switched off on purpose, please check its power, \
             its network cable and its address."
        }
        (CallKind::CounterRegression, _) => {
            "A page counter of the device is lower than before, as after the exchange of a controller board. Your \
             service company is told; you need do nothing."
        }
        (CallKind::SupplyReplaced, _)
        | (
            CallKind::Jam
            | CallKind::CoverOpen
            | CallKind::SupplyNearEnd
            | CallKind::SupplyEnd
            | CallKind::DeviceOffline,
            Edge::Cleared,
        ) => "You need do nothing.",
    }
}
