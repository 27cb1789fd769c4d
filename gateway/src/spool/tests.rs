use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use wire::report::{Call, CallKind, DeviceInformation, Edge, InformationReason, Loss, Report};

use super::*;

mod damage;
mod full_disk;

/// The directory in which a child process writes until it is killed.
const CHILD_DIR: &str = "PLATEN_SPOOL_TEST_DIR";

fn settings(dir: &Path, limit_bytes: u64) -> SpoolSettings {
    SpoolSettings { data_dir: dir.to_owned(), limit_bytes }
}

async fn open(dir: &Path) -> Spool {
    Spool::open(settings(dir, 64 << 20)).await.unwrap().0
}

fn call(number: u64) -> Report {
    Report::Call(Call {
        device: "a:1".parse().unwrap(),
        call: CallKind::Jam,
        edge: Edge::Raised,
        subject: String::new(),
        detail: number.to_string(),
        seen_at: Timestamp::UNIX_EPOCH,
    })
}

fn information(device: &str, text: &str) -> Report {
    let reading = serde_json::json!({"address":"127.0.0.1","read_at":"2026-01-01T00:00:00Z","took_ms":1,
        "requests":1,"identity":{"sys_descr":text},"status":{}});
    Report::DeviceInformation(Box::new(DeviceInformation {
        device: device.parse().unwrap(),
        reason: InformationReason::Changed,
        command: None,
        reading: serde_json::from_value(reading).unwrap(),
    }))
}

async fn make(spool: &Spool, report: &Report) -> Result<(), SpoolError> {
    let mut changes = Changes::new();
    changes.report(Timestamp::UNIX_EPOCH, report).unwrap();
    spool.commit(changes).await
}

async fn all(spool: &Spool, lane: Lane) -> Vec<(u64, Report)> {
    let waiting = spool.waiting(lane, usize::MAX).await.unwrap();
    waiting.iter().map(|envelope| (envelope.seq, envelope.parse().unwrap())).collect()
}

fn numbers(reports: &[(u64, Report)]) -> Vec<u64> {
    reports.iter().map(|(number, _)| *number).collect()
}

#[tokio::test]
async fn reports_are_numbered_after_what_the_server_has_and_freed_when_it_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    for number in 0..3 {
        make(&spool, &call(number)).await.unwrap();
    }
    assert!(all(&spool, Lane::Urgent).await.is_empty(), "no number before the server was asked");
    assert_eq!(spool.acknowledge(Lane::Urgent, 40).await.unwrap(), Acknowledgement::Begin { base: 40 });
    assert_eq!(numbers(&all(&spool, Lane::Urgent).await), [41, 42, 43]);
    spool.acknowledge(Lane::Urgent, 42).await.unwrap();
    let id = spool.snapshot().id;
    spool.close().await.unwrap();
    assert!(matches!(make(&spool, &call(9)).await, Err(SpoolError::Closed)));

    let spool = open(dir.path()).await;
    make(&spool, &call(3)).await.unwrap();
    assert_eq!(all(&spool, Lane::Urgent).await, [(43, call(2))], "no new number before the server was heard");
    spool.answered(Lane::Urgent, 42, 42).await.unwrap();
    assert_eq!(all(&spool, Lane::Urgent).await, [(43, call(2)), (44, call(3))]);
    assert_eq!(spool.snapshot().id, id);
    spool.acknowledge(Lane::Urgent, 44).await.unwrap();
    assert_eq!(spool.snapshot().waiting_bytes, 0);
}

