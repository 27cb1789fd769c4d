//! The gateway's shell: SNMP sockets, discovery, spool, uplink and the loop that carries out the core's decisions.

pub mod cli;
pub mod config;
pub(crate) mod device_address;
pub mod discovery;
pub mod enroll;
mod https_client;
pub(crate) mod local_page;
pub mod mail;
pub mod profile_files;
pub mod push;
mod receive_errors;
pub mod renewal;
pub mod run;
pub mod snmp;
pub mod spool;
pub mod staging;
pub mod status;
pub mod traps;
pub mod uplink;
