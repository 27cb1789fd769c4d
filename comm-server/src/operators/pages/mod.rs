//! The console's pages: their data is prepared here, their markup is in `templates/`.
//!
//! A page refreshes its live regions by requesting itself (`live`); everything works without scripts.

mod asset;
mod assets;
mod audit;
mod calls;
mod commands;
mod customer_file;
mod customers;
mod dealers;
mod device;
mod error;
mod fleet;
mod form;
mod gateways;
mod icon;
mod invitation;
mod layout;
mod list;
mod live;
mod login;
mod login_code;
mod password;
mod place;
mod progress;
mod quarantine;
mod return_to;
mod rollouts;
mod second_factor;
mod session;
mod settings;
mod sites;
mod state;
mod static_files;
mod supply;
mod time;
mod tokens;
mod unassigned;
mod url;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::OperatorState;

/// Routes that accept a file.
fn files() -> Router<OperatorState> {
    Router::new()
        .route("/customers/import", post(customer_file::import))
        .layer(DefaultBodyLimit::max(customer_file::FORM_BYTES))
}

/// The console's routes.
pub(super) fn router(state: &OperatorState) -> Router<OperatorState> {
    Router::new()
        .route("/", get(fleet::show))
        .route("/login", get(login::show).post(login::submit))
        .route("/login/code", get(login_code::show).post(login_code::submit))
        .route("/logout", post(login::leave))
        .route("/second-factor", get(second_factor::show).post(second_factor::submit))
        .route("/password", get(password::show).post(password::submit))
        .route("/gateways", get(gateways::show))
        .route("/customers", get(customers::show).post(customers::create))
        .route("/customers/export.csv", get(customer_file::export))
        .route("/customers/{customer}", get(customers::show_one).post(customers::change))
        .route("/customers/{customer}/delete", post(customers::delete))
        .route("/customers/{customer}/sites", post(customers::create_site))
        .route("/sites/{site}", get(sites::show).post(sites::change))
        .route("/sites/{site}/delete", post(sites::delete))
        .route("/sites/{site}/gateways", post(sites::assign))
        .route("/assets", get(assets::show).post(assets::create))
        .route("/assets/{asset}", get(asset::show).post(asset::change))
        .route("/assets/{asset}/assign", post(asset::assign))
        .route("/assets/{asset}/swap", post(asset::swap))
        .route("/assets/{asset}/remove", post(asset::remove))
        .route("/assets/{asset}/retire", post(asset::retire))
        .route("/unassigned", get(unassigned::show))
        .route("/not-read", get(unassigned::unread))
        .route("/dealers", get(dealers::show).post(dealers::create))
        .route("/dealers/{dealer}", get(dealers::show_one).post(dealers::change))
        .route("/dealers/{dealer}/administrator", post(dealers::invite))
        .route("/users", get(users::show).post(users::create))
        .route("/users/{user}", get(users::show_one).post(users::change))
        .route("/users/{user}/invitation", post(users::invite))
        .route("/users/{user}/sessions", post(users::end_sessions))
        .route("/users/{user}/second-factor", post(users::reset_second_factor))
        .route("/tokens", get(tokens::show).post(tokens::create))
        .route("/tokens/{token}/revoke", post(tokens::revoke))
        .route("/invitation", get(invitation::show).post(invitation::submit))
        .route("/settings", get(settings::show).post(settings::change))
        .merge(files())
        .route("/devices/{gateway}/{device}", get(device::show))
        .route("/devices/{gateway}/{device}/commands", post(device::ask))
        .route("/calls", get(calls::show))
        .route("/rollouts", get(rollouts::show).post(rollouts::create))
        .route("/rollouts/{rollout}", get(rollouts::show_one))
        .route("/rollouts/{rollout}/cancel", post(rollouts::cancel))
        .route("/rollouts/{rollout}/retry", post(rollouts::retry))
        .route("/commands", get(commands::show).post(commands::create))
        .route("/quarantine", get(quarantine::show))
        .route("/quarantine/replay", post(quarantine::replay))
        .route("/audit", get(audit::show))
        .route("/audit/export.csv", get(audit::export))
        .route("/static/{*path}", get(static_files::serve))
        .route("/favicon.ico", get(static_files::favicon))
        .fallback(error::nothing_here)
        .layer(axum::middleware::from_fn_with_state(state.clone(), error::surround))
}
