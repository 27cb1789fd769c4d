//! Parts of SQL that are derived from the enums of the core, so that a rule is written once.

use comm_server_core::cadence::{SILENT_INTERVALS, SILENT_SLACK_MS};
use comm_server_core::calls::{CallPriority, is_about_supply};
use comm_server_core::commands::CommandState;
use comm_server_core::rollouts::{DeviceStep, RolloutState};
use comm_server_core::tenancy::{Part, Scope};
use wire::reading::Counter;
use wire::report::{CallKind, Lane, Report};

/// `'queued', 'delivered'`: the items of an SQL list. The names come from our own enums and contain no quote.
fn list(names: impl IntoIterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}

/// The states of commands for which a rule is true.
pub(crate) fn command_states(rule: impl Fn(CommandState) -> bool) -> String {
    list(CommandState::ALL.into_iter().filter(|state| rule(*state)).map(CommandState::name))
}

/// The states of roll-outs for which a rule is true.
pub(crate) fn rollout_states(rule: impl Fn(RolloutState) -> bool) -> String {
    list(RolloutState::ALL.into_iter().filter(|state| rule(*state)).map(RolloutState::name))
}

/// The steps of devices for which a rule is true.
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

/// Whether the gateway `g` counts as not polling at the time in a parameter, see [`comm_server_core::cadence::is_silent`].
pub(crate) fn is_silent(now_ms: &str) -> String {
    let factor = 1000 * SILENT_INTERVALS;
    format!(
        "COALESCE(g.last_poll_ms, g.first_seen_ms) + {factor} * g.next_poll_s + {SILENT_SLACK_MS} < {now_ms}"
    )
}

/// ` AND …`: the gateway in `column` is in the scope; empty for a whole tenant, which is parameter `$1`.
///
/// The id is a literal, which is safe because it is a parsed UUID. As a parameter, each statement would be needed
/// twice, with and without it.
pub(crate) fn gateway_within(scope: &Scope, column: &str) -> String {
    within(scope, |part| {
        let (own, id) = match part {
            Part::Customer(id) => ("customer_id", id.0),
            Part::Site(id) => ("site_id", id.0),
        };
        format!("{column} IN (SELECT gateway FROM gateways WHERE tenant = $1 AND {own} = '{id}')")
    })
}

/// The same for the site in `column`.
pub(crate) fn site_within(scope: &Scope, column: &str) -> String {
    within(scope, |part| match part {
        Part::Customer(id) => {
            format!("{column} IN (SELECT site FROM sites WHERE tenant = $1 AND customer = '{id}')")
        }
        Part::Site(id) => format!("{column} = '{id}'"),
    })
}

/// The same for the customer in `column`; if the scope is a site, for the customer of that site.
pub(crate) fn customer_within(scope: &Scope, column: &str) -> String {
    within(scope, |part| match part {
        Part::Customer(id) => format!("{column} = '{id}'"),
        Part::Site(id) => {
            format!("{column} IN (SELECT customer FROM sites WHERE tenant = $1 AND site = '{id}')")
        }
    })
}

/// The same for the user `u`, who must not have access outside of the scope.
pub(crate) fn user_within(scope: &Scope) -> String {
    within(scope, |part| match part {
        Part::Customer(id) => format!("u.scope_customer = '{id}'"),
        Part::Site(id) => format!("u.scope_site = '{id}'"),
    })
}

fn within(scope: &Scope, condition: impl Fn(Part) -> String) -> String {
    scope.parts().map(|part| format!(" AND {}", condition(part))).collect()
}

/// ` AND …`: the tenant that `column` names is not disabled.
pub(crate) fn of_active_tenant(column: &str) -> String {
    format!(" AND {column} NOT IN (SELECT tenant FROM tenants WHERE disabled_ms IS NOT NULL)")
}

/// Columns with the names of customer and site of the gateway `g`, "" if it is not assigned, and the joins for them.
pub(crate) const PLACE: &str = "COALESCE(cu.name, '') AS customer, COALESCE(si.name, '') AS site, \
    COALESCE(g.customer_id, '') AS customer_id, COALESCE(g.site_id, '') AS site_id";

/// See [`PLACE`].
pub(crate) const PLACE_JOINS: &str = "LEFT JOIN customers cu ON cu.tenant = g.tenant AND cu.customer = g.customer_id \
     LEFT JOIN sites si ON si.tenant = g.tenant AND si.site = g.site_id";

#[cfg(test)]
mod tests {
    use wire::command::OrderKind;

    use super::*;

    #[test]
    fn lists_match_the_core() {
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

    /// The names of our enums that are quoted in a source file, except in its tests.
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
    fn a_scope_is_a_condition_for_each_of_its_parts() {
        let tenant = comm_server_core::tenancy::TenantId::default_tenant();
        let id = |n: u32| format!("01980000-0000-7000-8000-{n:012}");
        let whole = Scope::of_tenant(tenant.clone());
        assert_eq!(gateway_within(&whole, "d.gateway"), "");
        let own = Scope::of_part(tenant, Part::Customer(id(1).parse().unwrap()));
        let both = own.narrowed(Part::Site(id(2).parse().unwrap()));
        let gateways = gateway_within(&both, "d.gateway");
        assert_eq!(
            gateways.matches(" AND d.gateway IN (SELECT gateway FROM gateways").count(),
            2,
            "{gateways}"
        );
        assert!(gateways.contains(&format!("customer_id = '{}'", id(1))), "{gateways}");
        assert!(gateways.contains(&format!("site_id = '{}'", id(2))), "{gateways}");
        assert!(site_within(&both, "s.site").ends_with(&format!(" AND s.site = '{}'", id(2))));
        assert!(customer_within(&own, "c.customer").ends_with(&format!(" AND c.customer = '{}'", id(1))));
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
