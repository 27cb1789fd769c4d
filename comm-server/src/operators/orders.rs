//! Asking gateways for something and rolling firmware out: what the API and the pages share.

use comm_server_core::rollouts::{Door, PlanError, Wish};
use jiff::Timestamp;
use wire::command::Order;
use wire::ids::{CommandId, RolloutId};
use wire::limits::COMMAND_DEVICES;
use wire::problem::ProblemCode;

use super::OperatorState;
use super::caller::Caller;
use super::error::ApiError;
use super::role::Permission;
use crate::rollouts::{self, OrderError, Orderer};
use crate::store::{NewCommand, RolloutError};

/// What an order needs.
pub(super) const fn act(order: &Order) -> Permission {
    match order {
        Order::CounterRequest { .. } => Permission::AskCounters,
        Order::StatusSense { .. } => Permission::AskStatus,
        Order::Diagnostics | Order::Discovery => Permission::AskGateway,
        Order::FirmwareUpdate(_) | Order::FirmwareCancel { .. } => Permission::RollOut,
    }
}

/// Queues a command.
pub(super) async fn queue(
    state: &OperatorState,
    caller: &Caller,
    gateway: &str,
    order: Order,
) -> Result<CommandId, ApiError> {
    caller.may(act(&order))?;
    match &order {
        Order::CounterRequest { devices: Some(devices) } | Order::StatusSense { devices: Some(devices) } => {
            if devices.is_empty() || devices.len() > COMMAND_DEVICES {
                let detail = format!("order.devices has {}: expected 1 to {COMMAND_DEVICES}", devices.len());
                return Err(ApiError::malformed(detail));
            }
        }
        Order::CounterRequest { devices: None }
        | Order::StatusSense { devices: None }
        | Order::Diagnostics
        | Order::Discovery => {}
        Order::FirmwareUpdate(_) | Order::FirmwareCancel { .. } => {
            return Err(ApiError::malformed("firmware is updated by roll-outs only: POST /api/v1/rollouts"));
        }
    }
    let new = NewCommand { gateway: gateway.to_owned(), order, created_by: caller.user.clone() };
    let made = state.store().create_command(&caller.tenant, new, Timestamp::now()).await?;
    made.ok_or_else(|| ApiError::not_found("gateway"))
}

/// Orders a roll-out.
pub(super) async fn roll_out(
    state: &OperatorState,
    caller: &Caller,
    wish: Wish,
    door: Door,
) -> Result<RolloutId, ApiError> {
    caller.may(Permission::RollOut)?;
    let made = rollouts::create(state.store(), state.images(), orderer(caller), wish).await;
    made.map_err(|error| refused(error, door))
}

/// Orders the failed devices of a roll-out again.
pub(super) async fn retry(
    state: &OperatorState,
    caller: &Caller,
    rollout: RolloutId,
    allow_downgrade: bool,
    door: Door,
) -> Result<RolloutId, ApiError> {
    caller.may(Permission::RollOut)?;
    let made =
        rollouts::retry(state.store(), state.images(), orderer(caller), rollout, allow_downgrade).await;
    made.map_err(|error| refused(error, door))
}

/// Cancels what isn't yet pushed.
pub(super) async fn cancel(
    state: &OperatorState,
    caller: &Caller,
    rollout: RolloutId,
    door: Door,
) -> Result<(), ApiError> {
    caller.may(Permission::RollOut)?;
    let done = state.store().cancel_rollout(&caller.tenant, rollout, &caller.user, Timestamp::now()).await;
    done.map_err(|error| refused(error.into(), door))
}

fn orderer(caller: &Caller) -> Orderer<'_> {
    Orderer { tenant: &caller.tenant, by: &caller.user, now: Timestamp::now() }
}

fn refused(error: OrderError, door: Door) -> ApiError {
    let code = match &error {
        OrderError::Rollout(RolloutError::Plan(PlanError::Field { .. } | PlanError::Past { .. })) => {
            ProblemCode::MalformedBody
        }
        OrderError::Rollout(RolloutError::NotFound { .. }) => ProblemCode::NotFound,
        OrderError::Unreachable { .. } => ProblemCode::Overloaded,
        OrderError::NoGlobalServer { .. }
        | OrderError::NotPublished { .. }
        | OrderError::NotEnded { .. }
        | OrderError::NothingFailed { .. }
        | OrderError::Rollout(
            RolloutError::Plan(
                PlanError::UnknownModel { .. }
                | PlanError::UpToDate { .. }
                | PlanError::Overlap { .. }
                | PlanError::Downgrade { .. },
            )
            | RolloutError::Ended { .. },
        ) => ProblemCode::Conflict,
        OrderError::Rollout(RolloutError::Store(_)) => ProblemCode::Internal,
    };
    if let OrderError::Rollout(RolloutError::Store(store)) = error {
        return store.into();
    }
    ApiError::new(code, error.message(door))
}
