//! The lowest layer: connections to the engines, the writers that commit changes in groups, and the types for rows,
//! pages and statements. It knows no table except those of the migrations.

mod connections;
pub(crate) mod engine;
mod error;
pub(crate) mod migrations;
pub(crate) mod multi_row;
pub(crate) mod page;
mod reach;
mod replica;
pub(crate) mod row;
pub(crate) mod sql;
pub(crate) mod writer;

pub(crate) use connections::{ReadConnection, ReadPool};
pub(crate) use engine::Engine;
pub(crate) use error::failed;
pub use error::{DriverError, StoreError};
pub use reach::{Needs, check_url, reach};
pub(crate) use replica::Replica;
