//! `/api/v1/images`: published firmware images, as the global server lists them.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::ReadErrors;
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;

/// A published image.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Image {
    target: String,
    vendor: String,
    model: String,
    version: String,
    bytes: u64,
    sha256: String,
    published_at: Timestamp,
}

/// Published images, or why they are unknown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageList {
    items: Vec<Image>,
    /// Always null: the list has one page.
    next: Option<String>,
    /// Why the images are unknown; null if they are known.
    unknown_because: Option<String>,
}

impl From<crate::services::Image> for Image {
    fn from(i: crate::services::Image) -> Self {
        Self {
            target: i.target,
            vendor: i.vendor,
            model: i.model,
            version: i.version,
            bytes: i.bytes,
            sha256: i.sha256,
            published_at: i.published_at,
        }
    }
}

/// Published images, at most a minute old.
#[utoipa::path(
    get, path = "/api/v1/images", tag = "firmware", operation_id = "list_images",
    responses((status = 200, body = ImageList, description = "The images"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
) -> Result<Json<ImageList>, ApiError> {
    let (items, unknown_because) = match state.services.rollouts.published_images(&caller.actor).await? {
        Ok(items) => (items.into_iter().map(Into::into).collect(), None),
        Err(why) => (Vec::new(), Some(why)),
    };
    Ok(Json(ImageList { items, next: None, unknown_because }))
}
