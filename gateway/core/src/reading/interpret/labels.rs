//! Labels of the MIBs' enumerations (RFC 2790, RFC 3805 and IANA-PRINTER-MIB).

use std::borrow::Cow;

use wire::reading::Label;

/// An enumeration: number and label.
pub(crate) type Labels = &'static [(i64, &'static str)];

/// The label of a number, or the number.
#[must_use]
pub fn label(labels: Labels, number: i64) -> Label {
    labels.iter().find(|(own, _)| *own == number).map_or(Label::Number(number), |(_, name)| Label::name(name))
}

/// `hrDeviceStatus`.
pub(crate) const DEVICE_STATUS: Labels =
    &[(1, "unknown"), (2, "running"), (3, "warning"), (4, "testing"), (5, "down")];

/// `hrPrinterStatus`.
pub(crate) const PRINTER_STATUS: Labels =
    &[(1, "other"), (2, "unknown"), (3, "idle"), (4, "printing"), (5, "warmup")];

/// Bits of `hrPrinterDetectedErrorState`, from the most significant one of the first octet.
pub(crate) const DETECTED_ERRORS: [&str; 15] = [
    "lowPaper",
    "noPaper",
    "lowToner",
    "noToner",
    "doorOpen",
    "jammed",
    "offline",
    "serviceRequested",
    "inputTrayMissing",
    "outputTrayMissing",
    "markerSupplyMissing",
    "outputNearFull",
    "outputFull",
    "inputTrayEmpty",
    "overduePreventMaint",
];

/// Names of the bits that are set, in their order. A device sends none, one or two octets.
#[must_use]
pub fn detected_errors(octets: &[u8]) -> Vec<Cow<'static, str>> {
    let set = |bit: usize| octets.get(bit / 8).is_some_and(|octet| octet & (0x80 >> (bit % 8)) != 0);
    (0..DETECTED_ERRORS.len()).filter(|bit| set(*bit)).map(|bit| DETECTED_ERRORS[bit].into()).collect()
}

/// `PrtCoverStatusTC`.
pub(crate) const COVER_STATUS: Labels = &[
    (1, "other"),
    (2, "unknown"),
    (3, "coverOpen"),
    (4, "coverClosed"),
    (5, "interlockOpen"),
    (6, "interlockClosed"),
];

/// `percent` of `PrtMarkerSuppliesSupplyUnitTC`.
pub(crate) const UNIT_PERCENT: i64 = 19;

/// `PrtMarkerCounterUnitTC`, `PrtMarkerSuppliesSupplyUnitTC` and `PrtCapacityUnitTC`, which agree where they overlap.
pub(crate) const UNITS: Labels = &[
    (1, "other"),
    (2, "unknown"),
    (3, "tenThousandthsOfInches"),
    (4, "micrometers"),
    (5, "characters"),
    (6, "lines"),
    (7, "impressions"),
    (8, "sheets"),
    (9, "dotRow"),
    (11, "hours"),
    (12, "thousandthsOfOunces"),
    (13, "tenthsOfGrams"),
    (14, "hundrethsOfFluidOunces"),
    (15, "tenthsOfMilliliters"),
    (16, "feet"),
    (17, "meters"),
    (18, "items"),
    (19, "percent"),
];

/// `PrtMarkerSuppliesClassTC`.
pub(crate) const SUPPLY_CLASS: Labels =
    &[(1, "other"), (3, "supplyThatIsConsumed"), (4, "receptacleThatIsFilled")];

/// `PrtMarkerSuppliesTypeTC`.
pub(crate) const SUPPLY_TYPE: Labels = &[
    (1, "other"),
    (2, "unknown"),
    (3, "toner"),
    (4, "wasteToner"),
    (5, "ink"),
    (6, "inkCartridge"),
    (7, "inkRibbon"),
    (8, "wasteInk"),
    (9, "opc"),
    (10, "developer"),
    (11, "fuserOil"),
    (12, "solidWax"),
    (13, "ribbonWax"),
    (14, "wasteWax"),
    (15, "fuser"),
    (16, "coronaWire"),
    (17, "fuserOilWick"),
    (18, "cleanerUnit"),
    (19, "fuserCleaningPad"),
    (20, "transferUnit"),
    (21, "tonerCartridge"),
    (22, "fuserOiler"),
    (23, "water"),
    (24, "wasteWater"),
    (25, "glueWaterAdditive"),
    (26, "wastePaper"),
    (27, "bindingSupply"),
    (28, "bandingSupply"),
    (29, "stitchingWire"),
    (30, "shrinkWrap"),
    (31, "paperWrap"),
    (32, "staples"),
    (33, "inserts"),
    (34, "covers"),
];

/// `PrtAlertSeverityLevelTC`.
pub(crate) const ALERT_SEVERITY: Labels =
    &[(1, "other"), (3, "critical"), (4, "warning"), (5, "warningBinaryChangeEvent")];

/// `PrtAlertTrainingLevelTC`.
pub(crate) const ALERT_TRAINING: Labels = &[
    (1, "other"),
    (2, "unknown"),
    (3, "untrained"),
    (4, "trained"),
    (5, "fieldService"),
    (6, "management"),
    (7, "noInterventionRequired"),
];

/// `PrtAlertGroupTC`.
pub(crate) const ALERT_GROUP: Labels = &[
    (1, "other"),
    (3, "hostResourcesMIBStorageTable"),
    (4, "hostResourcesMIBDeviceTable"),
    (5, "generalPrinter"),
    (6, "cover"),
    (7, "localization"),
    (8, "input"),
    (9, "output"),
    (10, "marker"),
    (11, "markerSupplies"),
    (12, "markerColorant"),
    (13, "mediaPath"),
    (14, "channel"),
    (15, "interpreter"),
    (16, "consoleDisplayBuffer"),
    (17, "consoleLights"),
    (18, "alert"),
    (30, "finDevice"),
    (31, "finSupply"),
    (32, "finSupplyMediaInput"),
    (33, "finAttributeTable"),
];

