//! The script that refreshes a page's live regions, shared by the console and the gateway's local page.

/// JavaScript, served as a file of its own. It requests the page again with the header [`HEADER`].
pub const SCRIPT: &str = include_str!("../assets/live.js");

/// Request header with which [`SCRIPT`] requests only the live regions of a page: `refresh` for a periodic request,
/// `search` after a filter was changed.
pub const HEADER: &str = "platen-live";
