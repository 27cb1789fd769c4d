//! Limits of all messages.

/// A body of a poll or a response after decompression, bytes.
pub const MESSAGE_BYTES: usize = 256 << 10;

/// A batch of reports after decompression, bytes.
pub const BATCH_BYTES: usize = 4 << 20;

/// A body as received, before decompression, bytes.
pub const BODY_BYTES: usize = 1 << 20;

/// Reports in one batch.
pub const BATCH_REPORTS: usize = 500;

/// The text for operators in a report (`detail`), bytes.
pub const DETAIL_BYTES: usize = 2 << 10;

/// The part of a device that a call is about (`subject`), bytes.
pub(crate) const SUBJECT_BYTES: usize = 128;

/// A firmware version in a report, bytes.
pub(crate) const VERSION_BYTES: usize = 256;

/// Commands in one response to a poll.
pub const POLL_COMMANDS: usize = 32;

/// Devices of one command.
pub const COMMAND_DEVICES: usize = 10_000;

/// The text for operators in a firmware report, characters.
pub const FIRMWARE_DETAIL_CHARS: usize = 500;

/// Text of a device's panel in a firmware report, bytes.
pub(crate) const PANEL_BYTES: usize = 1 << 10;

/// Text of a device's panel in a report that this version sends, characters.
pub const FIRMWARE_PANEL_CHARS: usize = 200;

/// A firmware image, bytes.
pub const IMAGE_BYTES: u64 = 4 << 30;

/// A larger body is compressed, bytes.
pub(crate) const COMPRESS_ABOVE_BYTES: usize = 512;
