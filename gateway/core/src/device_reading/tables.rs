//! Trays and alerts: tables whose rows are taken as they are.

use wire::reading::{Alert, Tray};

use super::mib::Mib;
use super::objects as o;
use super::oid::dotted;
use super::plan::{ALERTS, TRAYS};
use super::{labels, supplies};

/// The rows of `prtInputTable`.
pub(crate) fn trays(mib: &Mib) -> Vec<Tray> {
    let tray = |row: &&[u32]| {
        let level = mib.number(o::PRT_INPUT_CURRENT_LEVEL, row);
        let unit = mib.number(o::PRT_INPUT_CAPACITY_UNIT, row);
        Tray {
            index: dotted(row),
            name: mib.text(o::PRT_INPUT_NAME, row).or_else(|| mib.text(o::PRT_INPUT_DESCRIPTION, row)),
            media: mib.text(o::PRT_INPUT_MEDIA_NAME, row),
            unit: unit.map(|unit| labels::label(labels::UNITS, unit)),
            level,
            level_state: level.map(supplies::level_state),
            max: mib.number(o::PRT_INPUT_MAX_CAPACITY, row),
            status: mib.number(o::PRT_INPUT_STATUS, row),
        }
    };
    mib.instances(&TRAYS).iter().map(tray).collect()
}

/// The rows of `prtAlertTable`; their indices are sparse and growing.
pub(crate) fn alerts(mib: &Mib) -> Vec<Alert> {
    let alert = |row: &&[u32]| {
        let label = |object, labels| mib.number(object, row).map(|number| labels::label(labels, number));
        Alert {
            index: dotted(row),
            severity: label(o::PRT_ALERT_SEVERITY_LEVEL, labels::ALERT_SEVERITY),
            training: label(o::PRT_ALERT_TRAINING_LEVEL, labels::ALERT_TRAINING),
            group: mib.number(o::PRT_ALERT_GROUP, row),
            group_name: label(o::PRT_ALERT_GROUP, labels::ALERT_GROUP),
            group_index: mib.number(o::PRT_ALERT_GROUP_INDEX, row),
            location: mib.number(o::PRT_ALERT_LOCATION, row),
            code: mib.number(o::PRT_ALERT_CODE, row),
            code_name: label(o::PRT_ALERT_CODE, labels::ALERT_CODE),
            description: mib.text(o::PRT_ALERT_DESCRIPTION, row),
        }
    };
    mib.instances(&ALERTS).iter().map(alert).collect()
}
