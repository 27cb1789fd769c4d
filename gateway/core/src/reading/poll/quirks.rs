//! The manner in which a device wants to be asked, learned while it is read and remembered.

use serde::{Deserialize, Serialize};

use crate::reading::limits::{COLUMNS_PER_REQUEST, OIDS_PER_GET, VARBINDS_PER_BULK};

/// How a device is asked. The default is the manner that needs the fewest packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentQuirks {
    /// Whether tables can be walked at all; else their rows are asked for by GET.
    pub walk: bool,
    /// Whether tables are walked by GETBULK; else by GETNEXT.
    pub bulk: bool,
    /// Columns of one GETBULK or GETNEXT.
    pub columns: usize,
    /// Varbinds of one answer to a GETBULK.
    pub varbinds: usize,
    /// Objects of one GET.
    pub objects: usize,
    /// Whether a GET of many objects was answered; else a silence may only mean that there were too many.
    pub proven: bool,
}

impl Default for AgentQuirks {
    fn default() -> Self {
        Self {
            walk: true,
            bulk: true,
            columns: COLUMNS_PER_REQUEST,
            varbinds: VARBINDS_PER_BULK,
            objects: OIDS_PER_GET,
            proven: false,
        }
    }
}

impl AgentQuirks {
    /// Within the limits, whatever was stored.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            columns: self.columns.clamp(1, COLUMNS_PER_REQUEST),
            varbinds: self.varbinds.clamp(1, VARBINDS_PER_BULK),
            objects: self.objects.clamp(1, OIDS_PER_GET),
            ..self
        }
    }
}
