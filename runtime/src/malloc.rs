//! Settings of glibc's malloc under which freed memory goes back to the system.
//!
//! By default glibc keeps much of it: each thread has an arena, and the first large block that is freed (a
//! compressor's window, the memory of a password hash, a request body) raises the size from which blocks are mapped
//! and unmapped individually (mallopt(3), `M_MMAP_THRESHOLD`). glibc reads its settings from the environment at the
//! start of a program and at no other time, so the program sets them and replaces itself once (decision 0011).

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

/// A fixed threshold in bytes, 128 KiB: larger blocks are always unmapped when they are freed.
const MMAP_THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Maximum number of malloc's arenas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arenas {
    /// One: for a program that works on one thread and must stay small.
    One,
    /// Two: for a server with a thread per processor.
    Two,
}

impl Arenas {
    const fn settings(self) -> [(&'static str, &'static str); 2] {
        let count = match self {
            Self::One => "1",
            Self::Two => "2",
        };
        [(ARENAS, count), MMAP_THRESHOLD]
    }
}

/// Restarts this program with the settings, in the same process. Returns if they are already in force, or if the
/// administrator has set one of them. Must be called before the first thread starts.
///
/// # Errors
/// The program can't be restarted; it can continue, but needs more memory.
pub fn settle(arenas: Arenas) -> io::Result<()> {
    let settings = arenas.settings();
    if settings.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let program = env::current_exe()?;
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    Err(Command::new(program).arg0(name).args(arguments).envs(settings).exec())
}

/// Logs that [`settle`] failed, once the log is set up.
pub fn log(settled: io::Result<()>) {
    if let Err(error) = settled {
        tracing::warn!(error = %error, "malloc keeps its default settings: the program needs more memory");
    }
}
