//! The spool of a killed process with damaged files: no number is used twice, and losses are reported.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use wire::report::{Envelope, Lane, Report};

use super::{call, make, open, settings};
use crate::spool::Spool;

/// Environment variable of the child process: its directory, and the first number that it gives to a report.
const CHILD: &str = "PLATEN_SPOOL_TEST_EXCHANGE";

/// The first number of the reports that the parent process makes.
const LATER: u64 = 1_000_000;

/// A server's stored reports: one line for each, in the order of their numbers.
struct Server {
    file: fs::File,
    reports: Vec<String>,
    /// Numbers that were received again with other contents.
    conflicts: Vec<(u64, String)>,
}

impl Server {
    fn open(dir: &Path) -> Self {
        let path = dir.join("server");
        let file = fs::File::options().create(true).append(true).open(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let reports = text.lines().map(str::to_owned).collect();
        Self { file, reports, conflicts: Vec::new() }
    }

    fn has(&self) -> u64 {
        u64::try_from(self.reports.len()).unwrap()
    }

    /// Handles a batch as the communication server does: duplicates are ignored, a gap is rejected.
    fn take(&mut self, batch: &[Envelope]) {
        for envelope in batch {
            assert!(
                envelope.seq <= self.has() + 1,
                "a gap before {}, there are {}",
                envelope.seq,
                self.has()
            );
            let text = envelope.report.get().to_owned();
            match self.reports.get(usize::try_from(envelope.seq).unwrap() - 1) {
                Some(there) if *there == text => {}
                Some(_) => self.conflicts.push((envelope.seq, text)),
                None => {
                    writeln!(self.file, "{text}").unwrap();
                    self.reports.push(text);
                }
            }
        }
    }

    /// The stored reports, in the order of their numbers.
    fn list(&self) -> Vec<Report> {
        self.reports.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }
}

async fn batch(spool: &Spool) -> Vec<Envelope> {
    spool.waiting(Lane::Urgent, 2000).await.unwrap()
}

/// The child process: makes and sends reports, loses some responses, and prints each report once it is durable.
#[tokio::test]
#[ignore = "is run as a child process by the tests that kill it"]
async fn exchanges_until_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (first, dir) = told.split_once(' ').unwrap();
    let (mut next, dir) = (first.parse::<u64>().unwrap(), Path::new(dir));
    let spool = open(&dir.join("gateway")).await;
    let mut server = Server::open(dir);
    spool.acknowledge(Lane::Urgent, server.has()).await.unwrap();
    loop {
        make(&spool, &call(next)).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {next}").unwrap();
        out.flush().unwrap();
        drop(out);
        if next % 3 == 0 {
            let sent = batch(&spool).await;
            server.take(&sent);
            if let Some(last) = sent.last().filter(|_| next % 2 == 0) {
                spool.answered(Lane::Urgent, server.has(), last.seq).await.unwrap();
            }
        }
        next += 1;
    }
}

