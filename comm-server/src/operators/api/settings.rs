//! `/api/v1/settings`: settings of the parts of the tree, with the origin of each value.

use axum::Json;
use axum::extract::State;
use comm_server_core::settings::{Effective, Level, Origin, Setting};
use comm_server_core::tenancy::{CustomerId, SiteId};
use comm_server_core::tree::Node;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::GatewayId;

use super::errors::{ReadErrors, WriteErrors};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Params};
use crate::operators::error::ApiError;
use crate::services::PlaceSetting;

/// The origin of a value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueOrigin {
    Server,
    Tenant,
    Customer,
    Site,
    Gateway,
}

impl From<Origin> for ValueOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Server => Self::Server,
            Origin::Level(Level::Tenant) => Self::Tenant,
            Origin::Level(Level::Customer) => Self::Customer,
            Origin::Level(Level::Site) => Self::Site,
            Origin::Level(Level::Gateway) => Self::Gateway,
        }
    }
}

/// A value and its origin.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingValue {
    value: String,
    from: ValueOrigin,
}

impl From<Effective> for SettingValue {
    fn from(effective: Effective) -> Self {
        Self { value: effective.value, from: effective.origin.into() }
    }
}

/// A setting of a part of the tree.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingOfPlace {
    /// Its own value; null if it inherits.
    own: Option<String>,
    /// The value that applies.
    effective: SettingValue,
    /// The value that would apply without its own.
    inherited: SettingValue,
}

/// The settings of a part of the tree. A gateway has no time zone of its own.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct PlaceSettings {
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<SettingOfPlace>,
    /// Seconds between two polls without an open service call.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_interval_s: Option<SettingOfPlace>,
    /// Who must have a second factor; of the whole service company only.
    #[serde(skip_serializing_if = "Option::is_none")]
    require_totp: Option<SettingOfPlace>,
}

impl From<Vec<PlaceSetting>> for PlaceSettings {
    fn from(all: Vec<PlaceSetting>) -> Self {
        let mut settings = Self::default();
        for PlaceSetting { setting, own, effective, inherited } in all {
            let one = SettingOfPlace { own, effective: effective.into(), inherited: inherited.into() };
            match setting {
                Setting::TimeZone => settings.time_zone = Some(one),
                Setting::PollInterval => settings.poll_interval_s = Some(one),
                Setting::RequireTotp => settings.require_totp = Some(one),
            }
        }
        settings
    }
}

/// Values to set. Null removes the value, so that it is inherited; an absent value is not changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsPatch {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 64)]
    time_zone: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 86400)]
    poll_interval_s: Option<Option<u32>>,
    /// Needs the permission to manage users.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<states::RequireTotp>)]
    require_totp: Option<Option<String>>,
}

/// Distinguishes null from absent.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The part of the tree: at most one of these; without any, the whole service company.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PlaceParams {
    customer: Option<Uuid>,
    site: Option<Uuid>,
    #[param(value_type = Option<String>)]
    gateway: Option<GatewayId>,
}

impl PlaceParams {
    fn node(self) -> Result<Node, ApiError> {
        match self {
            Self { customer: None, site: None, gateway: None } => Ok(Node::Tenant),
            Self { customer: Some(id), site: None, gateway: None } => Ok(Node::Customer(CustomerId(id))),
            Self { customer: None, site: Some(id), gateway: None } => Ok(Node::Site(SiteId(id))),
            Self { customer: None, site: None, gateway: Some(id) } => Ok(Node::Gateway(id)),
            Self { .. } => Err(ApiError::malformed(
                "several places are given: expected customer, site or gateway, or none",
            )),
        }
    }
}

/// The settings of a part of the tree, with the origin of each value.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "tree", operation_id = "read_settings", params(PlaceParams),
    responses((status = 200, body = PlaceSettings, description = "The settings"), ReadErrors)
)]
pub(super) async fn read(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PlaceParams>,
) -> Result<Json<PlaceSettings>, ApiError> {
    found(&state, &caller, &params.node()?).await.map(Json)
}

async fn found(state: &OperatorState, caller: &Caller, node: &Node) -> Result<PlaceSettings, ApiError> {
    let found = state.services.settings.of(&caller.actor, node).await?;
    found.map(PlaceSettings::from).ok_or_else(|| ApiError::not_found(node.level().name()))
}

/// Set or remove values of a part of the tree.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "tree", operation_id = "change_settings", request_body = SettingsPatch,
    params(PlaceParams, ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 200, body = PlaceSettings, description = "As they are now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PlaceParams>,
    Body(patch): Body<SettingsPatch>,
) -> Result<Json<PlaceSettings>, ApiError> {
    let node = params.node()?;
    let seconds = patch.poll_interval_s.map(|seconds| seconds.map(|seconds| seconds.to_string()));
    let given = [
        (Setting::TimeZone, patch.time_zone),
        (Setting::PollInterval, seconds),
        (Setting::RequireTotp, patch.require_totp),
    ];
    for (setting, value) in given {
        if let Some(value) = value {
            state.services.settings.set(&caller.actor, node.clone(), setting, value.as_deref()).await?;
        }
    }
    found(&state, &caller, &node).await.map(Json)
}
