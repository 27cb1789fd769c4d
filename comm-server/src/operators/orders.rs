//! Asking gateways for something and rolling firmware out: what the API and the pages share.

use jiff::Timestamp;
use wire::command::Order;
use wire::ids::{CommandId, RolloutId};
use wire::limits::COMMAND_DEVICES;
use wire::metadata::target_name;
use wire::problem::ProblemCode;

use super::OperatorState;
use super::caller::Caller;
use super::refused::Refused;
use super::role::Act;
use crate::store::{NewCommand, NewRollout, RolloutError};

/// What an order needs.
pub(super) const fn act(order: &Order) -> Act {
    match order {
        Order::CounterRequest { .. } => Act::AskCounters,
        Order::StatusSense { .. } => Act::AskStatus,
        Order::Diagnostics | Order::Discovery => Act::AskGateway,
        Order::FirmwareUpdate(_) | Order::FirmwareCancel { .. } => Act::RollOut,
    }
}

/// Queues a command.
pub(super) async fn queue(
    state: &OperatorState,
    caller: &Caller,
    gateway: &str,
    order: Order,
) -> Result<CommandId, Refused> {
    caller.may(act(&order))?;
    match &order {
        Order::CounterRequest { devices: Some(devices) } | Order::StatusSense { devices: Some(devices) } => {
            if devices.is_empty() || devices.len() > COMMAND_DEVICES {
                let detail = format!("order.devices has {}: expected 1 to {COMMAND_DEVICES}", devices.len());
                return Err(Refused::malformed(detail));
            }
        }
        Order::CounterRequest { devices: None }
        | Order::StatusSense { devices: None }
        | Order::Diagnostics
        | Order::Discovery => {}
        Order::FirmwareUpdate(_) | Order::FirmwareCancel { .. } => {
            return Err(Refused::malformed("firmware is updated by roll-outs only: POST /api/v1/rollouts"));
        }
    }
    let new = NewCommand { gateway: gateway.to_owned(), order, created_by: caller.user.clone() };
    let made = state.store().create_command(&caller.tenant, new, Timestamp::now()).await?;
    made.ok_or_else(|| Refused::not_found("gateway"))
}

/// Plans a roll-out. Where the global server is known and answers, the image must be published; where it doesn't
/// answer, gateways will say whether it is.
pub(super) async fn roll_out(
    state: &OperatorState,
    caller: &Caller,
    (vendor, model, version): (&str, &str, &str),
    not_before: Option<Timestamp>,
) -> Result<RolloutId, Refused> {
    caller.may(Act::RollOut)?;
    let target = target_name(vendor, model, version);
    if let Some(images) = &state.0.images {
        let has = |list: &[super::Image]| list.iter().any(|image| image.target == target);
        let known = images.list().await.is_ok_and(|list| has(&list));
        if !known && images.list_now().await.is_ok_and(|list| !has(&list)) {
            let detail = format!("the global server has published no image {target}");
            return Err(Refused::new(ProblemCode::Conflict, detail));
        }
    }
    let now = Timestamp::now();
    let new = NewRollout {
        vendor: vendor.to_owned(),
        model: model.to_owned(),
        version: version.to_owned(),
        not_before: not_before.unwrap_or(now),
        created_by: caller.user.clone(),
    };
    Ok(state.store().create_rollout(&caller.tenant, new, now).await?)
}

/// Cancels what isn't yet pushed.
pub(super) async fn cancel(
    state: &OperatorState,
    caller: &Caller,
    rollout: RolloutId,
) -> Result<(), Refused> {
    caller.may(Act::RollOut)?;
    Ok(state.store().cancel_rollout(&caller.tenant, rollout, &caller.user, Timestamp::now()).await?)
}

impl From<RolloutError> for Refused {
    fn from(error: RolloutError) -> Self {
        let code = match &error {
            RolloutError::Field { .. } => ProblemCode::MalformedBody,
            RolloutError::NoDevices { .. } | RolloutError::Ended { .. } => ProblemCode::Conflict,
            RolloutError::NotFound { .. } => ProblemCode::NotFound,
            RolloutError::Store(_) => ProblemCode::Internal,
        };
        match error {
            RolloutError::Store(store) => store.into(),
            RolloutError::Field { .. }
            | RolloutError::NoDevices { .. }
            | RolloutError::NotFound { .. }
            | RolloutError::Ended { .. } => Self::new(code, error.to_string()),
        }
    }
}
