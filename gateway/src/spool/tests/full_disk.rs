//! A full disk: during operation, and at the start.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use wire::report::{Lane, Report};

use super::{all, information, make, numbers, open, settings};
use crate::spool::{Spool, SpoolError};

/// Environment variable of the child process: the directory of its small disk.
const SMALL_DISK: &str = "PLATEN_SPOOL_TEST_DISK";

/// Runs a test of this file in a child process with its own disk of `mib` MiB; `false` if the system doesn't permit
/// it.
fn on_a_small_disk(test: &str, mib: u32) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={mib}m none {} && exec \"$@\"", dir.path().display());
    // Root needs no users of its own, and others may not have them.
    for own_users in [&["--mount"][..], &["--map-root-user", "--mount"]] {
        let namespace = || {
            let mut command = Command::new("unshare");
            command.args(own_users).args(["sh", "-c", &mount, "sh"]);
            command
        };
        if !namespace().arg("true").output().is_ok_and(|output| output.status.success()) {
            continue;
        }
        let output = namespace()
            .arg(std::env::current_exe().unwrap())
            .args([&format!("spool::tests::full_disk::{test}"), "--exact", "--ignored", "--nocapture"])
            .env(SMALL_DISK, dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
        return true;
    }
    eprintln!("skipped: this user may not mount a disk of its own");
    false
}

fn fill(dir: &Path) -> PathBuf {
    let ballast = dir.join("ballast");
    let mut file = std::fs::File::options().create(true).append(true).open(&ballast).unwrap();
    for size in [1 << 16, 1 << 12] {
        while file.write_all(&vec![0x5a; size]).is_ok() {}
    }
    ballast
}

/// Random text, which can't be compressed, so that the store must grow.
fn text() -> String {
    (0..200).map(|_| uuid::Uuid::now_v7().to_string()).collect()
}

/// Makes large reports until stopped; returns the number of reports that were committed.
fn make_on(spool: &Spool, from: u64, to: u64) -> tokio::task::JoinHandle<u64> {
    let spool = spool.clone();
    tokio::spawn(async move {
        let mut durable = from - 1;
        for number in from..=to {
            match make(&spool, &information(&format!("a:{number}"), &text())).await {
                Ok(()) => durable = number,
                Err(_) => break,
            }
        }
        durable
    })
}

