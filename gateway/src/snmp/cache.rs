//! What is remembered of each device that answered: its access, its SNMPv3 engine, and what it had.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::access::{Access, Memory};
use gateway_core::reading::TableHints;
use snmp::EngineCache;

/// Devices that are remembered; more are asked as if they were new.
const DEVICES: usize = 1 << 16;

/// How long an engine id is trusted without being asked for again.
const ENGINE_LASTS: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
struct AgentEntry {
    memory: Memory,
    engine: Option<Arc<EngineCache>>,
    hints: Option<Arc<TableHints>>,
}

/// What is remembered of each device.
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

    /// What is known of the device's engine, or room for it. Each device has its own: two devices with one engine id (a
    /// cloned firmware) must not share a clock.
    pub(super) fn engine(&self, address: SocketAddr) -> Arc<EngineCache> {
        let known = self.entries().get(&address).and_then(|entry| entry.engine.clone());
        known.unwrap_or_else(new_engine)
    }

    /// What the device had when it was read last.
    pub(super) fn hints(&self, address: SocketAddr) -> Arc<TableHints> {
        self.entries().get(&address).and_then(|entry| entry.hints.clone()).unwrap_or_default()
    }

    /// The spool remembers this.
    pub(super) fn remember(&self, address: SocketAddr, access: Access) {
        self.write(address, Memory::new(access), None, None);
    }

    /// The device answered in this way, and had this.
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

    /// The device did not answer. Its engine may be another one when it is back.
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

/// Room for an engine that isn't known yet.
pub(super) fn new_engine() -> Arc<EngineCache> {
    Arc::new(EngineCache::new().with_max_capacity(1).with_ttl(ENGINE_LASTS))
}
