//! A small disk for one program: in memory, visible only to the programs that are started on it, removed with
//! them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// How a mount namespace is created and joined: as root, and as a user who may be root in a user namespace.
const WAYS: [(&[&str], &[&str]); 2] = [
    (&["--mount"], &["--mount"]),
    (&["--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]),
];

/// A small disk.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
    /// Keeps the disk mounted while no program uses it.
    holder: Child,
    join: &'static [&'static str],
}

impl SmallDisk {
    /// Mounts a disk of `mib` MiB at a folder; `None` if this user isn't permitted to.
    ///
    /// # Errors
    /// The folder can't be created.
    pub(crate) fn mount(dir: &Path, mib: u32) -> Result<Option<Self>> {
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

    /// A command that runs a program on the disk.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(self.join).arg("--").arg(program);
        command
    }

    /// The path of a file of the disk, as seen from outside.
    #[must_use]
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Fills the disk.
    ///
    /// # Errors
    /// The file that fills it can't be created.
    pub fn fill(&self) -> Result<Ballast> {
        Ballast::fill(&self.seen(&self.dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already; nothing more can be done here.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// A file that fills a disk until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Fills the disk that contains a folder.
    ///
    /// # Errors
    /// The file can't be created.
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
        // If this fails, the disk stays full, which the comparison will show.
        drop(std::fs::remove_file(&self.0));
    }
}
