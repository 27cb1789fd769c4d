//! Profile files, and the reading of a device with an accepted profile.

use std::sync::Arc;

use gateway_core::reading::ReadScope;
use gateway_core::reading::profiles::{Profile, Profiles, SystemIdentity};

use crate::reading::{check, read};
use crate::tape::Tape;

/// The responses of the device: a value of each kind, repeatedly.
const ANSWERS: [u8; 4_096] = answers();

/// The input: a profile's YAML.
///
/// # Panics
/// An error doesn't name the file, or an accepted profile breaks a reading.
pub fn profile(data: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(data) else { return };
    let profile = match Profile::parse("given.yaml", yaml) {
        Ok(profile) => profile,
        Err(error) => return assert!(error.to_string().contains("given.yaml"), "{error}"),
    };
    let (objects, columns) = (profile.objects().to_vec(), profile.columns().to_vec());
    assert!(objects.is_sorted() && columns.is_sorted());
    let profiles = Arc::new(Profiles::new([profile]));
    for descr in [None, Some("RICOH IM C3000"), Some(yaml)] {
        for object in objects.iter().chain(&columns).take(8).map(Some).chain([None]) {
            let told = SystemIdentity { sys_object_id: object, sys_descr: descr, device_descr: descr };
            drop(profiles.select(&told));
        }
    }
    for scope in [ReadScope::Full, ReadScope::Status] {
        if let Some(finished) = read(Arc::clone(&profiles), scope, true, &mut Tape::new(&ANSWERS)) {
            check(&finished);
        }
    }
}

const fn answers() -> [u8; 4_096] {
    let mut answers = [0; 4_096];
    let mut at = 0;
    while at < answers.len() {
        // An answer with values, then values: small number, number, count, text of three octets.
        answers[at] = [9, 2, 7, 4, 9, 8, 3, b'4', b'2', b'9', 6, 3, 1, 5][at % 14];
        at += 1;
    }
    answers
}
