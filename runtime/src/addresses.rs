//! `addresses.json`: the addresses that a program listens on, for callers that configured port 0.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Name of the file in the data directory.
pub const FILE: &str = "addresses.json";

/// Writes the addresses by name, atomically, so that a reader never sees a partial file.
///
/// # Errors
/// The directory can't be written.
pub fn write(data_dir: &Path, addresses: &BTreeMap<&str, SocketAddr>) -> io::Result<()> {
    durable::write(&data_dir.join(FILE), &serde_json::to_vec(addresses)?, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let addresses = BTreeMap::from([("local", "127.0.0.1:9".parse().unwrap())]);
        write(dir.path(), &addresses).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, r#"{"local":"127.0.0.1:9"}"#);
    }
}
