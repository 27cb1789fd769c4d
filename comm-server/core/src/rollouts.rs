//! Firmware roll-outs: the plan, the step of each device, and the state of the roll-out.

mod plan;
mod progress;
mod step;
mod version;
mod waiting;

pub use plan::{
    Candidate, Fleet, Interface, OpenDevice, Plan, PlanError, RolloutSpec, Share, Start, is_of_model, plan,
};
pub use progress::{NoSuchRolloutState, Progress, RolloutState};
pub use step::{DeviceStep, NoSuchStep, Standing, StepEvent, checked};
pub use version::compare;
pub use waiting::waits_for;
