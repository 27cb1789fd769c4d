//! The gateway's own SNMPv3 engine, which receives informs: its id is constant, and snmpEngineBoots only grows (RFC
//! 3414 §2.3). It is stored in a file of its own, since it must be on the disk before the first packet.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use snmp::{AuthoritativeEngine, PersistedAuthoritativeEngine, generate_engine_id};

/// The file's name in the data directory.
const FILE: &str = "snmp-engine.json";

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    /// Hexadecimal.
    engine_id: String,
    boots: u32,
}

/// The engine of the last run with a higher boot count, or a new one.
pub(super) fn begin(data_dir: &Path) -> Result<AuthoritativeEngine, String> {
    let file = data_dir.join(FILE);
    let told = |error: String| format!("{}: {error}", file.display());
    let keeper = file.clone();
    let keep = move |engine: &PersistedAuthoritativeEngine| {
        let stored = Stored { engine_id: hex::encode(engine.engine_id()), boots: engine.engine_boots() };
        store(&keeper, &stored)
    };
    let engine = match fs::read(&file) {
        Ok(octets) => {
            let stored: Stored = serde_json::from_slice(&octets).map_err(|error| told(error.to_string()))?;
            let id = hex::decode(&stored.engine_id).map_err(|error| told(error.to_string()))?;
            PersistedAuthoritativeEngine::new(id, stored.boots)
                .and_then(|previous| AuthoritativeEngine::restart(previous, keep))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            generate_engine_id().and_then(|id| AuthoritativeEngine::install(id, keep))
        }
        Err(error) => return Err(told(error.to_string())),
    };
    engine.map_err(|error| told(runtime::error::chain(error.as_ref())))
}

fn store(file: &Path, stored: &Stored) -> io::Result<()> {
    durable::write(file, &serde_json::to_vec(stored)?, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_counts_and_the_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = begin(dir.path()).unwrap();
        let second = begin(dir.path()).unwrap();
        assert_eq!(first.engine_id(), second.engine_id());
        assert_eq!((first.engine_boots(), second.engine_boots()), (1, 2));
        fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(begin(dir.path()).unwrap_err().contains("snmp-engine.json: missing field"));
    }
}
