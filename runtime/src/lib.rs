//! What all programs of Platen share: configuration, logs, signals, the TLS listener, health and metrics.
//!
//! It contains nothing about printers, reports or firmware.

pub mod addresses;
pub mod bounded_body;
pub mod check;
pub mod config;
pub mod descriptors;
pub mod error;
pub mod identity;
pub mod listener;
pub mod live;
pub mod local;
pub mod logging;
pub mod malloc;
pub mod output;
pub mod problem_response;
pub mod public_certificate;
pub mod shutdown;
