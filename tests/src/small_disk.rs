//! A small disk of its own for a program: in memory, seen only by the programs that are started on it, gone with them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// How a namespace of mounts is made and joined: by root, and by those who may be root in a namespace of their own.
const WAYS: [(&[&str], &[&str]); 2] = [
    (&["--mount"], &["--mount"]),
    (&["--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]),
];

/// A small disk.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
    /// Keeps the disk there while no program is on it.
    holder: Child,
    join: &'static [&'static str],
}

impl SmallDisk {
    /// Makes a disk of `mib` MiB in a folder; `None` where the system doesn't let this user.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn mount(dir: &Path, mib: u32) -> Result<Option<Self>> {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let script =
            format!("mount -t tmpfs -o size={mib}m none \"$0\" && echo mounted && exec sleep infinity");
        for (own, join) in WAYS {
            let mut command = Command::new("unshare");
            command.args(own).args(["sh", "-c", &script]).arg(dir).stdin(Stdio::null());
            let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
            let Ok(mut holder) = spawned else { continue };
            let mut said = String::new();
            if let Some(out) = holder.stdout.take() {
                BufReader::new(out).read_line(&mut said)?;
            }
            let disk = Self { dir: dir.to_owned(), holder, join };
            if said.trim() == "mounted" {
                return Ok(Some(disk));
            }
        }
        Ok(None)
    }

    /// A program that has the disk.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(self.join).arg("--").arg(program);
        command
    }

    /// Where a file of the disk is seen from outside.
    #[must_use]
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Fills the disk.
    ///
    /// # Errors
    /// The file that fills it can't be made.
    pub fn fill(&self) -> Result<Ballast> {
        Ballast::fill(&self.seen(&self.dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already; nothing more can be done about it here.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// A file that fills a disk until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Fills the disk that a folder is on.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn fill(dir: &Path) -> Result<Self> {
        let path = dir.join("ballast");
        let mut file = File::options().create(true).append(true).open(&path)?;
        let ballast = Self(path);
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![0x5a; size]).is_ok() {}
        }
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // Without it the disk stays full, which the books will tell.
        drop(std::fs::remove_file(&self.0));
    }
}