/// Runs a child process until it has made this number of reports; returns the last one that it printed as durable.
fn work_until(dir: &Path, from: u64, count: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["spool::tests::damage::exchanges_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, format!("{from} {}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut durable = from - 1;
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(number) = line.split_once("durable ").and_then(|(_, number)| number.parse().ok()) {
            durable = number;
        }
        if durable + 1 >= from + count && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {durable}");
    durable
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens the spool again, makes five reports, and exchanges until nothing is waiting. Returns the damage that was
/// found.
async fn go_on(dir: &Path, server: &mut Server) -> String {
    let (spool, restored) = Spool::open(settings(&dir.join("gateway"), 64 << 20)).await.unwrap();
    for number in LATER..LATER + 5 {
        make(&spool, &call(number)).await.unwrap();
    }
    for _ in 0..1000 {
        let sent = batch(&spool).await;
        match sent.last() {
            Some(last) => {
                server.take(&sent);
                spool.answered(Lane::Urgent, server.has(), last.seq).await.unwrap();
            }
            None => {
                spool.acknowledge(Lane::Urgent, server.has()).await.unwrap();
            }
        }
        if spool.snapshot().lanes.urgent.waiting() == 0 {
            spool.close().await.unwrap();
            return restored.damage;
        }
    }
    panic!("it never drains: {:?}", spool.snapshot());
}

/// The reports that the server has, by the numbers in them, and the number of reported losses.
fn arrived(server: &Server) -> (Vec<u64>, u64) {
    let (mut calls, mut lost) = (Vec::new(), 0);
    for report in server.list() {
        match report {
            Report::Call(call) => calls.push(call.detail.parse().unwrap()),
            Report::Loss(loss) => lost += loss.reports,
            other @ (Report::CounterSet(_) | Report::DeviceInformation(_) | Report::FirmwareState(_)) => {
                panic!("{other:?}")
            }
        }
    }
    (calls, lost)
}

/// A kind of damage at the end of the log.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Cut,
    Zeroed,
    Garbage,
    /// A block of 512 bytes anywhere in it is lost.
    Hole,
}

fn harm(store: &Path, harm: Harm, bytes: usize) {
    let db = fs::File::options().read(true).write(true).open(store.join("db")).unwrap();
    let content = fs::read(store.join("db")).unwrap();
    // sled reserves more than it has written.
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let from = end.saturating_sub(bytes);
    match harm {
        Harm::Cut => db.set_len(from as u64).unwrap(),
        Harm::Zeroed => db.write_all_at(&vec![0; end - from], from as u64).unwrap(),
        Harm::Hole => {
            let from = (end.saturating_sub(512) / 97 * bytes) % end;
            db.write_all_at(&[0x5e; 512], from as u64).unwrap();
        }
        Harm::Garbage => db.write_all_at(&vec![0xa7; end - from], from as u64).unwrap(),
    }
}

#[tokio::test]
async fn a_log_that_ends_torn_uses_no_number_twice_and_reports_what_is_lost() {
    let (mut went_back, mut lost) = (0, 0);
    // How many are lost depends on how far the server was when the process was killed: maybe it had everything.
    for _ in 0..5 {
        let found = reopen_torn().await;
        (went_back, lost) = (went_back + found.0, lost + found.1);
        if went_back >= 3 && lost > 0 {
            return;
        }
    }
    panic!("what harms nothing proves nothing: {went_back} went back, {lost} lost");
}

/// Opens a spool after each kind of damage: how often it went back, and how many reports were lost.
async fn reopen_torn() -> (u64, u64) {
    let whole = tempfile::tempdir().unwrap();
    let durable = work_until(whole.path(), 1, 120);
    let (mut went_back, mut told) = (0, 0);
    for (how, amounts) in [
        (Harm::Cut, [1, 60, 700, 3000, 9000, 30_000, 1 << 20]),
        (Harm::Zeroed, [1, 60, 700, 3000, 9000, 30_000, 1 << 20]),
        (Harm::Garbage, [1, 60, 700, 3000, 9000, 30_000, 1 << 20]),
        (Harm::Hole, [1, 11, 23, 41, 53, 71, 89]),
    ] {
        for bytes in amounts {
            let dir = tempfile::tempdir().unwrap();
            copy(whole.path(), dir.path());
            harm(&dir.path().join("gateway/spool"), how, bytes);
            let mut server = Server::open(dir.path());
            let before = server.has();
            let damage = go_on(dir.path(), &mut server).await;
            let (calls, lost) = arrived(&server);
            let case = format!("{how:?} {bytes}, the server had {before} of {durable}: {damage}");
            let distinct: BTreeSet<u64> = calls.iter().copied().collect();
            assert_eq!(distinct.len(), calls.len(), "double; {case}");
            assert!((LATER..LATER + 5).all(|number| distinct.contains(&number)), "lost; {case}");
            // A report of a loss may stand where the server has what was lost.
            let taken_twice = server.conflicts.iter().filter(|(_, text)| !text.contains(r#""kind":"loss""#));
            assert_eq!(taken_twice.count(), 0, "{:?}; {case}", server.conflicts);
            // The one that was under way at its end may count as made or not.
            let missing = (1..=durable).filter(|number| !distinct.contains(number)).count() as u64;
            assert!(lost == missing || lost == missing + 1, "{missing} missing, {lost} told; {case}");
            assert!(!damage.is_empty() || lost == 0, "{case}");
            went_back += u64::from(damage.contains("lost its last"));
            told += lost;
        }
    }
    (went_back, told)
}

#[tokio::test]
async fn an_old_copy_of_the_whole_folder_takes_no_number_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = work_until(dir.path(), 1, 40);
    let old = tempfile::tempdir().unwrap();
    copy(&dir.path().join("gateway"), old.path());
    let second = work_until(dir.path(), 1000, 60);
    fs::remove_dir_all(dir.path().join("gateway")).unwrap();
    copy(old.path(), &dir.path().join("gateway"));
    let mut server = Server::open(dir.path());
    let before = arrived(&server).0;
    assert!(before.iter().any(|number| *number > 1020), "{first} {second}: {before:?}");
    go_on(dir.path(), &mut server).await;
    let (calls, _) = arrived(&server);
    let distinct: BTreeSet<u64> = calls.iter().copied().collect();
    assert_eq!(distinct.len(), calls.len(), "double: {calls:?}");
    assert_eq!(server.conflicts, []);
    assert!((1..=first).chain(LATER..LATER + 5).all(|number| distinct.contains(&number)), "{calls:?}");
    assert!(
        server
            .list()
            .iter()
            .any(|report| matches!(report, Report::Loss(loss) if loss.detail.contains("older")))
    );
}

#[tokio::test]
async fn a_store_without_its_folder_goes_on_by_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let durable = work_until(dir.path(), 1, 50);
    fs::remove_dir_all(dir.path().join("gateway/spool")).unwrap();
    let mut server = Server::open(dir.path());
    let damage = go_on(dir.path(), &mut server).await;
    assert!(damage.contains("damaged and replaced"), "{damage}");
    let (calls, lost) = arrived(&server);
    let missing = (1..=durable).filter(|number| !calls.contains(number)).count() as u64;
    assert!(missing > 0 && (lost == missing || lost == missing + 1), "{missing} missing, {lost} told");
    assert_eq!(server.conflicts, []);
    assert!((LATER..LATER + 5).all(|number| calls.contains(&number)), "{calls:?}");
}

/// When the disk is full, sled leaves an incomplete snapshot, and would use it as its newest.
#[tokio::test]
async fn a_half_written_snapshot_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let durable = work_until(dir.path(), 1, 30);
    fs::write(dir.path().join("gateway/spool/snap.7FFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    let mut server = Server::open(dir.path());
    assert_eq!(go_on(dir.path(), &mut server).await, "");
    let (calls, lost) = arrived(&server);
    assert_eq!(lost, 0);
    assert!((1..=durable).all(|number| calls.contains(&number)), "{calls:?}");
}
