//! Memory that is freed goes back to the system. glibc's malloc gives little of it back by itself: it keeps an arena for
//! each thread, and one freed block of a megabyte, such as a compressor needs for a moment, raises the size from which
//! blocks are returned at once. With 1,000 devices that is a third of the memory. glibc reads its settings when a program
//! starts and at no other time, so that the gateway starts itself anew with them.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

/// mallopt(3): one arena, and blocks of 128 KiB and more by mmap, for good.
const SETTINGS: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072")];

/// Replaces this process by itself with the settings. Returns when they are there, or an administrator's own are.
///
/// # Errors
/// The program can't be started anew; it can go on, and needs more memory.
pub(super) fn settle() -> io::Result<()> {
    if SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| env!("CARGO_PKG_NAME").into());
    let mut anew = Command::new(env::current_exe()?);
    anew.arg0(name);
    Err(anew.args(arguments).envs(SETTINGS).exec())
}
