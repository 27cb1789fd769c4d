//! Builds the programs that the demo starts, with the cargo that started it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::narrator::Narrator;

/// Builds every program into the folder of this one; does nothing if cargo did not start it.
pub(crate) fn build(narrator: &Narrator) -> Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return Ok(());
    };
    let folder = tests::program::folder()?;
    let mut command = Command::new(cargo);
    command.args(["build", "--workspace", "--bins"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if narrator.is_json() {
        command.arg("--quiet");
    }
    // Cargo prints its own progress on standard error.
    let status =
        command.stdin(Stdio::null()).stdout(Stdio::null()).status().context("cargo can't be started")?;
    if !status.success() {
        bail!("the programs can't be built: cargo ended with {status}");
    }
    Ok(())
}