#[tokio::test]
async fn what_is_stored_at_once_is_numbered_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let tasks: Vec<_> = (0..200_u64)
        .map(|number| {
            let spool = spool.clone();
            tokio::spawn(async move { make(&spool, &call(number)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stored = all(&spool, Lane::Urgent).await;
    assert_eq!(numbers(&stored), (1..=200).collect::<Vec<_>>());
    let mut details: Vec<u64> = stored.iter().map(|(_, report)| detail(report)).collect();
    details.sort_unstable();
    assert_eq!(details, (0..200).collect::<Vec<_>>());
}

fn detail(report: &Report) -> u64 {
    let Report::Call(call) = report else { panic!("{report:?}") };
    call.detail.parse().unwrap()
}

#[tokio::test]
async fn batches_keep_their_limits() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let mut changes = Changes::new();
    for number in 0..700 {
        changes.report(Timestamp::UNIX_EPOCH, &call(number)).unwrap();
    }
    spool.commit(changes).await.unwrap();
    let first = spool.waiting(Lane::Urgent, usize::MAX).await.unwrap();
    assert_eq!(first.len(), wire::limits::BATCH_REPORTS);
    let small = spool.waiting(Lane::Urgent, 1000).await.unwrap();
    assert!((1..10).contains(&small.len()), "{}", small.len());
}

#[tokio::test]
async fn a_full_spool_lets_superseded_readings_go_and_keeps_calls_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(settings(dir.path(), 64 << 10)).await.unwrap();
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let text: String = (0..3000_u32).map(|n| char::from(b'a' + u8::try_from(n * n % 26).unwrap())).collect();
    for number in 0..100_u64 {
        make(&spool, &information("a:1", &format!("{number} {text}"))).await.unwrap();
        make(&spool, &call(number)).await.unwrap();
    }
    assert!(spool.snapshot().waiting_bytes <= 32 << 10);
    let calls = all(&spool, Lane::Urgent).await;
    assert_eq!(
        calls.iter().map(|(_, report)| detail(report)).collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
    let bulk = all(&spool, Lane::Bulk).await;
    assert_eq!(numbers(&bulk), (1..=100).collect::<Vec<_>>());
    let lost = |report: &Report| matches!(report, Report::Loss(Loss { lane: Lane::Bulk, reports: 1, .. }));
    let losses = bulk.iter().filter(|(_, report)| lost(report)).count();
    assert!(losses > 0 && losses < 100, "{losses}");
    assert!(!lost(&bulk.last().unwrap().1), "the newest is kept");
    // Space is available again.
    spool.acknowledge(Lane::Bulk, 100).await.unwrap();
    spool.acknowledge(Lane::Urgent, 100).await.unwrap();
    assert_eq!(spool.snapshot().waiting_bytes, 0);
}

#[tokio::test]
async fn a_spool_that_can_let_nothing_go_refuses_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(settings(dir.path(), 2 << 10)).await.unwrap();
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let mut made = 0;
    let refused = loop {
        match make(&spool, &call(made)).await {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1000);
    };
    assert!(matches!(refused, SpoolError::Full { limit_bytes: 1024 }), "{refused}");
    assert_eq!(all(&spool, Lane::Urgent).await.len(), usize::try_from(made).unwrap());
}

#[tokio::test]
async fn a_server_that_lost_reports_and_an_old_copy_of_the_spool_begin_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    for number in 0..5 {
        make(&spool, &call(number)).await.unwrap();
    }
    spool.acknowledge(Lane::Urgent, 4).await.unwrap();
    let id = spool.snapshot().id;
    // Restored from a backup, the server has only two.
    let judged = spool.acknowledge(Lane::Urgent, 2).await.unwrap();
    assert_eq!(judged, Acknowledgement::ServerBehind { base: -2, lost: 2 });
    let waiting = all(&spool, Lane::Urgent).await;
    assert_eq!(numbers(&waiting), [3, 4]);
    assert!(matches!(&waiting[1].1, Report::Loss(loss) if loss.reports == 2));
    assert_ne!(spool.snapshot().id, id);
    // An old copy of the spool: the server is far ahead.
    spool.acknowledge(Lane::Urgent, 90).await.unwrap();
    assert_eq!(numbers(&all(&spool, Lane::Urgent).await), [91, 92, 93]);
}

#[tokio::test]
async fn lanes_that_went_back_together_begin_one_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    spool.close().await.unwrap();
    // An old copy: the server has more of both.
    let spool = open(dir.path()).await;
    let old = spool.snapshot().id;
    assert!(spool.acknowledge(Lane::Urgent, 7).await.unwrap().is_new_epoch());
    let new = spool.snapshot().id;
    assert_ne!(old, new);
    make(&spool, &call(1)).await.unwrap();
    assert!(spool.acknowledge(Lane::Bulk, 5).await.unwrap().is_new_epoch());
    assert_eq!(spool.snapshot().id, new);
    // A loss of the server is a different matter.
    assert!(spool.acknowledge(Lane::Bulk, 2).await.unwrap().is_new_epoch());
    assert_ne!(spool.snapshot().id, new);
}

#[tokio::test]
async fn a_report_that_the_server_refuses_for_ever_leaves_its_loss_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 7).await.unwrap();
    make(&spool, &call(1)).await.unwrap();
    make(&spool, &call(2)).await.unwrap();
    spool.quarantine(Lane::Urgent, 8, "too large".to_owned()).await.unwrap();
    let waiting = all(&spool, Lane::Urgent).await;
    assert_eq!(numbers(&waiting), [8, 9]);
    assert!(matches!(&waiting[0].1, Report::Loss(loss) if loss.detail.contains("too large")));
    assert_eq!(waiting[1].1, call(2));
}

