//! States and kinds in the OpenAPI document: one schema for each enum of the cores and of the wire, with all of its
//! values.

use std::borrow::Cow;

use comm_server_core::assets::{Opening, UnreadReason as Unread};
use comm_server_core::commands::CommandState as State;
use comm_server_core::roles::Role as OwnRole;
use comm_server_core::rollouts::{DeviceStep as Step, RolloutState as Progress};
use comm_server_core::second_factor::{RequireTotp as Required, Stage as LoginState};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use wire::command::OrderKind as Order;
use wire::reading::Counter;
use wire::report::{CallKind as Call, Lane, WaitReason};

use crate::store::AssetState as Standing;

macro_rules! states {
    ($($name:ident, $text:literal, $values:expr;)*) => {
        $(
            #[doc = $text]
            #[derive(Debug)]
            pub(super) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    one_of($text, $values)
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*

        /// The names of the schemas.
        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

states! {
    CommandState, "State of a command.", State::ALL.map(State::name);
    OrderKind, "Kind of a command.", Order::ALL.map(Order::name);
    CallKind, "Kind of a call.", Call::ALL.map(Call::name);
    CounterName, "Name of a counter.", Counter::ALL.map(Counter::name);
    LaneName, "A lane of reports.", Lane::ALL.map(Lane::name);
    RolloutState, "State of a roll-out.", Progress::ALL.map(Progress::name);
    DeviceStep, "Step of a device in a roll-out.", Step::ALL.map(Step::name);
    WaitsFor, "What a device of a roll-out waits for; empty at its end.",
        WaitReason::ALL.map(WaitReason::name).into_iter().chain([""]);
    AssetState, "State of an asset.", Standing::ALL.map(Standing::name);
    EpochOpening, "Why an epoch began.", Opening::ALL.map(Opening::name);
    UnreadReason, "Why a device is not read.", Unread::ALL.map(Unread::name);
    LoginStage, "What a login lacks: the code of the second factor (`code`), a second factor that must be set up (`enroll`), \
        or nothing (`open`).", LoginState::ALL.map(LoginState::name);
    RequireTotp, "Who must have a second factor.", Required::ALL.map(Required::name);
    Role, "What a user may do.", OwnRole::ALL.map(OwnRole::name);
}

fn one_of(text: &str, values: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let schema =
        ObjectBuilder::new().schema_type(Type::String).description(Some(text)).enum_values(Some(values));
    RefOr::T(Schema::Object(schema.build()))
}
