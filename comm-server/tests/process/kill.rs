//! The server is killed while gateways report: no acknowledged report is missing or duplicated.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pki::Identity;
use pki::spiffe::PartyKind;
use platen_comm_server::store::testing;
use serde_json::{Value, json};

use super::server::{data_dir, identity, make_identities, start};

const GATEWAYS: [&str; 3] = ["gw-1", "gw-2", "gw-3"];
const REPORTS_OF_A_BATCH: u64 = 15;
const KILLS: u64 = 5;

/// Number of acknowledged batches between two kills.
const BATCHES_OF_A_LIFE: u64 = 25;

fn batch(first: u64) -> Value {
    let report = |seq: u64| {
        json!({"seq": seq, "at": "2026-01-01T00:00:00Z", "report": {"kind": "counter_set",
            "device": format!("ricoh:E{}", seq % 7), "read_at": read_at(seq), "counters": {"total": seq},
            "evidence": {"total": {"oid": "1.3.6.1.2.1.43.10.2.1.4.1.1", "value": seq}}}})
    };
    json!({"reports": (first..first + REPORTS_OF_A_BATCH).map(report).collect::<Vec<_>>()})
}

/// The time of a report: one second after the previous one, within the time that a spool may keep reports.
fn read_at(seq: u64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()
        + jiff::SignedDuration::from_secs(seq.try_into().unwrap())
}

/// Sends reports until it is stopped; returns the last number that was acknowledged.
async fn report(dir: PathBuf, gateway: &'static str, url: String, taken: Arc<AtomicU64>, enough: u64) -> u64 {
    let identity = Identity::load(&identity(&dir, gateway)).unwrap();
    let client = || {
        let tls = pki::tls::client_config(&identity, PartyKind::CommServer).unwrap();
        reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(Duration::from_secs(10)).build()
    };
    let mut connected = client().unwrap();
    let mut acknowledged = 0;
    while taken.load(Ordering::Relaxed) < enough {
        let body = batch(acknowledged + 1).to_string();
        let answer = connected.post(&url).body(body).send().await;
        let Ok(answer) = answer else {
            connected = client().unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        assert_eq!(answer.status(), 200, "a batch that follows what was acknowledged is taken");
        let Ok(answer) = answer.json::<Value>().await else { continue };
        let now = answer["acknowledged"].as_u64().unwrap();
        assert!(now >= acknowledged + REPORTS_OF_A_BATCH, "{now} after {acknowledged}");
        acknowledged = now;
        taken.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_kills() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_owned();
    make_identities(&dir, &GATEWAYS);
    let mut server = start(&dir, "127.0.0.1:0");
    let address = server.address.clone();
    let url = format!("https://{address}/v1/reports/bulk");
    let taken = Arc::new(AtomicU64::new(0));
    let enough = BATCHES_OF_A_LIFE * (KILLS + 1);
    let reporting = GATEWAYS
        .map(|gateway| tokio::spawn(report(dir.clone(), gateway, url.clone(), Arc::clone(&taken), enough)));
    for kill in 1..=KILLS {
        while taken.load(Ordering::Relaxed) < kill * BATCHES_OF_A_LIFE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        server = start(&dir, &address);
    }
    let mut acknowledged = Vec::new();
    for gateway in reporting {
        acknowledged.push(gateway.await.unwrap());
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();

    let database = format!("sqlite://{}", data_dir(&dir).join("platen.db").display());
    let stored = testing::Database::connect(&database).await.unwrap();
    for (gateway, acknowledged) in GATEWAYS.into_iter().zip(acknowledged) {
        let rows = testing::query(
            "SELECT COUNT(*) AS rows_of_it, COUNT(DISTINCT seq) AS numbers, MAX(seq) AS last, \
             (SELECT acknowledged FROM lanes l WHERE l.gateway = r.gateway AND lane = 'bulk') AS told, \
             (SELECT COUNT(*) FROM counters c WHERE c.gateway = r.gateway) AS meters \
             FROM reports r WHERE gateway = $1",
        )
        .bind(gateway)
        .rows(&stored)
        .await
        .unwrap();
        let number = |column| rows[0].count(column).unwrap();
        let last = number(2);
        assert!(last >= acknowledged, "{gateway}: {acknowledged} acknowledged, {last} stored");
        for (column, name) in [(0, "rows_of_it"), (1, "numbers"), (3, "told"), (4, "meters")] {
            assert_eq!(number(column), last, "{gateway}: {name}");
        }
    }
}
