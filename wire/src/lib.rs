//! The messages between Platen's programs, with their limits, problem codes and encoding.
//!
//! No other messages are sent, and no other crate serialises any. A message from a gateway must not have unknown
//! fields (a typo must not become a lost meter); a response of a server may, so that servers can be upgraded first.

pub mod codec;
pub mod command;
pub mod ids;
pub mod image;
pub mod limits;
pub mod model;
pub mod network;
pub mod poll;
pub mod problem;
pub mod reading;
pub mod report;
pub mod similar;
pub mod size;
pub mod text;
pub mod vendors;

/// `POST`: a gateway's poll; the response is [`poll::PollResponse`].
pub const POLLS_PATH: &str = "/v1/polls";

/// `POST`: a batch of one lane; `{lane}` is a [`report::Lane`], the response is [`report::BatchResponse`].
pub const REPORTS_PATH: &str = "/v1/reports/{lane}";

/// `POST`: the response to a command; answered by [`command::CommandResponseAck`].
pub const RESPONSES_PATH: &str = "/v1/responses/{command_id}";

/// `GET`: a signed metadata file of the firmware repository: `timestamp.json`, `N.root.json`, `N.snapshot.json`,
/// `N.ROLE.json` (TUF §6), and `root.json` and `targets.json`, the newest ones.
pub const METADATA_PATH: &str = "/v1/metadata/{name}";

/// `GET`, with `Range`: an image by its target's path with the hash before the name, as TUF clients request it (TUF §6.2):
/// `VENDOR/MODEL/SHA256.VERSION`.
pub const TARGETS_PATH: &str = "/v1/targets/{*path}";

/// `GET`, with `Range`: an image by its SHA-256 in lower-case hexadecimal.
pub const IMAGES_PATH: &str = "/v1/images/{sha256}";
