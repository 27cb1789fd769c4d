//! Profile files: the built-in ones (`gateway/profiles`), and those of a directory, which replace the ones of the
//! same vendor.

use std::path::{Path, PathBuf};

use gateway_core::reading::profiles::{Profile, ProfileError, Profiles};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// The built-in files: name and content.
        pub(crate) const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../profiles/", $name)))),+];
    };
}

built_in!(
    "brother.yaml",
    "canon.yaml",
    "dell.yaml",
    "epson.yaml",
    "fuji.yaml",
    "hp.yaml",
    "konica.yaml",
    "kyocera.yaml",
    "lexmark.yaml",
    "oki.yaml",
    "pantum.yaml",
    "ricoh.yaml",
    "samsung.yaml",
    "sharp.yaml",
    "toshiba.yaml",
    "xerox.yaml",
    "zebra.yaml",
);

/// Maximum number of profiles in a directory.
const FILES: usize = 256;

/// Why profiles can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// A file or the directory can't be read.
    #[error("profiles: {} can't be read", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The directory has too many files.
    #[error("profiles: {} holds more than {FILES} files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not a valid profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// The built-in profiles and those of a directory.
///
/// # Errors
/// A file can't be read or is invalid: the error names it, with path, line and column.
pub fn load(directory: Option<&Path>) -> Result<Profiles, ProfilesError> {
    let mut profiles = Vec::new();
    for (name, yaml) in BUILT_IN {
        profiles.push(Profile::parse(name, yaml)?);
    }
    if let Some(directory) = directory {
        for path in files(directory)? {
            profiles.push(file(&path)?);
        }
    }
    Ok(Profiles::new(profiles))
}

/// Loads one profile file.
///
/// # Errors
/// It can't be read or is invalid.
pub(crate) fn file(path: &Path) -> Result<Profile, ProfilesError> {
    let yaml = std::fs::read_to_string(path)
        .map_err(|source| ProfilesError::Unreadable { path: path.to_owned(), source })?;
    Ok(Profile::parse(&path.display().to_string(), &yaml)?)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, ProfilesError> {
    let unreadable = |source| ProfilesError::Unreadable { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            paths.push(path);
        }
        if paths.len() > FILES {
            return Err(ProfilesError::TooMany { path: directory.to_owned() });
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_valid_and_every_file_is_built_in() {
        let profiles = load(None).unwrap();
        assert_eq!(profiles.iter().count(), BUILT_IN.len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        assert_eq!(files(&folder).unwrap().len(), BUILT_IN.len());
        let mut vendors: Vec<_> = profiles.iter().map(|profile| profile.vendor.as_str()).collect();
        vendors.sort_unstable();
        assert_eq!(vendors, wire::vendors::VENDORS, "images are published for the vendors of profiles");
    }

    #[test]
    fn a_vendors_service_code_is_found_and_what_looks_like_one_is_not() {
        let profiles = load(None).unwrap();
        for (vendor, text, code) in [
            ("ricoh", "Functional problem SC542", Some("SC542")),
            ("ricoh", "Scanner ready", None),
            ("kyocera", "Call service person. C7101", Some("C7101")),
            ("kyocera", "C0800", Some("C0800")),
            ("kyocera", "TASKalfa C3350", None),
            ("konica", "Malfunction. Trouble code C-2557", Some("C-2557")),
            ("konica", "bizhub C3350", None),
            ("canon", "Error E602-0001", Some("E602-0001")),
            ("sharp", "Call for service. Code: H3-00", Some("H3-00")),
            ("sharp", "MX-3140N", None),
            ("xerox", "Fault 116-324", Some("116-324")),
            ("xerox", "555-123", None),
            ("hp", "50.2 Fuser error", Some("50.2")),
            ("hp", "13.20.00 Jam error", None),
            ("lexmark", "925.01 Service fan stalled", Some("925.01")),
            ("brother", "Machine Error 46", Some("46")),
            ("oki", "Service call 168: error", Some("168")),
        ] {
            let codes = &profiles.by_vendor(vendor).unwrap().service_codes;
            let found = codes.iter().find_map(|pattern| pattern.first(text));
            assert_eq!(found.as_deref(), code, "{vendor}: {text}");
        }
    }

    #[test]
    fn a_directory_replaces_a_vendor_and_its_errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("r.yaml"), "vendor: ricoh\nabout: own\nmatch: [{sys_descr: x}]\n")
            .unwrap();
        assert_eq!(load(Some(folder.path())).unwrap().by_vendor("ricoh").unwrap().about, "own");
        std::fs::write(folder.path().join("s.yaml"), "vendor: s\nmatch: 1\n").unwrap();
        let error = load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("s.yaml") && error.contains("line 2"), "{error}");
    }
}
