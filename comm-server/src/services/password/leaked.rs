//! Leaked passwords: a built-in list of the most used ones, and an optional file (decision 0037).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// Sorted prefixes of the SHA-256 of 46,881 passwords, as `leaked.py` writes them.
static BUILT_IN: &[u8] = include_bytes!("leaked.bin");

/// Octets of a prefix. With three forms of each password, one in 7 million other passwords is rejected as well.
const PREFIX: usize = 5;

/// Hexadecimal digits of a hash in the file.
const HASH_DIGITS: usize = 40;

/// The longest line that a file of hashes may have, bytes: hash, colon, count and the end.
const LINE_BYTES: u64 = 100;

/// The lists of leaked passwords.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaked {
    file: Option<PathBuf>,
}

impl Leaked {
    /// The built-in list, and a file of hashes if configured.
    pub(crate) const fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Whether a password is in a list. If the file can't be read, this is logged and only the built-in list is used,
    /// so that people can still change their passwords.
    pub(crate) async fn contains(&self, password: &str) -> bool {
        if is_built_in(password) {
            return true;
        }
        let Some(path) = self.file.clone() else { return false };
        let password = password.to_owned();
        let found = tokio::task::spawn_blocking(move || is_in_file(&path, &password)).await;
        match found.map_err(io::Error::other).and_then(|found| found) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(error = %error, "passwords.leaked_hashes can't be read: only the built-in list is used");
                false
            }
        }
    }
}

/// Whether the built-in list has the password, the part without leading and trailing digits and punctuation, or one
/// half if both halves are equal: `Password2024!` is rejected as `password`.
fn is_built_in(password: &str) -> bool {
    let whole = password.to_lowercase();
    let middle = whole.trim_matches(|c: char| !c.is_alphabetic());
    let half = whole.split_at_checked(whole.len() / 2).filter(|(first, second)| first == second);
    [Some(whole.as_str()), Some(middle), half.map(|(first, _)| first)].into_iter().flatten().any(has)
}

fn has(word: &str) -> bool {
    let hash = digest(&SHA256, word.as_bytes());
    let (all, rest) = BUILT_IN.as_chunks::<PREFIX>();
    debug_assert!(rest.is_empty(), "leaked.bin has whole prefixes");
    hash.as_ref().first_chunk::<PREFIX>().is_some_and(|prefix| all.binary_search(prefix).is_ok())
}

fn is_in_file(path: &Path, password: &str) -> io::Result<bool> {
    let hash = hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()));
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    search(&mut BufReader::with_capacity(4096, file), length, &hash)
}

/// Checks that a file begins with a line in the format of Have I Been Pwned.
///
/// # Errors
/// It can't be read, or begins with something else.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    hash_of_line(&mut BufReader::new(File::open(path)?)).map(drop)
}

/// Searches sorted lines that begin with a hash, by binary search.
fn search(file: &mut (impl BufRead + Seek), length: u64, hash: &str) -> io::Result<bool> {
    let (mut from, mut to) = (0, length);
    while from < to {
        let middle = from + (to - from) / 2;
        let mut start = middle;
        file.seek(SeekFrom::Start(middle))?;
        if middle > from {
            // The line that the middle is in belongs to the first half.
            file.seek(SeekFrom::Start(middle - 1))?;
            start = middle - 1 + skip_line(file)?;
        }
        if start >= to {
            to = middle;
            continue;
        }
        let (found, bytes) = hash_of_line(file)?;
        match found.as_str().cmp(hash) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => from = start + bytes,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    Ok(false)
}

fn line(file: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn skip_line(file: &mut impl BufRead) -> io::Result<u64> {
    Ok(u64::try_from(line(file)?.len()).unwrap_or(u64::MAX))
}

/// The hash at the beginning of a line, in capitals, and the line's length in bytes.
fn hash_of_line(file: &mut impl BufRead) -> io::Result<(String, u64)> {
    let line = line(file)?;
    let hash = line.get(..HASH_DIGITS).and_then(|hash| std::str::from_utf8(hash).ok());
    let ends = line.get(HASH_DIGITS).is_none_or(|next| !next.is_ascii_alphanumeric());
    match hash.filter(|hash| ends && hash.bytes().all(|octet| octet.is_ascii_hexdigit())) {
        Some(hash) => Ok((hash.to_ascii_uppercase(), u64::try_from(line.len()).unwrap_or(u64::MAX))),
        None => {
            let expected =
                "expected lines sorted by hash, each beginning with the 40 hexadecimal digits of a SHA-1";
            Err(io::Error::new(io::ErrorKind::InvalidData, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn leaked_passwords_are_known_in_their_usual_disguises() {
        for bad in ["1qaz2wsx3edc", "Password2024!", "!!baseball1999", "dragondragon", "QWERTYUIOP123"] {
            assert!(is_built_in(bad), "{bad}");
        }
        for good in ["correct horse battery", "seven quiet printers", "äöüäöüabcdef", "xkqvlwpt92mfzs"]
        {
            assert!(!is_built_in(good), "{good}");
        }
        assert!(BUILT_IN.len() > 200_000 && BUILT_IN.as_chunks::<PREFIX>().0.is_sorted());
    }

    #[test]
    fn each_hash_of_a_file_is_found_and_none_beside() {
        let hash = |n: u32| hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, &n.to_be_bytes()));
        for count in [0, 1, 2, 3, 10, 257] {
            let mut hashes: Vec<String> = (0..count).map(hash).collect();
            hashes.sort();
            for (separator, end) in [(":7", "\r\n"), (":123456789", "\n"), ("", "\n")] {
                let text: String = hashes.iter().map(|hash| format!("{hash}{separator}{end}")).collect();
                // The last line may lack its end.
                for text in [text.as_str(), text.trim_end()] {
                    let mut file = Cursor::new(text.as_bytes());
                    let mut has =
                        |n| search(&mut file, u64::try_from(text.len()).unwrap(), &hash(n)).unwrap();
                    assert!((0..count).all(&mut has), "{count} {separator}");
                    assert!(!(count..count + 100).any(&mut has), "{count} {separator}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_none_is_refused_and_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hashes");
        for bad in ["", "password\n", &"A".repeat(41), &"Z".repeat(40)] {
            std::fs::write(&path, bad).unwrap();
            assert!(check_file(&path).is_err(), "{bad}");
        }
        let lists = Leaked::new(Some(path.clone()));
        assert!(!lists.contains("seven quiet printers").await);
        let hash = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, b"seven quiet printers"));
        std::fs::write(&path, format!("{hash}:3\n")).unwrap();
        assert!(check_file(&path).is_ok() && lists.contains("seven quiet printers").await);
        assert!(!Leaked::default().contains("seven quiet printers").await);
    }
}
