//! All that crosses TLS between Platen's programs: messages, limits, problem codes and their encoding.
//!
//! Nothing else crosses, and nobody else serialises. A message from a gateway refuses unknown fields (a typo
//! must not become a lost meter); an answer of a server tolerates them, so that servers are upgraded first.

pub mod codec;
pub mod command;
pub mod ids;
pub mod limits;
pub mod metadata;
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

/// The version that every path of the wire begins with.
pub const VERSION: &str = "v1";

/// `POST`: a gateway's poll, answered by [`poll::PollResponse`].
pub const POLLS_PATH: &str = "/v1/polls";

/// `POST`: a batch of one lane, answered by [`report::BatchResponse`]; `{lane}` is a [`report::Lane`].
pub const REPORTS_PATH: &str = "/v1/reports/{lane}";

/// `POST`: the answer to a command, answered by [`command::CommandResponseAck`].
pub const RESPONSES_PATH: &str = "/v1/responses/{command_id}";

/// `GET`: a signed metadata file of the firmware repository, [`metadata::ROOT`] or [`metadata::TARGETS`].
pub const METADATA_PATH: &str = "/v1/metadata/{name}";

/// `GET`, with `Range`: an image by its SHA-256 in lower-case hexadecimal.
pub const IMAGES_PATH: &str = "/v1/images/{sha256}";
