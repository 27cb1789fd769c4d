//! The upper floor for reading: lists and single items for people.

mod audit;
mod audit_chain;
mod calls;
mod commands;
mod counters;
mod customers;
mod devices;
mod fleet;
mod gateways;
mod left_out;
mod quarantine;
mod rollouts;
mod search;
mod settings;
mod sightings;
mod statistics;
mod users;

pub use audit::{AuditFilter, Recorded};
pub use audit_chain::AuditChain;
pub use calls::{Call, CallFilter};
pub use commands::Command;
pub use counters::{CounterPoint, CounterSeries, CounterSource, LatestCounter, SeriesQuery};
pub use customers::{Customer, Site, SiteFilter};
pub use devices::{Device, DeviceDetail, DeviceFilter};
pub use fleet::{FleetDevice, FleetFilter, FleetNumbers, SupplyCall};
pub use gateways::{Gateway, GatewayFilter, LaneState};
pub use left_out::LeftOutDevice;
pub use quarantine::Quarantined;
pub use rollouts::{Rollout, RolloutDevice};
pub use settings::OwnValue;
pub use sightings::Sighting;
pub use statistics::Statistics;
pub use users::{ListedUser, OpenSession};
