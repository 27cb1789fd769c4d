//! Limits of everything that a repository sends. The sizes of files and the numbers of roots and delegations are the
//! defaults of python-tuf's client.

/// Bytes of a root.
pub const ROOT_BYTES: u64 = 512_000;

/// Bytes of a timestamp.
pub const TIMESTAMP_BYTES: u64 = 16_384;

/// Bytes of a snapshot.
pub const SNAPSHOT_BYTES: u64 = 2_000_000;

/// Bytes of the targets role and of each delegated role.
pub const TARGETS_BYTES: u64 = 5_000_000;

/// Number of newer roots that one refresh follows.
pub const ROOT_ROTATIONS: u32 = 256;

/// Number of delegated roles that one search loads.
pub const DELEGATIONS: usize = 32;

/// Depth of nested arrays and objects in a file.
pub const JSON_DEPTH: usize = 32;

/// Values in a file: numbers, strings, arrays, objects and their members.
pub const JSON_VALUES: usize = 1_000_000;

/// Signatures in a file.
pub const SIGNATURES: usize = 1_024;

/// Keys in a root, or in the delegations of a role.
pub const KEYS: usize = 16_384;

/// Key ids of one role; each may need a verification.
pub const KEY_IDS: usize = 256;

/// Roles that one role delegates to.
pub const DELEGATED_ROLES: usize = 16_384;

/// Path patterns or hash prefixes that one role delegates, all delegated roles together.
pub const PATTERNS: usize = 65_536;

/// Bytes of a path pattern.
pub const PATTERN_BYTES: usize = 512;

/// Bytes of a target's path.
pub const TARGET_PATH_BYTES: usize = 1_024;

/// Bytes of a role's name, percent-encoded: with a suffix, it is a file name.
pub const ROLE_NAME_BYTES: usize = 240;

/// Hash algorithms of one file.
pub const HASHES: usize = 16;
