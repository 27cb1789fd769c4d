//! An example fleet: three sites, two vendors, half a year of meters, and every state that a page shows.

use anyhow::Result;
use jiff::Timestamp;
use platen_comm_server::store::testing::{Connection, Database, query};
use serde_json::{Value, json};

use super::work::{self, DAY_MS, HOUR_MS};

const DAYS: i64 = 180;

/// Gateway, customer, site, minutes since its last poll, interval, number of bulk reports that are not acknowledged.
const GATEWAYS: [(&str, &str, &str, i64, i64, i64); 3] = [
    ("gw-berlin-1", "Example AG", "Head office, Berlin", 0, 60, 0),
    ("gw-hamburg-1", "Example AG", "Branch, Hamburg", 21, 3600, 4),
    ("gw-muster-2", "Muster & Söhne", "Works, Stuttgart", 400, 3600, 0),
];

/// Gateway, vendor, model, serial, name, state, toner percent of K C M Y.
type Device = (usize, &'static str, &'static str, &'static str, &'static str, &'static str, [i64; 4]);

/// Device, kind, subject, detail, hours ago, hours until its end.
type Call = (usize, &'static str, &'static str, &'static str, i64, Option<i64>);

const DEVICES: [Device; 13] = [
    (0, "ricoh", "RICOH IM C3000", "3118RA00421", "reception", "ready", [76, 58, 61, 49]),
    (0, "ricoh", "RICOH IM C3000", "3118RA00422", "2nd floor", "printing", [34, 7, 45, 52]),
    (0, "ricoh", "RICOH IM C6000", "3120RB11007", "print room", "sc", [61, 80, 77, 69]),
    (0, "ricoh", "RICOH MP 4055", "C748M510033", "archive", "ready", [48, -1, -1, -1]),
    (0, "kyocera", "TASKalfa 3554ci", "RVP1Z04411", "sales", "jam", [91, 88, 90, 86]),
    (0, "kyocera", "ECOSYS M3645idn", "VXF9612841", "accounts", "end", [0, -1, -1, -1]),
    (1, "ricoh", "RICOH IM C3000", "3118RA00611", "front desk", "ready", [55, 61, 42, 70]),
    (1, "ricoh", "RICOH IM C2500", "3110RC20950", "", "warmup", [67, 72, 68, 81]),
    (1, "kyocera", "TASKalfa 3554ci", "RVP1Z04502", "design", "ready", [12, 22, 9, 17]),
    (1, "kyocera", "ECOSYS M3645idn", "VXF9612903", "warehouse", "offline", [40, -1, -1, -1]),
    (2, "ricoh", "RICOH IM C6000", "3120RB11040", "Wareneingang <Tor 3>", "ready", [83, 79, 88, 91]),
    (2, "kyocera", "TASKalfa 4054ci", "RVQ2A00117", "office", "cover", [71, 66, 58, 62]),
    (2, "", "", "", "", "unread", [-1, -1, -1, -1]),
];

/// Devices behind one of the further gateways.
const PER_GATEWAY: i64 = 80;

/// Stores the fleet, and `more` devices behind gateways of their own.
pub(super) async fn store(url: &str, more: i64, now: Timestamp) -> Result<()> {
    let database = Database::connect(url).await?;
    let mut one = database.begin().await?;
    let ms = now.as_millisecond();
    for (number, (gateway, customer, site, ago, next, missing)) in (0_i64..).zip(GATEWAYS) {
        let place =
            store_place(&mut one, (1_000_000 + number, customer), (1_000_000 + number, site), ms).await?;
        query(
            "INSERT INTO gateways (tenant, gateway, customer_id, site_id, version, devices, devices_offline, uptime_s, \
             first_seen_ms, last_poll_ms, next_poll_s, clock_ahead_s, storage_problem) \
             VALUES ('default', $1, $2, $3, '0.1.0', 6, 0, 86400, $4, $5, $6, $7, $8)",
        )
        .bind(gateway)
        .bind(place.0)
        .bind(place.1)
        .bind(ms - DAYS * DAY_MS)
        .bind(ms - ago * 60_000 - 20_000)
        .bind(next)
        // The one that has reports to come has a full disk, and a clock that is twelve days behind.
        .bind(if missing > 0 { -1_036_800_i64 } else { 0 })
        .bind(if missing > 0 { "no space left on device" } else { "" })
        .execute(&mut one)
        .await?;
        for (lane, acknowledged) in [("urgent", 214_i64), ("bulk", 18_422)] {
            let made = acknowledged + if lane == "bulk" { missing } else { 0 };
            query("INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ('default', $1, $2, $3, $4)")
                .bind(gateway)
                .bind(lane)
                .bind(acknowledged)
                .bind(made)
                .execute(&mut one)
                .await?;
        }
    }
    for (number, device) in (0_i64..).zip(DEVICES) {
        store_device(&mut one, number, device, ms).await?;
    }
    store_years(&mut one, ("gw-berlin-1", "ricoh:C748M510033"), 3, ms).await?;
    store_calls(&mut one, ms).await?;
    work::store(&mut one, ms).await?;
    store_more(&mut one, more, ms).await?;
    one.commit().await?;
    database.close().await;
    Ok(())
}

/// Stores a customer and a site, if they don't exist, each by a number and a name; returns their ids.
async fn store_place(
    connection: &mut Connection,
    (customer, customer_name): (i64, &str),
    (site, site_name): (i64, &str),
    ms: i64,
) -> Result<(String, String)> {
    let of = format!("01980000-0000-7000-8000-{customer:012}");
    let id = format!("01980000-0000-7000-9000-{site:012}");
    query(
        "INSERT INTO customers (tenant, customer, name, version, created_ms, updated_ms) \
         VALUES ('default', $1, $2, 1, $3, $3) ON CONFLICT DO NOTHING",
    )
    .bind(of.clone())
    .bind(customer_name)
    .bind(ms - DAYS * DAY_MS)
    .execute(connection)
    .await?;
    query(
        "INSERT INTO sites (tenant, site, customer, name, version, created_ms, updated_ms) \
         VALUES ('default', $1, $2, $3, 1, $4, $4)",
    )
    .bind(id.clone())
    .bind(of.clone())
    .bind(site_name)
    .bind(ms - DAYS * DAY_MS)
    .execute(connection)
    .await?;
    Ok((of, id))
}

/// Stores many devices without a history, each of a gateway that polled within the last hour.
async fn store_more(connection: &mut Connection, more: i64, ms: i64) -> Result<()> {
    for first in (0..more).step_by(usize::try_from(PER_GATEWAY)?) {
        let site = first / PER_GATEWAY;
        let (gateway, ago) = (format!("gw-{site:04}-site"), (site * 977) % 3_400_000);
        let customer = format!("Customer {}", site / 3);
        let place =
            store_place(connection, (site / 3, &customer), (site, &format!("Site {site}")), ms).await?;
        query(
            "INSERT INTO gateways (tenant, gateway, customer_id, site_id, version, devices, first_seen_ms, last_poll_ms, \
             next_poll_s) VALUES ('default', $1, $2, $3, '0.1.0', $4, $5, $6, 3600)",
        )
        .bind(gateway.clone())
        .bind(place.0)
        .bind(place.1)
        .bind(PER_GATEWAY.min(more - first))
        .bind(ms - DAYS * DAY_MS)
        .bind(ms - ago)
        .execute(connection)
        .await?;
        for number in first..more.min(first + PER_GATEWAY) {
            let (serial, total) = (format!("E{number:09}"), 40_000 + number * 11);
            let address = format!("10.{}.{}.{}", site / 250, site % 250, 10 + number % PER_GATEWAY);
            let toner = [number % 90 + 10, number % 80 + 20, number % 70 + 30, number % 60 + 40];
            let reading =
                reading(&address, ("ricoh", "RICOH IM C3000", &serial, ""), "ready", toner, total, ms - ago);
            query(
                "INSERT INTO devices (tenant, gateway, device, vendor, model, serial, address, firmware, reading, \
                 read_ms, total, total_ms, first_seen_ms) \
                 VALUES ('default', $1, $2, 'ricoh', 'RICOH IM C3000', $3, $4, '2.07.1', $5, $6, $7, $6, $8)",
            )
            .bind(gateway.clone())
            .bind(id("ricoh", &serial))
            .bind(serial)
            .bind(address)
            .bind(reading.to_string())
            .bind(ms - ago)
            .bind(total)
            .bind(ms - DAYS * DAY_MS)
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}

fn id(vendor: &str, serial: &str) -> String {
    if serial.is_empty() { "addr:10.3.0.77".to_owned() } else { format!("{vendor}:{serial}") }
}

fn gateway(index: usize) -> &'static str {
    GATEWAYS.get(index).map_or("", |gateway| gateway.0)
}

async fn store_device(
    connection: &mut Connection,
    number: i64,
    (index, vendor, model, serial, name, state, toner): Device,
    ms: i64,
) -> Result<()> {
    let (device, gateway) = (id(vendor, serial), gateway(index));
    let address = format!("10.{index}.0.{}", 20 + number);
    let color = toner.get(1).is_some_and(|cyan| *cyan >= 0);
    let per_day = if state == "cover" { 0 } else { 90 + number * 37 };
    let total = if state == "warmup" { 1_245_000 } else { 40_000 + number * 11_311 + per_day * DAYS };
    let unread = state == "unread";
    let reading = reading(&address, (vendor, model, serial, name), state, toner, total, ms);
    query(
        "INSERT INTO devices (tenant, gateway, device, vendor, model, serial, name, mac, address, firmware, offline, \
         reading, read_ms, total, total_ms, first_seen_ms) \
         VALUES ('default', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $14)",
    )
    .bind(gateway)
    .bind(device.clone())
    .bind(vendor)
    .bind(model)
    .bind(serial)
    .bind(name)
    .bind(if unread { String::new() } else { format!("00:26:73:0a:{index:02x}:{number:02x}") })
    .bind(address)
    .bind(if unread { "" } else { "2.07.1" })
    .bind(i64::from(state == "offline"))
    .bind((!unread).then(|| reading.to_string()))
    .bind((!unread).then_some(if state == "offline" { ms - 31 * HOUR_MS } else { ms - 60_000 * (number + 1) }))
    .bind((!unread).then_some(total))
    .bind(ms - DAYS * DAY_MS)
    .execute(connection)
    .await?;
    if unread {
        return Ok(());
    }
    for day in 0..DAYS {
        // Away for three weeks: the plot has a gap.
        if (60..81).contains(&day) {
            continue;
        }
        let at = ms - (DAYS - day) * DAY_MS + (day * 7919 + number * 104_729) % DAY_MS;
        let value = total - (DAYS - day) * per_day + (day * 31 + number * 17) % 60.min(per_day + 1);
        let mut all = vec![("total", value, "1.3.6.1.2.1.43.10.2.1.4.1.1")];
        if day == DAYS - 1 {
            all.extend([
                ("black", value * 2 / 3, "1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.21"),
                ("copy_total", value / 4, "1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.4"),
            ]);
            if color {
                all.push((
                    "color",
                    value - value * 2 / 3,
                    "1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.22+1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.63",
                ));
            }
        }
        for (counter, value, oid) in all {
            query(
                "INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit) \
                 VALUES ('default', $1, $2, $3, $4, $5, $6, $5, 'impressions')",
            )
            .bind(gateway)
            .bind(device.clone())
            .bind(counter)
            .bind(at)
            .bind(value)
            .bind(oid)
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}

/// Stores the years before the half year as retention leaves them: by month, then by day; the counter was reset once.
async fn store_years(
    connection: &mut Connection,
    (gateway, device): (&str, &str),
    number: i64,
    ms: i64,
) -> Result<()> {
    let (total, per_day) = (40_000 + number * 11_311, 90 + number * 37);
    let months = (1100..1800).rev().step_by(30);
    for ago in months.chain((DAYS..1100).rev()) {
        let before_the_fall = if ago > 400 { 90_000 } else { 0 };
        let value = total + before_the_fall - (ago - DAYS) * per_day / 4;
        query(
            "INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit) \
             VALUES ('default', $1, $2, 'total', $3, $4, '1.3.6.1.2.1.43.10.2.1.4.1.1', $4, 'impressions')",
        )
        .bind(gateway)
        .bind(device)
        .bind(ms - ago * DAY_MS)
        .bind(value)
        .execute(connection)
        .await?;
    }
    Ok(())
}

fn reading(
    address: &str,
    (vendor, model, serial, name): (&str, &str, &str, &str),
    state: &str,
    toner: [i64; 4],
    total: i64,
    ms: i64,
) -> Value {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let (device, printer, console) = match state {
        "printing" => ("running", "printing", vec!["Printing…", "Job 3 of 5"]),
        "warmup" => ("running", "warmup", vec!["Warming up"]),
        "sc" => ("down", "other", vec!["SC542", "Functional problem. Call service."]),
        "jam" => ("down", "other", vec!["Paper misfeed: B", "Open right cover."]),
        "end" => ("down", "other", vec!["Add toner: black"]),
        "cover" => ("warning", "other", vec!["Front cover is open."]),
        _ => ("running", "idle", vec!["Ready"]),
    };
    let colors = ["black", "cyan", "magenta", "yellow"];
    let mut supplies: Vec<Value> = Vec::new();
    for (i, (color, percent)) in (1..).zip(colors.into_iter().zip(toner)) {
        if percent >= 0 {
            supplies.push(
                json!({"index": format!("1.{i}"), "description": format!("{color} toner"), "type": "toner",
                "class": "supplyThatIsConsumed", "color": color, "unit": "percent", "level": percent,
                "level_state": "units", "max": 100, "percent": percent}),
            );
        }
    }
    supplies.push(json!({"index": "1.5", "description": "waste toner bottle", "type": "wasteToner",
        "class": "receptacleThatIsFilled", "level": 92, "level_state": "units", "max": 100, "percent": 92}));
    supplies.push(
        json!({"index": "1.6", "description": "drum unit", "type": "opc", "class": "supplyThatIsConsumed",
        "level": 71, "level_state": "units", "max": 100, "percent": 71}),
    );
    let alerts = match state {
        "sc" => {
            json!([{"index": "1.1", "severity": "critical", "group_name": "fuser", "description": "SC542: functional problem"}])
        }
        "jam" => {
            json!([{"index": "1.1", "severity": "critical", "group_name": "mediaPath", "description": "Paper misfeed: B"}])
        }
        _ => json!([]),
    };
    json!({"address": address, "read_at": at, "took_ms": 84, "requests": 6,
        "identity": {"vendor": vendor, "model": model, "serial": serial, "name": name,
            "sys_descr": format!("{model} 2.07.1 / network printer"), "sys_object_id": "1.3.6.1.4.1.367.1.1",
            "firmware": [{"component": "system", "version": "2.07.1"}, {"component": "engine", "version": "1.14:05"},
                {"component": "network", "version": "19.43"}]},
        "status": {"device": device, "printer": printer, "detected_errors": [], "console": console},
        "counters": {"total": total}, "counter_unit": "impressions", "supplies": supplies,
        "trays": [
            {"index": "1.1", "name": "Tray 1", "media": "A4, plain", "unit": "sheets", "level": 420, "max": 550},
            {"index": "1.2", "name": "Tray 2", "media": "A3, plain", "unit": "sheets", "level": 0, "max": 550},
            {"index": "1.3", "name": "Bypass tray", "level": -3, "level_state": "someRemaining", "max": 100}],
        "alerts": alerts})
}

async fn store_calls(connection: &mut Connection, ms: i64) -> Result<()> {
    let calls: [Call; 10] = [
        (2, "service_call", "", "SC542: fusing temperature does not rise", 2, None),
        (4, "jam", "1.1", "Paper misfeed: B", 1, None),
        (5, "supply_end", "1.1", "black toner 0 %", 5, None),
        (1, "supply_near_end", "1.2", "cyan toner 7 %", 26, None),
        (8, "supply_near_end", "1.3", "magenta toner 9 %", 40, None),
        (9, "device_offline", "", "no answer to 3 readings", 31, None),
        (11, "cover_open", "1.1", "Front cover is open", 1, None),
        (2, "service_call", "", "SC400: drum charge", 900, Some(21)),
        (2, "jam", "1.1", "Paper misfeed: A", 960, Some(1)),
        (0, "supply_replaced", "1.1", "black toner 3 % → 100 %", 1200, Some(0)),
    ];
    for (seq, (index, kind, subject, detail, ago, ended)) in (1_i64..).zip(calls) {
        let Some((at, vendor, _, serial, ..)) = DEVICES.get(index) else { continue };
        let raised = ms - ago * HOUR_MS;
        query(
            "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms, \
             received_ms, is_open, cleared_ms, cleared_detail) \
             VALUES ('default', $1, 'urgent', $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)",
        )
        .bind(gateway(*at))
        .bind(seq)
        .bind(id(vendor, serial))
        .bind(kind)
        .bind(subject)
        .bind(detail)
        .bind(raised)
        .bind(i64::from(ended.is_none()))
        .bind(ended.map(|hours| raised + hours * HOUR_MS))
        .bind(ended.filter(|_| kind == "service_call").map(|_| "SC reset"))
        .execute(connection)
        .await?;
    }
    Ok(())
}
