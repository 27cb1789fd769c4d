//! Limits on everything that a device can make large.

/// Objects of one GET. On nearly all devices, the response fits into one Ethernet frame.
pub const OIDS_PER_GET: usize = 32;

/// Objects of one GET of a device whose responses are known to fit into one Ethernet frame.
pub(crate) const OIDS_PER_KNOWN_GET: usize = 64;

/// Objects of one GET of a device that doesn't respond to larger ones.
pub(crate) const OIDS_PER_SMALL_GET: usize = 4;

/// Octets of varbinds that fit into one Ethernet frame in any case.
pub(crate) const FRAME_OCTETS: usize = 1_300;

/// Columns of one GETBULK or GETNEXT.
pub const COLUMNS_PER_REQUEST: usize = 12;

/// Columns of one GETBULK of a device whose rows are known, or that continues columns.
pub const COLUMNS_PER_KNOWN_BULK: usize = 24;

/// Varbinds that one GETBULK requests: columns times repetitions.
pub(crate) const VARBINDS_PER_BULK: usize = 72;

/// max-repetitions of one GETBULK.
pub(crate) const REPETITIONS: usize = 24;

/// Varbinds of one response; the rest is ignored.
pub const VARBINDS_PER_RESPONSE: usize = 1_000;

/// Rows of one table column; further rows are not read.
pub(crate) const ROWS_PER_COLUMN: usize = 256;

/// Sub-identifiers of a row's index: printers' tables have 1 to 4. A column ends at a longer one.
pub(crate) const INSTANCE_ARCS: usize = 16;

/// Rows that are requested one by one if a table can't be walked.
pub(crate) const GUESSED_ROWS: u32 = 12;

/// Varbinds of one device that are kept.
pub const VARBINDS_PER_READING: usize = 20_000;

/// Octets of strings of one device that are kept: more than ten times the amount of a large device. The rest is
/// dropped.
pub(crate) const OCTETS_PER_READING: usize = 128 << 10;

/// Requests of one reading, without retries.
pub const REQUESTS_PER_READING: u32 = 200;

/// Requests of one reading that may time out after the first response.
pub(crate) const TIMEOUTS_PER_READING: u32 = 4;

/// Octets of a text as sent; the rest is cut off.
pub const TEXT_BYTES: usize = 1_024;

/// Octets of an octet string; a device may send up to 65,535.
pub(crate) const OCTETS: usize = 4_096;

/// Sub-identifiers of an object identifier (RFC 3416 §4.1 allows 128).
pub(crate) const ARCS: usize = 128;

/// Firmware components of a device.
pub(crate) const FIRMWARE_COMPONENTS: usize = 64;

pub(crate) const CONSOLE_LINES: usize = 32;
