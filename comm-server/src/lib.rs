//! The communication server: gateways report to it over mutual TLS, operators work with it over HTTPS.
//!
//! What it decides is in `comm-server/core`; here the world is read, the store is changed, and answers are given, in
//! the order: persist, then answer.

pub mod cli;
pub mod config;
pub mod gateways;
pub mod operators;
mod run;
pub mod schedule;
pub mod services;

pub use comm_server_store as store;
pub use config::Config;
pub use run::{RunError, run};
