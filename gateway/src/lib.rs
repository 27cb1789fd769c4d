//! The gateway's shell: SNMP sockets, discovery, spool, uplink and the loop that carries out the core's decisions.

pub mod cli;
pub mod config;
mod device_address;
pub mod discovery;
mod enroll;
mod https_client;
mod local_page;
pub mod mail;
pub mod profile_files;
mod push;
mod receive_errors;
mod renewal;
mod repository;
mod run;
pub mod snmp;
mod spool;
mod staging;
mod status;
mod traps;
mod uplink;
