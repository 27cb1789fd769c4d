//! Roll-outs, commands and quarantined reports of the example.

use anyhow::Result;
use platen_comm_server::store::testing::{Connection, query};
use serde_json::json;
use uuid::Uuid;

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// Gateway, device, step, what it waits for, detail, panel, version before, version now.
type StepRow = [&'static str; 8];

/// Vendor, model, version, state, hours until its date, its rows.
type Rollout = (&'static str, &'static str, &'static str, &'static str, i64, &'static [StepRow]);

const ROLLOUTS: [Rollout; 3] = [
    (
        "kyocera",
        "TASKalfa 3554ci",
        "2YP_S000.002.610",
        "scheduled",
        9,
        &[
            ["gw-berlin-1", "", "pending", "", "", "", "", ""],
            ["gw-berlin-1", "kyocera:RVP1Z04411", "pending", "", "", "", "2YP_S000.002.509", ""],
            ["gw-hamburg-1", "", "pending", "staging", "40 %", "", "", ""],
            ["gw-hamburg-1", "kyocera:RVP1Z04502", "pending", "", "", "", "2YP_S000.002.509", ""],
        ],
    ),
    (
        "ricoh",
        "RICOH IM C6000",
        "1.18",
        "failed",
        -30,
        &[
            ["gw-berlin-1", "", "staged", "", "24.0 MiB, sha256 d29c…", "", "", ""],
            [
                "gw-berlin-1",
                "ricoh:3120RB11007",
                "failed",
                "",
                "it shows 1.16 after the push, not 1.18",
                "Update refused: device is busy",
                "1.16",
                "1.16",
            ],
            ["gw-muster-2", "", "staged", "", "24.0 MiB, sha256 d29c…", "", "", ""],
            ["gw-muster-2", "ricoh:3120RB11040", "verified", "", "", "", "1.16", "1.18"],
        ],
    ),
    (
        "ricoh",
        "RICOH IM C3000",
        "2.09.0",
        "running",
        -1,
        &[
            ["gw-berlin-1", "", "staged", "", "4.0 MiB, sha256 9a0b…", "", "", ""],
            ["gw-berlin-1", "ricoh:3118RA00421", "verified", "", "", "", "2.07.1", "2.09.0"],
            [
                "gw-berlin-1",
                "ricoh:3118RA00422",
                "staged",
                "service_call",
                "",
                "C7990 / Call service",
                "2.07.1",
                "",
            ],
            ["gw-hamburg-1", "", "staged", "", "4.0 MiB, sha256 9a0b…", "", "", ""],
            ["gw-hamburg-1", "ricoh:3110RC20950", "pushed", "", "", "", "2.07.1", ""],
            [
                "gw-hamburg-1",
                "ricoh:3118RA00611",
                "staged",
                "no_connection",
                "try 3 of 10: 10.1.0.26:9100: no connection for the firmware: connection refused",
                "",
                "2.07.1",
                "",
            ],
        ],
    ),
];

pub(super) async fn store(connection: &mut Connection, ms: i64) -> Result<()> {
    let mut rollout = String::new();
    for (vendor, model, version, state, hours, rows) in ROLLOUTS {
        rollout = Uuid::now_v7().to_string();
        query(
            "INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, \
             created_ms, state) VALUES ('default', $1, $2, $3, $4, $5, $6, 'admin', $7, $8)",
        )
        .bind(rollout.clone())
        .bind(vendor)
        .bind(model)
        .bind(version)
        .bind(wire::image::target_name(vendor, model, version))
        .bind(ms + hours * HOUR_MS)
        .bind(ms - 2 * HOUR_MS)
        .bind(state)
        .execute(connection)
        .await?;
        for [gateway, device, step, waiting_for, detail, panel, before, after] in rows {
            query(
                "INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, waiting_for, detail, panel, \
                 version_before, version_now, updated_ms) \
                 VALUES ('default', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(rollout.clone())
            .bind(*gateway)
            .bind(*device)
            .bind(*step)
            .bind(*waiting_for)
            .bind(*detail)
            .bind(*panel)
            .bind(*before)
            .bind(*after)
            .bind(ms - HOUR_MS / 3)
            .execute(connection)
            .await?;
        }
    }
    store_commands(connection, rollout, ms).await?;
    store_quarantine(connection, ms).await
}

async fn store_commands(connection: &mut Connection, rollout: String, ms: i64) -> Result<()> {
    let commands = [
        ("firmware_update", "running", "staging: 62 %", Some(rollout)),
        ("counter_request", "done", "13 of 13 devices read", None),
        ("discovery", "queued", "", None),
        ("diagnostics", "failed", "the gateway restarted while it was carried out", None),
        ("status_sense", "expired", "", None),
    ];
    for (minutes, (kind, state, detail, rollout)) in (0_i64..).zip(commands) {
        let at = ms - minutes * 17 * 60_000;
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at.unsigned_abs() / 1000, 0));
        let answered = matches!(state, "done" | "failed" | "running");
        query(
            "INSERT INTO commands (tenant, gateway, command, kind, body, rollout, created_by, created_ms, expires_ms, \
             state, delivered_ms, answered_ms, detail) \
             VALUES ('default', 'gw-berlin-1', $1, $2, '{}', $3, 'admin', $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.to_string())
        .bind(kind)
        .bind(rollout)
        .bind(at)
        .bind(at + 7 * DAY_MS)
        .bind(state)
        .bind(answered.then_some(at + 40_000))
        .bind(answered.then_some(at + 52_000))
        .bind(detail)
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn store_quarantine(connection: &mut Connection, ms: i64) -> Result<()> {
    let body = json!({"kind": "counter_set", "device": "kyocera:RVP1Z04411", "read_at": "2026-11-20T09:14:00Z",
        "counters": {"total": "12x"}, "evidence": {}});
    query(
        "INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) \
         VALUES ('default', 'gw-hamburg-1', 'bulk', 17311, $1, $2, $3)",
    )
    .bind(ms - 44 * HOUR_MS)
    .bind("at counters.total: invalid type: string \"12x\", expected u64 at line 1 column 121")
    .bind(body.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
