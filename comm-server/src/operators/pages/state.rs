//! States as text, icon and tone: never by colour alone.

use wire::reading::Status;
use wire::report::{CallKind, WaitReason};

use super::icon::Icon;
use comm_server_core::calls::CallPriority;
use comm_server_core::commands::CommandState;
use comm_server_core::rollouts::{DeviceStep, RolloutState};

/// A state on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateBadge {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) icon: Icon,
}

const fn badge(word: &'static str, tone: &'static str, icon: Icon) -> StateBadge {
    StateBadge { word, tone, icon }
}

/// The state of a device: the most important condition comes first.
pub(super) fn of_device(
    offline: bool,
    top_call: Option<CallPriority>,
    status: Option<&Status>,
) -> StateBadge {
    if offline {
        return badge("Offline", "bad", Icon::Offline);
    }
    match top_call {
        Some(CallPriority::ServiceCall) => return badge("Service call", "bad", Icon::Wrench),
        Some(CallPriority::SupplyEnd) => return badge("Supply end", "bad", Icon::Drop),
        Some(CallPriority::Jam) => return badge("Paper jam", "bad", Icon::Jam),
        Some(CallPriority::CoverOpen) => return badge("Cover open", "warn", Icon::Cover),
        Some(CallPriority::SupplyNearEnd) => return badge("Supply low", "warn", Icon::Drop),
        Some(CallPriority::Other) | None => {}
    }
    let Some(status) = status else { return badge("Not read yet", "idle", Icon::Question) };
    let is = |label: &Option<wire::reading::Label>, name| label.as_ref().is_some_and(|l| l.is(name));
    if is(&status.device, "down") {
        return badge("Stopped", "bad", Icon::Alert);
    }
    if is(&status.printer, "printing") {
        return badge("Printing", "busy", Icon::Print);
    }
    if is(&status.printer, "warmup") {
        return badge("Warming up", "busy", Icon::Clock);
    }
    if is(&status.device, "warning") {
        return badge("Warning", "warn", Icon::Alert);
    }
    if is(&status.printer, "idle") || is(&status.device, "running") {
        return badge("Ready", "good", Icon::Ok);
    }
    badge("Unknown", "idle", Icon::Question)
}

/// The state of a gateway.
pub(super) const fn of_gateway(silent: bool, stores: bool, service_call: bool) -> StateBadge {
    match (silent, stores, service_call) {
        (true, _, _) => badge("Not polling", "bad", Icon::Offline),
        (false, false, _) => badge("Storage full", "bad", Icon::Alert),
        (false, true, true) => badge("Service call", "warn", Icon::Wrench),
        (false, true, false) => badge("On time", "good", Icon::Ok),
    }
}

/// The state of a call. Calls of kinds without an end are never open.
pub(super) const fn of_call(open: bool) -> StateBadge {
    if open { badge("Open", "warn", Icon::Call) } else { badge("Closed", "idle", Icon::Ok) }
}

/// The state of a command.
pub(super) fn of_command(state: CommandState) -> StateBadge {
    match state {
        CommandState::Queued => badge("Queued", "idle", Icon::Clock),
        CommandState::Delivered => badge("Delivered", "busy", Icon::Command),
        CommandState::Accepted => badge("Accepted", "busy", Icon::Command),
        CommandState::Running => badge("Running", "busy", Icon::Pulse),
        CommandState::Done => badge("Done", "good", Icon::Ok),
        CommandState::Failed => badge("Failed", "bad", Icon::Alert),
        CommandState::Expired => badge("Expired", "warn", Icon::Ban),
    }
}

/// The state of a roll-out.
pub(super) fn of_rollout(state: RolloutState) -> StateBadge {
    match state {
        RolloutState::Scheduled => badge("Scheduled", "idle", Icon::Clock),
        RolloutState::Running => badge("Running", "busy", Icon::Rollout),
        RolloutState::Done => badge("Done", "good", Icon::Ok),
        RolloutState::Failed => badge("Ended with failures", "bad", Icon::Alert),
        RolloutState::Cancelled => badge("Cancelled", "idle", Icon::Ban),
    }
}

/// The step of a device in a roll-out, and what it waits for.
pub(super) fn of_step(step: DeviceStep, waiting_for: Option<WaitReason>) -> StateBadge {
    match step {
        DeviceStep::Pending | DeviceStep::Staged => match waiting_for {
            Some(WaitReason::ServiceCall) => badge("Service call", "bad", Icon::Wrench),
            Some(WaitReason::Jam) => badge("Paper jam", "warn", Icon::Jam),
            Some(WaitReason::CoverOpen) => badge("Cover open", "warn", Icon::Cover),
            Some(WaitReason::NoAnswer | WaitReason::Offline) => badge("Offline", "warn", Icon::Offline),
            Some(WaitReason::Confirmation) => badge("Not confirmed", "warn", Icon::Alert),
            Some(WaitReason::NoConnection) => badge("No connection", "warn", Icon::Alert),
            Some(WaitReason::Busy) => badge("Busy", "busy", Icon::Print),
            Some(WaitReason::Date) => badge("Scheduled", "idle", Icon::Clock),
            Some(
                WaitReason::Poll
                | WaitReason::Staging
                | WaitReason::Turn
                | WaitReason::Restarting
                | WaitReason::Other,
            ) => badge("Waiting", "idle", Icon::Clock),
            None => badge("Image staged", "good", Icon::Ok),
        },
        DeviceStep::Pushed => badge("Pushed, restarting", "busy", Icon::Pulse),
        DeviceStep::Verified => badge("Verified", "good", Icon::Ok),
        DeviceStep::Failed => badge("Failed", "bad", Icon::Alert),
        DeviceStep::Cancelled => badge("Cancelled", "idle", Icon::Ban),
    }
}

/// A kind of call for people, with its icon and tone while it is open.
pub(super) const fn of_kind(kind: CallKind) -> StateBadge {
    let (tone, icon) = match kind {
        CallKind::ServiceCall => ("bad", Icon::Wrench),
        CallKind::Jam => ("warn", Icon::Jam),
        CallKind::CoverOpen => ("warn", Icon::Cover),
        CallKind::SupplyNearEnd => ("warn", Icon::Drop),
        CallKind::SupplyEnd => ("bad", Icon::Drop),
        CallKind::SupplyReplaced => ("idle", Icon::Ok),
        CallKind::DeviceOffline => ("bad", Icon::Offline),
        CallKind::CounterRegression => ("bad", Icon::Counter),
    };
    badge(kind.title(), tone, icon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::reading::Label;

    #[test]
    fn the_worst_state_is_shown_first() {
        let idle = Status { printer: Some(Label::name("idle")), ..Status::default() };
        let table = [
            (true, Some(CallPriority::ServiceCall), "Offline"),
            (false, Some(CallPriority::ServiceCall), "Service call"),
            (false, Some(CallPriority::SupplyNearEnd), "Supply low"),
            (false, Some(CallPriority::Other), "Ready"),
            (false, None, "Ready"),
        ];
        for (offline, top_call, word) in table {
            assert_eq!(of_device(offline, top_call, Some(&idle)).word, word);
        }
        assert_eq!(of_device(false, None, None).word, "Not read yet");
        let down = Status { device: Some(Label::name("down")), ..idle };
        assert_eq!(of_device(false, None, Some(&down)).word, "Stopped");
    }
}
