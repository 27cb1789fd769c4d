//! Replaces certificate and key so that after a crash the old pair or the new pair is complete.
//!
//! Both are first written beside the old ones (`….next`) and synced. [`install`] renames the key, then the
//! certificate. After a crash between the two, the new certificate is still staged and its key isn't; [`recover`]
//! completes the replacement.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::identity::IdentityConfig;

/// A file can't be written or renamed; the old pair stays in use.
#[derive(Debug, thiserror::Error)]
#[error("cannot move {} into place", path.display())]
pub struct InstallError {
    /// The file.
    pub path: PathBuf,
    /// The error of the system.
    #[source]
    pub source: io::Error,
}

/// Writes a new pair beside the one in use; returns the configuration with which it is loaded and verified.
///
/// # Errors
/// A file can't be written.
pub fn stage(
    config: &IdentityConfig,
    chain_pem: &str,
    key_pem: &SecretString,
) -> Result<IdentityConfig, InstallError> {
    let (certificate, key) = (next(&config.certificate), next(&config.key));
    // The key first: a certificate that waits alone is then one whose key is in place.
    write(&key, key_pem.expose_secret(), 0o600)?;
    write(&certificate, chain_pem, 0o644)?;
    Ok(IdentityConfig { certificate, key, ..config.clone() })
}

/// Puts the staged pair into use. Verify it before.
///
/// # Errors
/// A file can't be renamed; call [`recover`] before the next load.
pub fn install(config: &IdentityConfig) -> Result<(), InstallError> {
    rename(&config.key)?;
    rename(&config.certificate)
}

/// Removes a staged pair.
///
/// # Errors
/// A file can't be removed.
pub fn discard(config: &IdentityConfig) -> Result<(), InstallError> {
    // The certificate first: without it, nothing looks half installed.
    for path in [next(&config.certificate), next(&config.key)] {
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(InstallError { path, source }),
        }
    }
    Ok(())
}

/// Completes a replacement that a crash interrupted; must be called before an identity is loaded. Returns whether the
/// new pair was put into use.
///
/// # Errors
/// A file can't be renamed or removed.
pub fn recover(config: &IdentityConfig) -> Result<bool, InstallError> {
    if next(&config.certificate).exists() && !next(&config.key).exists() {
        rename(&config.certificate)?;
        return Ok(true);
    }
    // Staged, and perhaps never proven: requesting another is safer.
    discard(config).map(|()| false)
}

fn next(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".next");
    path.with_file_name(name)
}

/// Replaces a file, durably.
///
/// # Errors
/// It can't be written; the old one is unchanged.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), InstallError> {
    let failed = |source| InstallError { path: path.to_owned(), source };
    durable::write(path, text.as_bytes(), mode).map_err(failed)
}

fn rename(path: &Path) -> Result<(), InstallError> {
    durable::rename(&next(path), path).map_err(|source| InstallError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn pair(dir: &Path) -> IdentityConfig {
        let config = IdentityConfig {
            certificate: dir.join("cert.pem"),
            key: dir.join("key.pem"),
            root: dir.join("root.pem"),
            crl: None,
        };
        fs::write(&config.certificate, "old certificate").unwrap();
        fs::write(&config.key, "old key").unwrap();
        config
    }

    fn read(config: &IdentityConfig) -> (String, String) {
        (fs::read_to_string(&config.certificate).unwrap(), fs::read_to_string(&config.key).unwrap())
    }

    /// Crashes after each step, then recovers.
    #[test]
    fn a_crash_at_any_step_leaves_one_whole_pair() {
        type Step = fn(&IdentityConfig);
        let steps: [Step; 4] = [
            |config| write(&next(&config.key), "new key", 0o600).unwrap(),
            |config| write(&next(&config.certificate), "new certificate", 0o644).unwrap(),
            |config| rename(&config.key).unwrap(),
            |config| rename(&config.certificate).unwrap(),
        ];
        for done in 0..=steps.len() {
            let dir = tempfile::tempdir().unwrap();
            let config = pair(dir.path());
            steps[..done].iter().for_each(|step| step(&config));
            let renewed = recover(&config).unwrap();
            assert_eq!(renewed, done == 3);
            let which = if done < 3 { "old" } else { "new" };
            assert_eq!(read(&config), (format!("{which} certificate"), format!("{which} key")), "{done}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "{done}");
        }
    }

    #[test]
    fn what_is_staged_is_installed_or_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let config = pair(dir.path());
        let staged = stage(&config, "c", &"k".into()).unwrap();
        assert_eq!(read(&staged), ("c".to_owned(), "k".to_owned()));
        let mode = fs::metadata(&staged.key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        discard(&config).unwrap();
        assert_eq!(read(&config).0, "old certificate");
        stage(&config, "c", &"k".into()).unwrap();
        install(&config).unwrap();
        assert_eq!(read(&config), ("c".to_owned(), "k".to_owned()));
        assert!(!recover(&config).unwrap());
    }
}
