//! Line ends: spreadsheets write CR LF, LF or CR.

use std::io::Read;

/// Reads a file, converting all line ends to line feeds.
pub(super) struct LineFeeds<R> {
    from: R,
    /// The last octet was a carriage return, which was already converted.
    after_return: bool,
}

impl<R> LineFeeds<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, after_return: false }
    }
}

impl<R: Read> Read for LineFeeds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.from.read(buffer)?;
            let mut kept = 0;
            for at in 0..read {
                let octet = buffer[at];
                let is_second = octet == b'\n' && self.after_return;
                self.after_return = octet == b'\r';
                if !is_second {
                    buffer[kept] = if self.after_return { b'\n' } else { octet };
                    kept += 1;
                }
            }
            // Nothing left of something is not the end.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_is_a_line_feed() {
        for (given, expected) in [("a\r\nb\n\rc\r", "a\nb\n\nc\n"), ("\r\n\r\n", "\n\n"), ("", "")] {
            let mut read = String::new();
            // One octet at a time: a pair is split between two reads.
            let mut lines = LineFeeds::new(given.as_bytes());
            let mut one = [0];
            while lines.read(&mut one).unwrap() > 0 {
                read.push(char::from(one[0]));
            }
            assert_eq!(read, expected);
        }
    }
}
