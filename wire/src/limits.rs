//! The limit on everything that crosses the wire, each with a name.

/// A body of a poll or a response after decompression, bytes.
pub const MESSAGE_BYTES: usize = 256 << 10;

/// A batch of reports after decompression, bytes.
pub const BATCH_BYTES: usize = 4 << 20;

/// A body as it arrives, before decompression, bytes.
pub const BODY_BYTES: usize = 1 << 20;

/// Reports in one batch.
pub const BATCH_REPORTS: usize = 500;

/// What a person should read in a report (`detail`), bytes.
pub const DETAIL_BYTES: usize = 2 << 10;

/// Which part of a device a call is about (`subject`), bytes.
pub const SUBJECT_BYTES: usize = 128;

/// A firmware version in a report, bytes.
pub const VERSION_BYTES: usize = 256;

/// Commands in one answer to a poll.
pub const POLL_COMMANDS: usize = 32;

/// Devices that one command names.
pub const COMMAND_DEVICES: usize = 10_000;

/// Text of a firmware report that a person reads, characters.
pub const FIRMWARE_DETAIL_CHARS: usize = 500;

/// Text of a device's panel in a firmware report, bytes.
pub const PANEL_BYTES: usize = 1 << 10;

/// The same as gateways make it, characters.
pub const FIRMWARE_PANEL_CHARS: usize = 200;

/// A metadata file of the firmware repository, bytes.
pub const METADATA_BYTES: usize = 4 << 20;

/// A firmware image, bytes.
pub const IMAGE_BYTES: u64 = 4 << 30;

/// Bodies above this are compressed, bytes.
pub const COMPRESS_ABOVE_BYTES: usize = 512;
