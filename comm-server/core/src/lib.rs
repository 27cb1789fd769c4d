//! The communication server's decisions as pure functions: no clock, socket or database. Time and randomness are passed
//! in.

pub mod accounts;
pub mod admission;
pub mod assets;
pub mod audit;
pub mod cadence;
pub mod calls;
pub mod commands;
pub mod customers;
pub mod dealers;
pub mod enrollment;
pub mod fields;
pub mod ingest;
pub mod logins;
pub mod meters;
pub mod partitions;
pub mod replica;
pub mod retention;
pub mod roles;
pub mod rollouts;
pub mod second_factor;
pub mod settings;
pub mod tenancy;
pub mod tokens;
pub mod tree;
