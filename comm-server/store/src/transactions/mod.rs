//! The upper layer for changes: one file per use case, the only files that combine tables and decisions of the core.
//! Each change is one transaction of the writer.

mod advance_rollout;
mod answer_command;
mod api_tokens;
mod append_audit;
mod apply_retention;
mod assets;
mod begin_due_rollouts;
mod cancel_rollout;
mod claim_key;
mod claim_token;
mod complete_swaps;
mod count_login;
mod create_command;
mod create_rollout;
mod customers;
mod expire_commands;
mod import_customers;
mod ingest_batch;
mod keep_partitions;
mod queue_command;
mod register_gateway;
mod replay_quarantine;
mod request_meters;
mod seal_audit;
mod second_factor;
mod sessions;
mod set_setting;
mod take_polls;
mod trim_audit;
mod users;

pub use answer_command::AnswerError;
pub use assets::{DevicePlace, NewSwap};
pub use claim_key::KeyClaim;
pub use claim_token::Claimed;
pub use count_login::Attempt;
pub use create_command::NewCommand;
pub use create_rollout::{NewRollout, RolloutError};
pub use customers::{Author, ChangeError};
pub use import_customers::{IMPORT_ROWS, Imported};
pub use ingest_batch::{IngestError, Ingested};
pub use replay_quarantine::Replayed;
pub(crate) use seal_audit::sha256;
pub use second_factor::{Proof, SecondFactorChange};
pub(crate) use take_polls::take_polls;
pub use users::{AccountChange, Invitation, NewPassword};
