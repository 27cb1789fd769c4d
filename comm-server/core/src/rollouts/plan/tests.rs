use super::*;

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 500_000_000);

fn candidate(gateway: &str, device: &str, model: &str, version: &str) -> Candidate {
    Candidate {
        gateway: gateway.parse().unwrap(),
        device: device.parse().unwrap(),
        vendor: "ricoh".to_owned(),
        model: model.to_owned(),
        version: version.to_owned(),
    }
}

fn spec(model: &str, version: &str) -> RolloutSpec {
    RolloutSpec {
        vendor: "Ricoh".to_owned(),
        model: model.to_owned(),
        version: version.to_owned(),
        start: Start::Now,
        allow_downgrade: false,
        only: None,
    }
}

fn fleet() -> Fleet {
    let candidates = vec![
        candidate("g2", "d1", "IM C3000", "1.0"),
        candidate("g1", "d2", "IM-C3000", "1.0"),
        candidate("g1", "d3", "IM C3000", "2.0"),
        candidate("g1", "d4", "IM C4500", "1.0"),
        candidate("g3", "d5", "RICOH IM C3000 Series", "1.0"),
    ];
    let models = candidates.iter().map(|device| (device.vendor.clone(), device.model.clone())).collect();
    Fleet { candidates, models, open: Vec::new() }
}

fn devices(plan: &Plan) -> Vec<(&str, &str)> {
    plan.shares
        .iter()
        .flat_map(|s| s.devices.iter().map(|d| (s.gateway.as_str(), d.device.as_str())))
        .collect()
}

#[test]
fn only_devices_of_the_model_that_lack_the_version_are_planned() {
    let made = plan(&spec("IM C3000", "2.0"), &fleet(), NOW).unwrap();
    assert_eq!(devices(&made), [("g1", "d2"), ("g2", "d1"), ("g3", "d5")]);
    assert_eq!(made.not_before, NOW);
    let only = Some(
        [("g2".parse().unwrap(), "d1".parse().unwrap()), ("g1".parse().unwrap(), "d4".parse().unwrap())]
            .into(),
    );
    let made = plan(&RolloutSpec { only, ..spec("IM C3000", "2.0") }, &fleet(), NOW).unwrap();
    assert_eq!(devices(&made), [("g2", "d1")]);
}

#[test]
fn no_command_names_more_devices_than_the_wire_allows() {
    let many = (0..=COMMAND_DEVICES).map(|n| candidate("g", &n.to_string(), "m", ""));
    let fleet = Fleet { candidates: many.collect(), ..Fleet::default() };
    let made = plan(&spec("m", "1"), &fleet, NOW).unwrap();
    assert_eq!(made.shares.iter().map(|s| s.devices.len()).collect::<Vec<_>>(), [COMMAND_DEVICES, 1]);
}

#[test]
fn a_date_in_the_past_is_refused_by_every_door_with_the_way_to_do_it_now() {
    let on = |date: &str| {
        let start = Start::NotBefore(date.parse().unwrap());
        plan(&RolloutSpec { start, ..spec("IM C3000", "2.0") }, &fleet(), NOW)
    };
    let past = on("2020-01-01T00:00:00Z").unwrap_err();
    let said = "the date 2020-01-01T00:00:00Z is in the past: it is 2026-01-01T00:00:00Z now";
    assert_eq!(past.to_string(), said);
    for (interface, way) in
        [(Interface::CommandLine, "--now"), (Interface::Api, "omit it"), (Interface::Page, "empty")]
    {
        assert!(past.remedy(interface).unwrap().contains(way), "{interface:?}");
    }
    assert!(on("2025-12-31T23:55:00Z").is_err());
    assert_eq!(on("2025-12-31T23:55:01Z").unwrap().not_before.to_string(), "2025-12-31T23:55:01Z");
    assert_eq!(on("2026-07-01T00:00:00Z").unwrap().not_before.to_string(), "2026-07-01T00:00:00Z");
}

#[test]
fn an_unknown_model_lists_similar_ones_and_an_updated_one_is_reported() {
    let unknown = plan(&spec("IM C450", "2.0"), &fleet(), NOW).unwrap_err().to_string();
    assert!(
        unknown.starts_with("no device of Ricoh IM C450 is known; there are: ricoh IM C4500"),
        "{unknown}"
    );
    let strange = plan(&spec("XYZZY 9", "2.0"), &fleet(), NOW).unwrap_err().to_string();
    assert!(strange.contains("ricoh IM C3000, ricoh IM C4500"), "{strange}");
    let none = plan(&spec("IM C450", "2.0"), &Fleet::default(), NOW).unwrap_err().to_string();
    assert!(none.ends_with("no device has reported its model yet"), "{none}");
    let done = plan(&spec("IM C4500", "1.0"), &fleet(), NOW).unwrap_err().to_string();
    assert_eq!(done, "nothing to update: all 1 devices of Ricoh IM C4500 already show version 1.0");
    let empty = plan(&spec("IM C4500", " "), &fleet(), NOW).unwrap_err();
    assert!(matches!(empty, PlanError::Field { field: "version", .. }), "{empty}");
}

#[test]
fn a_device_is_in_one_open_roll_out_at_a_time() {
    let rollout: RolloutId = "01980000-0000-7000-8000-000000000001".parse().unwrap();
    let open = |gateway: &str| OpenDevice {
        rollout,
        target: "ricoh/IM-C3000/3.0".to_owned(),
        gateway: gateway.parse().unwrap(),
        device: "d1".parse().unwrap(),
    };
    let fleet = |gateway: &str| Fleet { open: vec![open(gateway)], ..fleet() };
    let overlap = plan(&spec("IM C3000", "2.0"), &fleet("g2"), NOW).unwrap_err();
    assert_eq!(
        overlap.to_string(),
        format!("1 of 3 devices are in roll-out {rollout} of ricoh/IM-C3000/3.0, which has not ended")
    );
    assert!(overlap.remedy(Interface::CommandLine).unwrap().contains("rollout cancel"));
    assert!(plan(&spec("IM C3000", "2.0"), &fleet("g9"), NOW).is_ok(), "another gateway's device");
}

#[test]
fn a_downgrade_must_be_meant_and_versions_that_cant_be_compared_are_not_guessed() {
    let older = spec("IM C3000", "0.9");
    let refused = plan(&older, &fleet(), NOW).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "4 of 4 devices show a newer version than 0.9 (such as 2.0): this would be a downgrade"
    );
    assert!(refused.remedy(Interface::CommandLine).unwrap().contains("--allow-downgrade"));
    assert_eq!(
        devices(&plan(&RolloutSpec { allow_downgrade: true, ..older }, &fleet(), NOW).unwrap()).len(),
        4
    );
    assert!(plan(&spec("IM C3000", "V0.9-special"), &fleet(), NOW).is_ok());
}
