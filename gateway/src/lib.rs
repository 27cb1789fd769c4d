//! The gateway's shell: SNMP sockets, discovery, spool, uplink and the loop that carries out the core's decisions.

pub mod cli;
pub mod discovery;
pub mod read;
pub mod snmp;
