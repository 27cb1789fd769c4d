//! Standard error as the destination of log lines: writing never blocks and never fails.
//!
//! A pipe whose reader is blocked would block the thread that logs, and with it the program, including its handling of
//! SIGTERM. A line that can't be written at once is lost, and counted.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// PIPE_BUF of Linux (POSIX): a writable pipe accepts this much without blocking.
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

/// Writes at once; returns whether that succeeded.
fn written(part: &[u8]) -> bool {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_ready = poll(&mut ready, Some(&now)).is_ok_and(|found| found == 1);
    is_ready && stderr.lock().write_all(part).is_ok()
}
