//! The communication server: gateways report to it over mutual TLS, operators use it over HTTPS.
//!
//! Decisions are in `comm-server/core`; this crate reads input, changes the store and responds, in this order: persist,
//! then respond.

pub mod cli;
mod config;
mod gateways;
pub mod operators;
mod run;
mod schedule;
mod services;

pub use comm_server_store as store;
pub use config::Config;
pub use services::{Services, Users};
