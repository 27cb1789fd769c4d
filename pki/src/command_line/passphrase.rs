//! Passphrases from a terminal: never shown, never from a pipe.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use pki::secret_file;
use secrecy::{ExposeSecret as _, SecretString};

/// Prompts twice for a new passphrase.
pub(super) fn ask_twice() -> anyhow::Result<SecretString> {
    let first = ask("Passphrase for the root's key: ")?;
    let second = ask("Repeat the passphrase: ")?;
    if first.expose_secret() != second.expose_secret() {
        bail!("the two passphrases differ: nothing was created; start again");
    }
    Ok(first)
}

/// The current passphrase, from a file or a prompt.
pub(super) fn existing(file: Option<&Path>) -> anyhow::Result<SecretString> {
    match file {
        Some(path) => Ok(secret_file::first_line(path)?),
        None => ask("Passphrase of the root's key: "),
    }
}

fn ask(prompt: &str) -> anyhow::Result<SecretString> {
    if !io::stdin().is_terminal() {
        bail!("the passphrase can't be read, because there is no terminal: give --passphrase-file FILE");
    }
    let typed = rpassword::prompt_password(prompt);
    Ok(typed.context("the passphrase can't be read: give --passphrase-file FILE")?.into())
}
