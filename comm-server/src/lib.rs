//! The communication server: gateways report to it, operators work with it.

pub mod store;
