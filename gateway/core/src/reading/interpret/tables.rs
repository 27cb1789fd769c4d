//! Trays and alerts: tables whose rows need no interpretation.

use wire::reading::{Alert, Tray};

use super::labels;
use crate::reading::mib::columns::{ALERTS, TRAYS};
use crate::reading::mib::dotted;
use crate::reading::mib::objects as o;
use crate::reading::mib::{Mib, Row, level_state};

/// The rows of `prtInputTable`.
pub(crate) fn trays(mib: &Mib) -> Vec<Tray> {
    let tray = |row: &Row<'_, _>| {
        let level = row.number(o::PRT_INPUT_CURRENT_LEVEL);
        let unit = row.number(o::PRT_INPUT_CAPACITY_UNIT);
        Tray {
            index: dotted(row.index),
            name: row.text(o::PRT_INPUT_NAME).or_else(|| row.text(o::PRT_INPUT_DESCRIPTION)),
            media: row.text(o::PRT_INPUT_MEDIA_NAME),
            unit: unit.map(|unit| labels::label(labels::UNITS, unit)),
            level,
            level_state: level.map(level_state),
            max: row.number(o::PRT_INPUT_MAX_CAPACITY),
            status: row.number(o::PRT_INPUT_STATUS),
        }
    };
    mib.table(&TRAYS).iter().map(tray).collect()
}

/// The rows of `prtAlertTable`; their indices are sparse and ascending.
pub(crate) fn alerts(mib: &Mib) -> Vec<Alert> {
    let alert = |row: &Row<'_, _>| {
        let label = |object, labels| row.number(object).map(|number| labels::label(labels, number));
        Alert {
            index: dotted(row.index),
            severity: label(o::PRT_ALERT_SEVERITY_LEVEL, labels::ALERT_SEVERITY),
            training: label(o::PRT_ALERT_TRAINING_LEVEL, labels::ALERT_TRAINING),
            group: row.number(o::PRT_ALERT_GROUP),
            group_name: label(o::PRT_ALERT_GROUP, labels::ALERT_GROUP),
            group_index: row.number(o::PRT_ALERT_GROUP_INDEX),
            location: row.number(o::PRT_ALERT_LOCATION),
            code: row.number(o::PRT_ALERT_CODE),
            code_name: label(o::PRT_ALERT_CODE, labels::ALERT_CODE),
            description: row.text(o::PRT_ALERT_DESCRIPTION),
        }
    };
    mib.table(&ALERTS).iter().map(alert).collect()
}
