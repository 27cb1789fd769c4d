//! The gateway's shell: SNMP sockets, discovery, spool, uplink and the loop that carries out the core's decisions.

pub mod cli;
pub mod config;
pub mod device_place;
pub mod discovery;
pub mod enroll;
pub mod local_page;
pub mod mail;
pub mod profile_files;
pub mod push;
pub mod read;
pub mod renewal;
pub mod run;
mod servers;
pub mod snmp;
pub mod spool;
pub mod staging;
pub mod status;
pub mod traps;
pub mod uplink;
