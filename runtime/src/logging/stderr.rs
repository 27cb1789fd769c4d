//! Standard error as a place for log lines: never waited for, and never an error.
//!
//! A pipe whose reader is stuck would hold up the thread that logs, and with it the program, SIGTERM included. What can't be
//! written at once is lost, and counted.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// POSIX's PIPE_BUF on Linux: a pipe that can be written takes this much without waiting.
const AT_ONCE: usize = 4096;

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.chunks(AT_ONCE).all(written) {
            metrics::counter!("platen_log_lines_lost_total").increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it was written, at once.
fn written(part: &[u8]) -> bool {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_ready = poll(&mut ready, Some(&now)).is_ok_and(|found| found == 1);
    is_ready && stderr.lock().write_all(part).is_ok()
}