/// `PrtAlertCodeTC`.
pub(crate) const ALERT_CODE: Labels = &[
    (1, "other"),
    (2, "unknown"),
    (3, "coverOpen"),
    (4, "coverClosed"),
    (5, "interlockOpen"),
    (6, "interlockClosed"),
    (7, "configurationChange"),
    (8, "jam"),
    (9, "subunitMissing"),
    (10, "subunitLifeAlmostOver"),
    (11, "subunitLifeOver"),
    (12, "subunitAlmostEmpty"),
    (13, "subunitEmpty"),
    (14, "subunitAlmostFull"),
    (15, "subunitFull"),
    (16, "subunitNearLimit"),
    (17, "subunitAtLimit"),
    (18, "subunitOpened"),
    (19, "subunitClosed"),
    (20, "subunitTurnedOn"),
    (21, "subunitTurnedOff"),
    (22, "subunitOffline"),
    (23, "subunitPowerSaver"),
    (24, "subunitWarmingUp"),
    (25, "subunitAdded"),
    (26, "subunitRemoved"),
    (27, "subunitResourceAdded"),
    (28, "subunitResourceRemoved"),
    (29, "subunitRecoverableFailure"),
    (30, "subunitUnrecoverableFailure"),
    (31, "subunitRecoverableStorageError"),
    (32, "subunitUnrecoverableStorageError"),
    (33, "subunitMotorFailure"),
    (34, "subunitMemoryExhausted"),
    (35, "subunitUnderTemperature"),
    (36, "subunitOverTemperature"),
    (37, "subunitTimingFailure"),
    (38, "subunitThermistorFailure"),
    (501, "doorOpen"),
    (502, "doorClosed"),
    (503, "powerUp"),
    (504, "powerDown"),
    (505, "printerNMSReset"),
    (506, "printerManualReset"),
    (507, "printerReadyToPrint"),
    (801, "inputMediaTrayMissing"),
    (802, "inputMediaSizeChange"),
    (803, "inputMediaWeightChange"),
    (804, "inputMediaTypeChange"),
    (805, "inputMediaColorChange"),
    (806, "inputMediaFormPartsChange"),
    (807, "inputMediaSupplyLow"),
    (808, "inputMediaSupplyEmpty"),
    (809, "inputMediaChangeRequest"),
    (810, "inputManualInputRequest"),
    (811, "inputTrayPositionFailure"),
    (812, "inputTrayElevationFailure"),
    (813, "inputCannotFeedSizeSelected"),
    (901, "outputMediaTrayMissing"),
    (902, "outputMediaTrayAlmostFull"),
    (903, "outputMediaTrayFull"),
    (904, "outputMailboxSelectFailure"),
    (1001, "markerFuserUnderTemperature"),
    (1002, "markerFuserOverTemperature"),
    (1003, "markerFuserTimingFailure"),
    (1004, "markerFuserThermistorFailure"),
    (1005, "markerAdjustingPrintQuality"),
    (1101, "markerTonerEmpty"),
    (1102, "markerInkEmpty"),
    (1103, "markerPrintRibbonEmpty"),
    (1104, "markerTonerAlmostEmpty"),
    (1105, "markerInkAlmostEmpty"),
    (1106, "markerPrintRibbonAlmostEmpty"),
    (1107, "markerWasteTonerReceptacleAlmostFull"),
    (1108, "markerWasteInkReceptacleAlmostFull"),
    (1109, "markerWasteTonerReceptacleFull"),
    (1110, "markerWasteInkReceptacleFull"),
    (1111, "markerOpcLifeAlmostOver"),
    (1112, "markerOpcLifeOver"),
    (1113, "markerDeveloperAlmostEmpty"),
    (1114, "markerDeveloperEmpty"),
    (1115, "markerTonerCartridgeMissing"),
    (1301, "mediaPathMediaTrayMissing"),
    (1302, "mediaPathMediaTrayAlmostFull"),
    (1303, "mediaPathMediaTrayFull"),
    (1304, "mediaPathCannotDuplexMediaSelected"),
    (1501, "interpreterMemoryIncrease"),
    (1502, "interpreterMemoryDecrease"),
    (1503, "interpreterCartridgeAdded"),
    (1504, "interpreterCartridgeDeleted"),
    (1505, "interpreterResourceAdded"),
    (1506, "interpreterResourceDeleted"),
    (1507, "interpreterResourceUnavailable"),
    (1509, "interpreterComplexPageEncountered"),
    (1801, "alertRemovalOfBinaryChangeEntry"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_most_significant_one() {
        assert_eq!(detected_errors(&[0x01, 0x00]), ["serviceRequested"]);
        assert_eq!(detected_errors(&[0x20]), ["lowToner"]);
        assert_eq!(detected_errors(&[0x0c, 0x02]), ["doorOpen", "jammed", "overduePreventMaint"]);
        assert!(detected_errors(&[]).is_empty());
        assert_eq!(detected_errors(&[0xff; 900]).len(), 15);
    }

    #[test]
    fn an_unknown_number_stays_a_number() {
        assert!(label(SUPPLY_TYPE, 21).is("tonerCartridge"));
        assert_eq!(label(ALERT_CODE, 40_001), Label::Number(40_001));
    }

    #[test]
    fn the_tables_are_in_order() {
        for labels in [UNITS, SUPPLY_TYPE, ALERT_GROUP, ALERT_CODE, ALERT_SEVERITY, ALERT_TRAINING] {
            assert!(labels.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
