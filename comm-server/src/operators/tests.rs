//! Tests of the whole operator interface, each with its own store.

mod assets;
mod audit;
mod customers;
mod dealers;
mod deep_links;
mod finding;
mod idempotency;
mod isolation;
mod lists;
mod live;
mod pages;
mod rollouts;
mod second_factor;
mod security;
mod site;
mod users;
