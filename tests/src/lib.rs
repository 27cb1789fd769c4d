//! Whole sites made of the real programs, for the demo and the whole-system tests.
//!
//! Nothing here looks inside a program: a site is observed by its addresses, its API, its files and its mail.

pub mod balancer;
pub mod ledger;
pub mod operator;
pub mod program;
pub mod site;
pub mod small_disk;
pub mod trust;
pub mod until;
