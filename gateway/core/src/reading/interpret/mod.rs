//! Interprets the objects of a device: identity, status, supplies, trays, covers, alerts and counters.

mod counters;
mod covers;
mod device_row;
mod identity;
mod kind;
pub mod labels;
mod model;
mod provenance;
mod status;
mod supplies;
mod tables;

pub(crate) use counters::meters;
pub(crate) use covers::covers;
pub(crate) use device_row::{device_index, printer_is_device_1};
pub(crate) use identity::{identity, mac};
pub(crate) use kind::{is_proven, shows_a_printer};
pub(crate) use provenance::Notes;
pub use provenance::Provenance;
pub(crate) use status::status;
pub(crate) use supplies::supplies;
pub(crate) use tables::{alerts, trays};
