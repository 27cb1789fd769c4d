//! The limit on everything that a device can make large.

/// Objects asked for in one GET: with their answers they stay within one Ethernet frame on all but a few devices.
pub const OIDS_PER_GET: usize = 24;

/// Objects asked for in one GET of a device whose answers are known to stay within one Ethernet frame.
pub const OIDS_PER_KNOWN_GET: usize = 64;

/// Objects asked for in one GET of a device that is silent to more.
pub const OIDS_PER_SMALL_GET: usize = 4;

/// Octets of varbinds that surely stay within one Ethernet frame.
pub const FRAME_OCTETS: usize = 1_300;

/// Columns asked for in one GETBULK or GETNEXT.
pub const COLUMNS_PER_REQUEST: usize = 12;

/// Columns asked for in one GETBULK of a device whose rows are known.
pub const COLUMNS_PER_KNOWN_BULK: usize = 24;

/// Varbinds that one GETBULK asks for: columns times repetitions.
pub const VARBINDS_PER_BULK: usize = 72;

/// Repetitions that one GETBULK asks for.
pub const REPETITIONS: usize = 24;

/// Varbinds of one answer that are looked at; the rest is dropped.
pub const VARBINDS_PER_RESPONSE: usize = 1_000;

/// Rows of one table column; the rest of the table is left unread.
pub const ROWS_PER_COLUMN: usize = 256;

/// Sub-identifiers of a row's index: printers' tables have 1 to 4. A column ends at a longer one.
pub const INSTANCE_ARCS: usize = 16;

/// Rows that are tried one by one where a table can't be walked.
pub const GUESSED_ROWS: u32 = 12;

/// Varbinds kept of one device.
pub const VARBINDS_PER_READING: usize = 20_000;

/// Octets of strings kept of one device: more than ten times what a talkative one has. What comes after is dropped.
pub const OCTETS_PER_READING: usize = 128 << 10;

/// Requests of one reading, repetitions not counted.
pub const REQUESTS_PER_READING: u32 = 200;

/// Requests of one reading that may stay without an answer after the first one was answered.
pub const TIMEOUTS_PER_READING: u32 = 4;

/// A text, bytes as the device sent it; the rest is cut.
pub const TEXT_BYTES: usize = 1_024;

/// An octet string that is kept, bytes: a device may send up to 65,535.
pub const OCTETS: usize = 4_096;

/// Sub-identifiers of an object identifier (RFC 3416 §4.1 allows 128).
pub const ARCS: usize = 128;

/// Firmware components of a device.
pub const FIRMWARE_COMPONENTS: usize = 64;

/// Lines of a console.
pub const CONSOLE_LINES: usize = 32;
