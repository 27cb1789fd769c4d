//! The ledgers of issued certificates, revocations and tokens: one line of JSON per record, which is on disk before
//! the certificate or token is returned.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{AuthorityError, Intermediate};
use crate::spiffe::SpiffeId;

pub(super) const FILE: &str = "issued.jsonl";

/// The longest line, bytes.
const LINE_BYTES: u64 = 64 << 10;

/// One issued certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// The party.
    pub id: SpiffeId,
    /// The intermediate that issued it.
    pub issuer: Intermediate,
    /// Its generation, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u32,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// DNS names of a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Addresses of a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpAddr>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// SHA-256 of the enrollment token that it was issued for, hexadecimal; none at a renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
}

pub(super) const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) const fn is_first(generation: &u32) -> bool {
    *generation == 1
}

/// Appends a record and syncs. An incomplete last line is removed first: after a crash, its certificate was never
/// returned.
pub(super) fn append<T: Serialize>(path: &Path, record: &T) -> Result<(), AuthorityError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        let end = end_of_last_line(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()
    };
    write().map_err(|source| AuthorityError::Write { path: path.to_owned(), source })
}

fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LINE_BYTES).read_to_end(&mut tail)?;
    let kept = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if kept == 0 && from > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the last line is longer than 64 KiB"));
    }
    Ok(from + kept as u64)
}

/// Reads every record; an unfinished last line is skipped.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, AuthorityError> {
    let damaged = |what: String| AuthorityError::Damaged { path: path.to_owned(), what };
    let unreadable = |error: io::Error| damaged(format!("it can't be read ({error})"));
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut records = Vec::new();
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        let count = reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
        if count == 0 || (line.last() != Some(&b'\n') && (count as u64) < LINE_BYTES) {
            break;
        }
        let record =
            serde_json::from_slice(&line).map_err(|error| damaged(format!("line {number}: {error}")))?;
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(serial: &str) -> Record {
        Record {
            serial: serial.to_owned(),
            id: "spiffe://t/gateway/a".parse().unwrap(),
            issuer: Intermediate::GatewayCa,
            generation: 1,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            dns: Vec::new(),
            ips: Vec::new(),
            fingerprint_sha256: "00".to_owned(),
            issued_at: Timestamp::UNIX_EPOCH,
            token_sha256: None,
        }
    }

    #[test]
    fn a_torn_line_is_skipped_then_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        append(&path, &record("01")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &whole[..20]].concat()).unwrap();
        assert_eq!(read::<Record>(&path).unwrap(), [record("01")]);
        append(&path, &record("02")).unwrap();
        assert_eq!(read::<Record>(&path).unwrap(), [record("01"), record("02")]);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        append(&path, &record("01")).unwrap();
        let mut whole = std::fs::read(&path).unwrap();
        whole.extend_from_slice(b"{\"serial\":7}\n");
        std::fs::write(&path, whole).unwrap();
        let error = read::<Record>(&path).unwrap_err().to_string();
        assert!(error.contains("issued.jsonl is damaged, line 2:"), "{error}");
    }
}