#[tokio::test]
async fn a_damaged_store_is_renamed_and_reported_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    for number in 0..50 {
        make(&spool, &call(number)).await.unwrap();
    }
    spool.acknowledge(Lane::Urgent, 20).await.unwrap();
    spool.close().await.unwrap();
    drop(spool);
    let store = dir.path().join("spool").join("db");
    let length = std::fs::metadata(&store).unwrap().len();
    let mut file = std::fs::OpenOptions::new().write(true).open(&store).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    drop(file);

    let (spool, restored) = Spool::open(settings(dir.path(), 64 << 20)).await.unwrap();
    assert!(restored.damage.contains("damaged"), "{}", restored.damage);
    let aside = std::fs::read_dir(dir.path()).unwrap().flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("spool.damaged-"));
    assert_eq!(aside.count(), 1);
    make(&spool, &call(77)).await.unwrap();
    assert!(all(&spool, Lane::Urgent).await.is_empty(), "the server is asked first");
    spool.acknowledge(Lane::Urgent, 50).await.unwrap();
    let waiting = all(&spool, Lane::Urgent).await;
    assert_eq!(numbers(&waiting), [51, 52]);
    assert!(matches!(&waiting[0].1, Report::Loss(_)));
    assert_eq!(waiting[1].1, call(77));
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_store_is_kept_and_gaps_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    for number in 1..=4 {
        make(&spool, &call(number)).await.unwrap();
    }
    spool.close().await.unwrap();
    drop(spool);
    let disk = disk::Disk::open(&dir.path().join("spool")).unwrap();
    let mut recovered = recovery::read(&disk);
    drop(disk);
    recovered.records.remove(&layout::Key::Report(Lane::Urgent, 2).bytes()).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let disk = disk::Disk::open(&fresh.path().join("spool")).unwrap();
    let told = recovery::refill(&disk, recovered, None, Timestamp::UNIX_EPOCH).unwrap();
    drop(disk);
    assert!(told.contains("3 reports") && told.contains("1 reports known to be lost"), "{told}");
    let spool = open(fresh.path()).await;
    assert_eq!(numbers(&all(&spool, Lane::Urgent).await), [1, 2, 3, 4]);
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let waiting = all(&spool, Lane::Urgent).await;
    assert_eq!(numbers(&waiting), [1, 2, 3, 4, 5]);
    assert_eq!((&waiting[0].1, &waiting[2].1), (&call(1), &call(3)));
    assert!(matches!(waiting[1].1, Report::Loss(_)) && matches!(waiting[4].1, Report::Loss(_)));
}

/// The child of the next test: writes reports and prints the number of each once it is durable.
#[tokio::test]
#[ignore = "is run as a child process by the test that kills it"]
async fn writes_until_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let spool = open(Path::new(&dir)).await;
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    loop {
        let next = spool.snapshot().lanes.urgent.made + 1;
        make(&spool, &call(next)).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {next}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn nothing_that_was_durable_is_lost_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut durable = 0_u64;
    for round in 0..10_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["spool::tests::writes_until_killed", "--exact", "--ignored", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let until = durable + 5 + round * 7;
        for line in lines.by_ref() {
            if let Some((_, number)) = line.unwrap().split_once("durable ") {
                durable = number.parse().unwrap();
                if durable >= until {
                    break;
                }
            }
        }
        child.kill().unwrap();
        // What it printed between the last line read and its end counts, too.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.split_once("durable ").and_then(|(_, number)| number.parse().ok()) {
                durable = number;
            }
        }
        child.wait().unwrap();
        assert!(durable >= until, "round {round}: {durable}");
        let spool = open(dir.path()).await;
        let made = spool.snapshot().lanes.urgent.made;
        assert!(made >= durable && made <= durable + 1, "made {made}, durable {durable}");
        let stored = all(&spool, Lane::Urgent).await;
        assert_eq!(stored.len(), usize::try_from(made).unwrap().min(wire::limits::BATCH_REPORTS));
        assert!(stored.iter().all(|(number, report)| detail(report) == *number));
        spool.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_disk_gets_its_space_back_after_an_outage() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    let random = || (0..200).map(|_| uuid::Uuid::now_v7().to_string()).collect::<String>();
    for _ in 0..20 {
        let mut changes = Changes::new();
        for _ in 0..100 {
            changes.report(Timestamp::UNIX_EPOCH, &information("a:1", &random())).unwrap();
        }
        spool.commit(changes).await.unwrap();
    }
    make(&spool, &call(7)).await.unwrap();
    spool.upkeep().await.unwrap();
    let outage = spool.snapshot();
    assert!(outage.disk_bytes > 5 << 20, "{outage:?}");
    spool.answered(Lane::Bulk, 1990, 1990).await.unwrap();
    spool.upkeep().await.unwrap();
    let after = spool.snapshot();
    assert!(after.disk_bytes < outage.disk_bytes / 4, "{outage:?} {after:?}");
    // Unacknowledged reports are there, and the spool works.
    make(&spool, &information("a:2", "new")).await.unwrap();
    assert_eq!(numbers(&all(&spool, Lane::Bulk).await), (1991..=2001).collect::<Vec<_>>());
    spool.close().await.unwrap();
    drop(spool);
    // An interrupted compaction leaves what is not needed.
    std::fs::create_dir(dir.path().join("spool.compact")).unwrap();
    let (spool, restored) = Spool::open(settings(dir.path(), 64 << 20)).await.unwrap();
    assert_eq!(restored.damage, "");
    assert!(!dir.path().join("spool.compact").exists());
    spool.answered(Lane::Bulk, 1990, 1990).await.unwrap();
    assert_eq!(numbers(&all(&spool, Lane::Bulk).await), (1991..=2001).collect::<Vec<_>>());
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    assert_eq!(all(&spool, Lane::Urgent).await, [(1, call(7))]);
}
