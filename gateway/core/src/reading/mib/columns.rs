//! The columns of tables that are read row by row.

use super::objects as o;

/// Columns of `prtMarkerSuppliesTable`.
pub(crate) const SUPPLIES: [&[u32]; 7] = [
    o::PRT_MARKER_SUPPLIES_COLORANT_INDEX,
    o::PRT_MARKER_SUPPLIES_CLASS,
    o::PRT_MARKER_SUPPLIES_TYPE,
    o::PRT_MARKER_SUPPLIES_DESCRIPTION,
    o::PRT_MARKER_SUPPLIES_SUPPLY_UNIT,
    o::PRT_MARKER_SUPPLIES_MAX_CAPACITY,
    o::PRT_MARKER_SUPPLIES_LEVEL,
];

/// Columns of `prtAlertTable`.
pub(crate) const ALERTS: [&[u32]; 7] = [
    o::PRT_ALERT_SEVERITY_LEVEL,
    o::PRT_ALERT_TRAINING_LEVEL,
    o::PRT_ALERT_GROUP,
    o::PRT_ALERT_GROUP_INDEX,
    o::PRT_ALERT_LOCATION,
    o::PRT_ALERT_CODE,
    o::PRT_ALERT_DESCRIPTION,
];

/// Columns of `prtInputTable`.
pub(crate) const TRAYS: [&[u32]; 7] = [
    o::PRT_INPUT_CAPACITY_UNIT,
    o::PRT_INPUT_MAX_CAPACITY,
    o::PRT_INPUT_CURRENT_LEVEL,
    o::PRT_INPUT_STATUS,
    o::PRT_INPUT_MEDIA_NAME,
    o::PRT_INPUT_NAME,
    o::PRT_INPUT_DESCRIPTION,
];

/// Columns of `prtCoverTable`.
pub(crate) const COVERS: [&[u32]; 2] = [o::PRT_COVER_DESCRIPTION, o::PRT_COVER_STATUS];
