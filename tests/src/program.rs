//! The real programs as processes: found beside this one, started with their own log, stopped or killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::PipeReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to drain.
const DRAIN: Duration = Duration::from_secs(20);

/// The folder of the programs: the build folder of this one.
///
/// # Errors
/// This program has no folder.
pub fn folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program has no path")?;
    let folder = own.parent().context("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// Path of a program.
///
/// # Errors
/// It isn't built.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = folder()?.join(name);
    if !path.exists() {
        bail!("{} isn't built: run `cargo build --workspace --bins`", path.display());
    }
    Ok(path)
}

/// The writing end of a pipe whose reader is closed.
///
/// # Errors
/// The pipe can't be created.
pub fn unheard() -> std::io::Result<Stdio> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

/// Runs a program to completion.
///
/// # Errors
/// It can't be started, or exits with another status than 0: the error contains its output.
pub fn run(name: &str, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(path(name)?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} can't be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{name} {} ended with {}: {}", arguments.join(" "), output.status, said.trim());
    }
    Ok(output)
}

/// Where a program's log and output go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heard {
    /// To `DIR/NAME.log` and `DIR/NAME.out`, both appended.
    #[default]
    InFiles,
    /// To pipes whose reader is closed.
    ByNobody,
    /// To a log pipe whose reader is open and never reads. The pipe holds one page and is soon full.
    Stuck,
}

/// A program that runs until it is stopped; when dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    printed: PathBuf,
    /// Keeps a pipe open that is never read.
    _stuck: Option<PipeReader>,
}

impl Running {
    /// Starts a program; its log goes to `DIR/NAME.log`, its output to `DIR/NAME.out`, both appended.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(name: &str, arguments: &[&str], dir: &Path) -> Result<Self> {
        Self::start_heard(name, arguments, dir, Heard::InFiles)
    }

    /// Like [`Running::start`], with another destination of log and output.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start_heard(name: &str, arguments: &[&str], dir: &Path, heard: Heard) -> Result<Self> {
        let mut command = Command::new(path(name)?);
        command.args(arguments).stdin(Stdio::null());
        Self::spawned_heard(name, command, dir, heard)
    }

    /// Starts any program; logs like [`Running::start`].
    ///
    /// # Errors
    /// It can't be started.
    pub fn spawned(name: &str, command: Command, dir: &Path) -> Result<Self> {
        Self::spawned_heard(name, command, dir, Heard::InFiles)
    }

    /// Like [`Running::spawned`], with another destination of log and output.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn spawned_heard(name: &str, mut command: Command, dir: &Path, heard: Heard) -> Result<Self> {
        let (log, printed) = (dir.join(format!("{name}.log")), dir.join(format!("{name}.out")));
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        let mut stuck = None;
        match heard {
            Heard::InFiles => command.stdout(open(&printed)?).stderr(open(&log)?),
            Heard::ByNobody => command.stdout(unheard()?).stderr(unheard()?),
            Heard::Stuck => {
                let (reader, writer) = std::io::pipe()?;
                fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).context("F_SETPIPE_SZ")?;
                stuck = Some(reader);
                command.stdout(unheard()?).stderr(writer)
            }
        };
        let child = command.spawn().with_context(|| format!("{name} can't be started"))?;
        Ok(Self { name: name.to_owned(), child, log, printed, _stuck: stuck })
    }

    /// Waits for a file that the program writes when it is ready.
    ///
    /// # Errors
    /// It exited, or the file isn't there within 30 s: the error contains the end of the log.
    pub fn wait_for(&mut self, file: &Path) -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Ok(text) = std::fs::read_to_string(file)
                && !text.is_empty()
            {
                return Ok(text);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} was not ready within 30 s: {}", self.name, self.log_tail())
    }

    /// Waits until it listens, which it reports in a file in its data directory.
    ///
    /// # Errors
    /// As [`Running::wait_for`], or the file isn't as expected.
    pub fn wait_for_addresses(&mut self, data_dir: &Path) -> Result<BTreeMap<String, SocketAddr>> {
        let text = self.wait_for(&data_dir.join("addresses.json"))?;
        serde_json::from_str(&text).with_context(|| format!("{}: addresses.json", self.name))
    }

    /// The whole log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Everything printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.printed).unwrap_or_default()
    }

    /// Id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Stops it by SIGTERM and waits for its end.
    ///
    /// # Errors
    /// It doesn't exit within 20 s, or not with status 0.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id()).context("process id")?;
        kill(Pid::from_raw(id), Signal::SIGTERM).context("SIGTERM")?;
        let began = Instant::now();
        while began.elapsed() < DRAIN {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("{} ended with {status} after SIGTERM: {}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not end within {} s of SIGTERM: {}", self.name, DRAIN.as_secs(), self.log_tail())
    }

    /// Kills it by SIGKILL, as a power cut would.
    ///
    /// # Errors
    /// It can't be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("SIGKILL")?;
        self.child.wait().context("wait")?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; nothing more can be done here.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
