//! `platen-gateway profile`: tests a profile file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use gateway_core::reading::profiles::Profiles;

use super::exit::{EXIT_USAGE, fail};
use super::read::{ReadArgs, read_and_print};
use crate::profile_files;

/// Subcommands for profile files.
#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Validate a profile file, then read a device with it and print the reading.
    Test {
        /// Profile file (YAML).
        file: PathBuf,
        /// The device and how it is read.
        #[command(flatten)]
        read: ReadArgs,
    },
}

pub(super) async fn command(command: ProfileCommand, json: bool) -> ExitCode {
    let ProfileCommand::Test { file, read } = command;
    match profile_files::file(&file) {
        Ok(profile) => read_and_print(Profiles::new([profile]), &read, json).await,
        Err(error) => fail(EXIT_USAGE, &error.to_string()),
    }
}
