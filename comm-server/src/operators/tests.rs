//! Tests of the whole operators' side, each on a store of its own.

mod assets;
mod audit;
mod customers;
mod deep_links;
mod finding;
mod live;
mod pages;
mod rollouts;
mod security;
mod site;
mod users;
