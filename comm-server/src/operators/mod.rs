//! The operators' side: login, the REST API under `/api/v1`, and the console's pages, over HTTPS.
//!
//! A handler parses, calls one function, answers. Nothing here is answered to somebody whose role doesn't allow it
//! (`role`), and no query leaves the caller's tenant.

mod api;
mod caller;
mod compression;
mod device;
mod error;
mod headers;
mod images;
mod orders;
mod pages;
mod password;
mod people;
mod role;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use runtime::listener::ListenerAuth;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use wire::network::Network;

use crate::store::Store;

pub use images::{Image, Images, ImagesError};
pub use password::HashError;
pub use people::{FirstLoginError, PasswordResetError, first_login, reset_password};
pub use role::{NoSuchRole, Permission, Role};

/// A body that an operator sends, bytes.
const BODY_BYTES: usize = 64 << 10;

/// Logins from one address that are let in at once, and then each minute.
const LOGINS_AT_ONCE: u32 = 30;
const LOGINS_PER_MINUTE: u32 = 30;

/// What the operators' side needs, cheap to clone.
#[derive(Clone, Debug)]
pub struct OperatorState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    hasher: password::Hasher,
    logins: DefaultKeyedRateLimiter<Network>,
    devices: OnceCell<device::Devices>,
    images: Option<Images>,
}

impl OperatorState {
    /// The state; without `images`, published images are unknown.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(store: Store, images: Option<Images>) -> Result<Self, HashError> {
        let at_once = std::num::NonZeroU32::new(LOGINS_AT_ONCE).unwrap_or(std::num::NonZeroU32::MIN);
        let per_minute = std::num::NonZeroU32::new(LOGINS_PER_MINUTE).unwrap_or(std::num::NonZeroU32::MIN);
        let logins = RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(at_once));
        let (hasher, devices) = (password::Hasher::new()?, OnceCell::new());
        Ok(Self(Arc::new(Inner { store, hasher, logins, devices, images })))
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    /// The store for what somebody only looks at: some seconds old where there is a replica, but never so old that it
    /// lacks what this session changed.
    fn seen_by(&self, caller: &caller::Caller) -> Store {
        if caller.recent_write { self.store().clone() } else { self.store().as_some_seconds_ago() }
    }

    /// The browsers that are known.
    async fn devices(&self) -> Result<&device::Devices, error::ApiError> {
        self.0.devices.get_or_try_init(|| device::Devices::load(self)).await
    }

    /// The list of published images, where a global server is configured.
    fn images(&self) -> Option<&Images> {
        self.0.images.as_ref()
    }

    /// Published images, or why they are unknown.
    async fn published_images(&self) -> Result<Vec<Image>, String> {
        match &self.0.images {
            Some(images) => images.list().await,
            None => Err("no global server is configured".to_owned()),
        }
    }
}

/// Everything that operators reach.
pub fn router(state: OperatorState) -> Router {
    Router::new()
        .merge(api::router())
        .merge(pages::router(&state))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(axum::middleware::from_fn_with_state(state.clone(), caller::record_write))
        .layer(compression::layer())
        .layer(axum::middleware::from_fn(headers::guard))
        .with_state(state)
}

/// Serves operators until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    auth: ListenerAuth,
    state: OperatorState,
    shutdown: CancellationToken,
) {
    runtime::listener::serve(listener, auth, router(state), shutdown).await;
}
