//! The script that keeps a page's regions up to date: one for the console and the gateway's local page.

/// JavaScript for a file of its own. It asks for the page again with the header [`HEADER`].
pub const SCRIPT: &str = include_str!("../assets/live.js");

/// The request header by which [`SCRIPT`] asks for the live regions of a page alone: `refresh` when it asks by itself,
/// `search` when a person changed a filter.
pub const HEADER: &str = "platen-live";
