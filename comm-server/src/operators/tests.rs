//! Tests of the whole operators' side, each on a store of its own.

mod assets;
mod audit;
mod customers;
mod deep_links;
mod finding;
mod idempotency;
mod lists;
mod live;
mod pages;
mod rollouts;
mod second_factor;
mod security;
mod site;
mod users;