async fn until_stuck(spool: &Spool, writer: &tokio::task::JoinHandle<u64>) -> String {
    loop {
        if let Some(problem) = spool.snapshot().problem {
            return problem;
        }
        assert!(!writer.is_finished(), "the disk was never full");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn devices(reports: &[(u64, Report)]) -> Vec<(u64, String)> {
    let device = |report: &Report| report.device().map_or_else(String::new, ToString::to_string);
    reports.iter().map(|(number, report)| (*number, device(report))).collect()
}

fn expected_devices(to: u64) -> Vec<(u64, String)> {
    (1..=to).map(|number| (number, format!("a:{number}"))).collect()
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_acknowledged_meanwhile() {
    on_a_small_disk("fills_its_disk", 24);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run as a child process with a small disk"]
async fn fills_its_disk() {
    let Ok(dir) = std::env::var(SMALL_DISK) else { return };
    let dir = Path::new(&dir);
    let spool = open(dir).await;
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    let mut made = 0;
    // The disk is full repeatedly, and each time the spool continues by itself.
    for round in 1..=4 {
        let (from, to) = (made + 1, made + 100);
        let writer = make_on(&spool, from, to);
        while spool.snapshot().lanes.bulk.made < from + 10 {
            tokio::task::yield_now().await;
        }
        let ballast = fill(dir);
        let problem = until_stuck(&spool, &writer).await;
        assert!(problem.to_lowercase().contains("space") || problem.contains("room"), "{problem}");
        let stuck = spool.snapshot().lanes.bulk.made;
        assert!(stuck < to, "round {round}");
        // Other operations don't wait.
        spool.turned(true).await;
        let refused = spool.acknowledge(Lane::Bulk, 0).await.unwrap_err();
        assert!(matches!(&refused, SpoolError::Refuses { .. }), "{refused}");
        assert!(matches!(spool.waiting(Lane::Bulk, 1000).await, Err(SpoolError::Refuses { .. })));
        // What others free a little of is not enough, and is not taken for enough.
        let all = std::fs::metadata(&ballast).unwrap().len();
        std::fs::File::options().write(true).open(&ballast).unwrap().set_len(all - (256 << 10)).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        assert_eq!((spool.snapshot().lanes.bulk.made, spool.snapshot().problem.is_some()), (stuck, true));
        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(writer.await.unwrap(), to);
        spool.turned(false).await;
        assert_eq!(spool.snapshot().problem, None);
        made = to;
        let first = spool.waiting(Lane::Bulk, usize::MAX).await.unwrap();
        assert_eq!(first.last().unwrap().seq, made);
    }
    spool.close().await.unwrap();
    drop(spool);
    let (spool, restored) = Spool::open(settings(dir, 64 << 20)).await.unwrap();
    assert_eq!(restored.damage, "");
    assert_eq!(devices(&all(&spool, Lane::Bulk).await), expected_devices(made));
}

#[test]
fn a_store_that_is_damaged_while_the_disk_is_full_is_replaced_without_a_restart() {
    on_a_small_disk("is_damaged_while_full", 24);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run as a child process with a small disk"]
async fn is_damaged_while_full() {
    let Ok(dir) = std::env::var(SMALL_DISK) else { return };
    let dir = Path::new(&dir);
    let spool = open(dir).await;
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let writer = make_on(&spool, 1, 150);
    while spool.snapshot().lanes.bulk.made < 20 {
        tokio::task::yield_now().await;
    }
    let ballast = fill(dir);
    until_stuck(&spool, &writer).await;
    let durable = spool.snapshot().lanes.bulk.made;
    let store = dir.join("spool").join("db");
    let length = std::fs::metadata(&store).unwrap().len();
    std::fs::File::options().write(true).open(&store).unwrap().set_len(length / 3).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    writer.await.unwrap();
    assert_eq!(spool.snapshot().problem, None);
    // The server has nothing of it: what was there before has its number, or is reported as lost.
    let mut there = Vec::new();
    let mut server = 0;
    while server < 1000 {
        let batch = all(&spool, Lane::Bulk).await;
        let Some((last, _)) = batch.last() else { break };
        server = *last;
        there.extend(batch);
        spool.answered(Lane::Bulk, server, server).await.unwrap();
    }
    assert_eq!(numbers(&there), (1..=server).collect::<Vec<_>>());
    let old = devices(&there).iter().filter(|(n, d)| *n <= durable && *d == format!("a:{n}")).count();
    spool.acknowledge(Lane::Urgent, 0).await.unwrap();
    let told: u64 = all(&spool, Lane::Urgent).await.iter().map(|(_, report)| lost(report)).sum();
    let placed = there.iter().filter(|(_, report)| matches!(report, Report::Loss(_))).count();
    let old = u64::try_from(old + placed).unwrap();
    assert_eq!(old + told, durable, "kept or placed {old}, told {told}");
}

fn lost(report: &Report) -> u64 {
    if let Report::Loss(loss) = report { loss.reports } else { 0 }
}

#[test]
fn a_spool_is_not_opened_on_a_full_disk_and_not_damaged_by_the_attempt() {
    on_a_small_disk("opens_on_a_full_disk", 24);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run as a child process with a small disk"]
async fn opens_on_a_full_disk() {
    let Ok(dir) = std::env::var(SMALL_DISK) else { return };
    let dir = Path::new(&dir);
    // Never opened before.
    let ballast = fill(dir);
    let error = Spool::open(settings(dir, 64 << 20)).await.unwrap_err();
    assert!(matches!(&error, SpoolError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("make room on this disk"), "{error}");
    assert!(!dir.join("spool").exists());
    std::fs::remove_file(&ballast).unwrap();
    let spool = open(dir).await;
    spool.acknowledge(Lane::Bulk, 0).await.unwrap();
    assert_eq!(make_on(&spool, 1, 100).await.unwrap(), 100);
    // Closed by a power cut as it were, opened on the full disk: its reserve is enough.
    spool.close().await.unwrap();
    let ballast = fill(dir);
    let (spool, restored) = Spool::open(settings(dir, 64 << 20)).await.unwrap();
    assert_eq!(restored.damage, "");
    assert_eq!(devices(&all(&spool, Lane::Bulk).await), expected_devices(100));
    spool.close().await.unwrap();
    // Somebody else took the reserve.
    fill(dir);
    let error = Spool::open(settings(dir, 64 << 20)).await.unwrap_err();
    assert!(matches!(&error, SpoolError::NoRoom { .. }), "{error}");
    std::fs::remove_file(&ballast).unwrap();
    let (spool, restored) = Spool::open(settings(dir, 64 << 20)).await.unwrap();
    assert_eq!(restored.damage, "");
    assert_eq!(devices(&all(&spool, Lane::Bulk).await), expected_devices(100));
}
