//! Agent quirks: deviations of an agent that are learned while it is read, and stored.

use serde::{Deserialize, Serialize};

use crate::reading::limits::{COLUMNS_PER_REQUEST, OIDS_PER_GET, VARBINDS_PER_BULK};

/// How an agent must be queried. The default needs the fewest packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentQuirks {
    /// Whether tables can be walked; if not, their rows are requested by GET.
    pub walk: bool,
    /// Whether GETBULK works; if not, tables are walked by GETNEXT.
    pub bulk: bool,
    /// Maximum number of columns of one GETBULK or GETNEXT.
    pub columns: usize,
    /// Maximum number of varbinds that one GETBULK requests.
    pub varbinds: usize,
    /// Maximum number of objects of one GET. Under `objects`, earlier versions stored a lower maximum of their own.
    #[serde(rename = "objects_per_get")]
    pub objects: usize,
    /// Whether a GET of many objects had a response; if not, a timeout may only mean that there were too many.
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
    /// The same within the limits; stored values may exceed them.
    #[must_use]
    pub(crate) fn bounded(self) -> Self {
        Self {
            columns: self.columns.clamp(1, COLUMNS_PER_REQUEST),
            varbinds: self.varbinds.clamp(1, VARBINDS_PER_BULK),
            objects: self.objects.clamp(1, OIDS_PER_GET),
            ..self
        }
    }
}
