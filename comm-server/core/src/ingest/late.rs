//! The changes of a report that is processed long after its arrival, because it was quarantined and can be used only
//! now.
//!
//! The report is stored, and its meters count. Newer data is kept, and a call that has ended since is not opened
//! again.

use jiff::Timestamp;
use wire::report::{Call, CallKind, Edge, Lane};

use super::effects::{Effect, Known, effects};
use super::parse::Arrival;

/// The data in the store that are from later reports of the lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Later {
    /// Time of the device's newest reading.
    pub described: Option<Timestamp>,
    /// Calls of the device, in the order of their reports.
    pub calls: Vec<Call>,
}

/// The changes of a late report.
#[must_use]
pub fn late_effects<'a>(known: &Known, lane: Lane, arrival: &'a Arrival, later: &Later) -> Vec<Effect<'a>> {
    let all = effects(known.clone(), lane, std::slice::from_ref(arrival));
    all.into_iter().filter_map(|effect| still(known, effect, later)).collect()
}

fn still<'a>(known: &Known, effect: Effect<'a>, later: &Later) -> Option<Effect<'a>> {
    match effect {
        Effect::SetTotal(device, total) => {
            let newer = known.totals.get(device).is_some_and(|newest| newest.read_at >= total.read_at);
            (!newer).then_some(Effect::SetTotal(device, total))
        }
        Effect::UpdateReading(device, reading) => {
            let newer = later.described.is_some_and(|at| at >= reading.read_at);
            (!newer).then_some(Effect::UpdateReading(device, reading))
        }
        Effect::SetOffline(device, offline) => {
            let newer = later.calls.iter().any(|call| call.call == CallKind::DeviceOffline);
            (!newer).then_some(Effect::SetOffline(device, offline))
        }
        Effect::Raise { by, call, open } => {
            if call.call == CallKind::CounterRegression && known.totals.contains_key(&call.device) {
                // The total that it fell from may be one that was read later.
                let newest = known.totals.get(&call.device)?.read_at;
                return (newest < call.seen_at).then_some(Effect::Raise { by, call, open });
            }
            let open = open && !ended(&call, later);
            Some(Effect::Raise { by, call, open })
        }
        Effect::Close { raised_by, by, at, detail } => {
            // What was raised again since is another call.
            (raised_by.lane != by.lane || raised_by.seq < by.seq).then_some(Effect::Close {
                raised_by,
                by,
                at,
                detail,
            })
        }
        other @ (Effect::Keep { .. }
        | Effect::Quarantine { .. }
        | Effect::UpsertDevice(_)
        | Effect::AddCounters { .. }
        | Effect::Firmware(_)
        | Effect::Lost { .. }) => Some(other),
    }
}

fn ended(raised: &Call, later: &Later) -> bool {
    let replaced = matches!(raised.call, CallKind::SupplyNearEnd | CallKind::SupplyEnd);
    later.calls.iter().any(|call| {
        let same = call.call == raised.call && call.edge == Edge::Cleared;
        let new = replaced && call.call == CallKind::SupplyReplaced;
        (same || new) && call.subject == raised.subject
    })
}
