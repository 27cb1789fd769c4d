//! Pieces of SQL that follow from the enums of the core, so that a rule is written once.

use comm_server_core::cadence::{SILENT_INTERVALS, SILENT_SLACK_MS};
use comm_server_core::calls::{CallPriority, is_about_supply};
use comm_server_core::commands::CommandState;
use comm_server_core::rollouts::{DeviceStep, RolloutState};
use wire::reading::Counter;
use wire::report::{CallKind, Lane, Report};

/// `'queued', 'delivered'`: the items of an SQL list. The names come from our own enums and contain no quote.
fn list(names: impl IntoIterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}

/// The states of commands that a rule holds for.
pub(crate) fn command_states(rule: impl Fn(CommandState) -> bool) -> String {
    list(CommandState::ALL.into_iter().filter(|state| rule(*state)).map(CommandState::name))
}

/// The states of roll-outs that a rule holds for.
pub(crate) fn rollout_states(rule: impl Fn(RolloutState) -> bool) -> String {
    list(RolloutState::ALL.into_iter().filter(|state| rule(*state)).map(RolloutState::name))
}

/// The steps of devices that a rule holds for.
pub(crate) fn device_steps(rule: impl Fn(DeviceStep) -> bool) -> String {
    list(DeviceStep::ALL.into_iter().filter(|step| rule(*step)).map(DeviceStep::name))
}

/// The kinds of calls about supplies.
pub(crate) fn supply_kinds() -> String {
    list(CallKind::ALL.into_iter().filter(|kind| is_about_supply(*kind)).map(CallKind::name))
}

/// A kind of call, as a literal.
pub(crate) fn call_kind(kind: CallKind) -> String {
    list([kind.name()])
}

/// A lane, as a literal.
pub(crate) fn lane(lane: Lane) -> String {
    list([lane.name()])
}

/// A counter, as a literal.
pub(crate) fn counter(counter: Counter) -> String {
    list([counter.name()])
}

/// The kind of reports of calls, as a literal.
pub(crate) fn call_reports() -> String {
    list([Report::CALL])
}

/// The rank of the call `c`, see [`CallPriority::rank`].
pub(crate) fn call_rank() -> String {
    let cases: Vec<String> = CallKind::ALL
        .into_iter()
        .map(|kind| format!("WHEN '{}' THEN {}", kind.name(), CallPriority::of(kind).rank()))
        .collect();
    format!("CASE c.kind {} ELSE {} END", cases.join(" "), CallPriority::Other.rank())
}

/// Whether the gateway `g` is silent at the time that a parameter gives, see [`comm_server_core::cadence::is_silent`].
pub(crate) fn is_silent(now_ms: &str) -> String {
    let factor = 1000 * SILENT_INTERVALS;
    format!(
        "COALESCE(g.last_poll_ms, g.first_seen_ms) + {factor} * g.next_poll_s + {SILENT_SLACK_MS} < {now_ms}"
    )
}

#[cfg(test)]
mod tests {
    use wire::command::OrderKind;

    use super::*;

    #[test]
    fn lists_are_what_the_core_says() {
        let table = [
            (command_states(CommandState::is_delivered_with_polls), "'queued', 'delivered'"),
            (command_states(CommandState::may_expire), "'queued', 'delivered', 'accepted'"),
            (command_states(CommandState::is_open), "'queued', 'delivered', 'accepted', 'running'"),
            (command_states(|state| !state.is_open()), "'done', 'failed', 'expired'"),
            (rollout_states(RolloutState::is_open), "'scheduled', 'running'"),
            (device_steps(|step| !step.is_final()), "'pending', 'staged', 'pushed'"),
            (supply_kinds(), "'supply_near_end', 'supply_end'"),
        ];
        for (list, expected) in table {
            assert_eq!(list, expected);
        }
    }

    /// The names of our enums that occur between quotes in a source, its tests apart.
    fn literals(source: &str) -> Vec<&'static str> {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let names = (CommandState::ALL.map(CommandState::name).into_iter())
            .chain(RolloutState::ALL.map(RolloutState::name))
            .chain(DeviceStep::ALL.map(DeviceStep::name))
            .chain(CallKind::ALL.map(CallKind::name))
            .chain(Lane::ALL.map(Lane::name))
            .chain(OrderKind::ALL.map(OrderKind::name))
            .chain(Counter::ALL.map(Counter::name))
            .chain([Report::CALL]);
        names.filter(|name| code.contains(&format!("'{name}'"))).collect()
    }

    #[test]
    fn no_statement_writes_a_state_by_hand() {
        assert_eq!(literals("WHERE state = 'queued' #[cfg(test)] 'jam'"), ["queued"]);
        let mut files = 0;
        for floor in ["tables", "transactions", "views"] {
            let folder = format!("{}/src/{floor}", env!("CARGO_MANIFEST_DIR"));
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_file() {
                    files += 1;
                    let source = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(literals(&source), [""; 0], "{}", path.display());
                }
            }
        }
        assert!(files > 40, "{files}");
    }

    #[test]
    fn the_rank_of_each_kind_is_its_priority() {
        let sql = call_rank();
        for kind in CallKind::ALL {
            let case = format!("WHEN '{}' THEN {} ", kind.name(), CallPriority::of(kind).rank());
            assert!(sql.contains(&case), "{sql}");
        }
        assert!(sql.ends_with("ELSE 6 END"), "{sql}");
    }

    #[test]
    fn a_gateway_is_silent_after_twice_its_interval_and_a_minute() {
        let expected = "COALESCE(g.last_poll_ms, g.first_seen_ms) + 2000 * g.next_poll_s + 60000 < $3";
        assert_eq!(is_silent("$3"), expected);
    }
}
