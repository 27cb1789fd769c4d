//! Tests of the whole operators' side, each on a store of its own.

mod pages;
mod security;
mod site;
