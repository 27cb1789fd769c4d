//! What is kept in memory about each device: the access that worked, its SNMPv3 engine, and the table hints.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::access::{Access, Memory};
use gateway_core::reading::TableHints;
use snmp::EngineCache;

/// Maximum number of devices; further ones are read as if they were new.
const DEVICES: usize = 1 << 16;

/// Time after which an engine id is discovered again.
const ENGINE_LASTS: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
struct AgentEntry {
    memory: Memory,
    engine: Option<Arc<EngineCache>>,
    hints: Option<Arc<TableHints>>,
}

/// The cache of all devices.
#[derive(Debug, Default)]
pub(super) struct AgentCache {
    entries: Mutex<HashMap<SocketAddr, AgentEntry>>,
}

impl AgentCache {
    fn entries(&self) -> MutexGuard<'_, HashMap<SocketAddr, AgentEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self, address: SocketAddr) -> Option<Memory> {
        self.entries().get(&address).map(|entry| entry.memory.clone())
    }

    /// The device's engine, or an empty cache for it. Each device has its own: two devices with the same engine id
    /// (cloned firmware) must not share a clock.
    pub(super) fn engine(&self, address: SocketAddr) -> Arc<EngineCache> {
        let known = self.entries().get(&address).and_then(|entry| entry.engine.clone());
        known.unwrap_or_else(new_engine)
    }

    /// The table hints of the device.
    pub(super) fn hints(&self, address: SocketAddr) -> Arc<TableHints> {
        self.entries().get(&address).and_then(|entry| entry.hints.clone()).unwrap_or_default()
    }

    /// Inserts an access from the spool.
    pub(super) fn remember(&self, address: SocketAddr, access: Access) {
        self.write(address, Memory::new(access), None, None);
    }

    /// A read succeeded with this access, and gave these hints.
    pub(super) fn worked(
        &self,
        address: SocketAddr,
        access: Access,
        engine: Option<Arc<EngineCache>>,
        hints: Option<Arc<TableHints>>,
    ) {
        let memory = match self.memory(address) {
            Some(mut memory) => {
                memory.worked(access);
                memory
            }
            None => Memory::new(access),
        };
        self.write(address, memory, engine, hints);
    }

    /// A read timed out. The device may have another engine when it is back.
    pub(super) fn failed(&self, address: SocketAddr) {
        if let Some(entry) = self.entries().get_mut(&address) {
            entry.memory.failed();
            entry.engine = None;
        }
    }

    fn write(
        &self,
        address: SocketAddr,
        memory: Memory,
        engine: Option<Arc<EngineCache>>,
        hints: Option<Arc<TableHints>>,
    ) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(&address) {
            let hints = hints.or_else(|| entry.hints.take());
            *entry = AgentEntry { memory, engine, hints };
        } else if entries.len() < DEVICES {
            entries.insert(address, AgentEntry { memory, engine, hints });
        }
    }
}

/// An empty cache for one engine.
pub(super) fn new_engine() -> Arc<EngineCache> {
    Arc::new(EngineCache::new().with_max_capacity(1).with_ttl(ENGINE_LASTS))
}
