//! The gateway's shell: SNMP sockets, discovery, spool, uplink and the loop that carries out the core's decisions.

pub mod cli;
pub mod discovery;
pub mod mail;
pub mod push;
pub mod read;
pub mod snmp;
pub mod staging;
pub mod status;
