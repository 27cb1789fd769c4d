//! The data that responses to polls depend on, read from gateways, lanes, calls and commands by one statement.

use comm_server_core::commands::CommandState;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::report::{CallKind, Lane, Lanes};

use crate::db::multi_row::{self, Statement};
use crate::db::writer::PollRequest;
use crate::db::{StoreError, failed, row, sql};

/// The state of gateways, in any order; for an unknown one, only its position in the request.
static SELECT_STATE: Statement = Statement::new(|rows| {
    let asked = multi_row::rows(rows, 2, 0, |place| format!("'{place}', "));
    let service_call = sql::call_kind(CallKind::ServiceCall);
    let (urgent, bulk) = (sql::lane(Lane::Urgent), sql::lane(Lane::Bulk));
    let deliverable = sql::command_states(CommandState::is_delivered_with_polls);
    // Commands of a disabled tenant wait, and expire as all do.
    let active = sql::of_active_tenant("c.tenant");
    format!(
        "WITH asked (place, tenant, gateway) AS (VALUES {asked}) \
         SELECT a.place, CASE WHEN g.gateway IS NULL THEN 0 ELSE 1 END AS known, g.poll_interval_s, \
         u.acknowledged AS urgent, u.made AS urgent_made, b.acknowledged AS bulk, b.made AS bulk_made, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = a.tenant AND c.gateway = a.gateway \
          AND c.is_open = 1 AND c.kind = {service_call}) AS service_calls, \
         (SELECT COUNT(*) FROM commands c WHERE c.tenant = a.tenant AND c.gateway = a.gateway \
          AND c.state IN ({deliverable}){active}) AS commands \
         FROM asked a \
         LEFT JOIN gateways g ON g.tenant = a.tenant AND g.gateway = a.gateway \
         LEFT JOIN lanes u ON u.tenant = a.tenant AND u.gateway = a.gateway AND u.lane = {urgent} \
         LEFT JOIN lanes b ON b.tenant = a.tenant AND b.gateway = a.gateway AND b.lane = {bulk}"
    )
});

/// The data that the response to a poll depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PollState {
    pub(crate) known: bool,
    pub(crate) acknowledged: Lanes<u64>,
    /// `None` if the lane has no row.
    pub(crate) made: Lanes<Option<i64>>,
    pub(crate) service_calls: u64,
    pub(crate) commands: u64,
    /// The interval that the settings above the gateway give; `None` for the server's own.
    pub(crate) poll_interval_s: Option<u32>,
}

/// The states of the gateways that poll, in the order of the polls.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    polls: &[&PollRequest],
) -> Result<Vec<PollState>, StoreError> {
    let (sql, rows) = SELECT_STATE.at_least(polls.len());
    let mut select = sqlx::query(sql);
    for request in polls {
        select = select.bind(request.caller.tenant.to_string()).bind(request.caller.gateway.to_string());
    }
    for _ in polls.len()..rows {
        select = select.bind("").bind("");
    }
    let rows = select.fetch_all(connection).await.map_err(failed("read poll states"))?;
    let mut known = vec![PollState::default(); polls.len()];
    for found in &rows {
        let place = row::text(found, "place")?.parse::<usize>();
        let place = place.map_err(|_| StoreError::Range { what: "place" })?;
        // The rest only fills up the statement.
        if let Some(known) = known.get_mut(place) {
            *known = state_of(found)?;
        }
    }
    Ok(known)
}

fn state_of(row: &AnyRow) -> Result<PollState, StoreError> {
    let count = |what| {
        let number = row::maybe_number(row, what)?.unwrap_or_default();
        u64::try_from(number).map_err(|_| StoreError::Range { what })
    };
    Ok(PollState {
        known: row::flag(row, "known")?,
        acknowledged: Lanes { urgent: count("urgent")?, bulk: count("bulk")? },
        made: Lanes {
            urgent: row::maybe_number(row, "urgent_made")?,
            bulk: row::maybe_number(row, "bulk_made")?,
        },
        service_calls: count("service_calls")?,
        commands: count("commands")?,
        poll_interval_s: row::maybe_number(row, "poll_interval_s")?.and_then(|s| u32::try_from(s).ok()),
    })
}
