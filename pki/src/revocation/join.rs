//! Joins bundles of several authorities: each list is created where its authority's key is.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::list::List;
use super::succession::{Age, age};
use super::{BUNDLE_BYTES, BUNDLE_LISTS, CrlError};
use crate::pem_file::{self, pem_block, to_pem};
use crate::tolerance::Tolerance;

/// A bundle joined from several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The bundle, PEM.
    pub pem: String,
    /// A list of the bundle: its issuer's distinguished name, its number, and when the next one is due.
    pub lists: Vec<(String, String, Timestamp)>,
}

/// Joins bundles: of each authority the newest list, verified up to one of `roots`.
///
/// # Errors
/// A file can't be read, or one of its lists is damaged, not trusted, overdue or of the future.
pub fn join(
    files: &[PathBuf],
    roots: &[CertificateDer<'static>],
    now: Timestamp,
) -> Result<Joined, CrlError> {
    let mut newest: Vec<(List, CertificateRevocationListDer<'static>)> = Vec::new();
    let mut signers: Vec<CertificateDer<'static>> = Vec::new();
    for path in files {
        let (lists, certificates) = read(path, roots, now)?;
        for certificate in certificates {
            if !signers.contains(&certificate) {
                signers.push(certificate);
            }
        }
        for (list, der) in lists {
            match newest.iter_mut().find(|(known, _)| known.same_issuer(&list)) {
                Some(known) if known.0.number < list.number => *known = (list, der),
                Some(_) => {}
                None => newest.push((list, der)),
            }
        }
    }
    let mut pem: String = newest.iter().map(|(_, der)| pem_block("X509 CRL", der)).collect();
    pem.extend(signers.iter().map(|certificate| to_pem(certificate)));
    let lists = newest.iter().map(|(list, _)| {
        let next_update = Timestamp::from_second(list.validity.1).unwrap_or(Timestamp::MAX);
        (list.issuer_name.clone(), list.number.to_string(), next_update)
    });
    Ok(Joined { lists: lists.collect(), pem })
}

type Read = (Vec<(List, CertificateRevocationListDer<'static>)>, Vec<CertificateDer<'static>>);

fn read(path: &Path, roots: &[CertificateDer<'static>], now: Timestamp) -> Result<Read, CrlError> {
    let pem = pem_file::read_at_most(path, BUNDLE_BYTES)?;
    let ders: Vec<CertificateRevocationListDer<'static>> =
        pem_file::sections(path, &pem, "one or more revocation lists")?;
    if ders.len() > BUNDLE_LISTS {
        return Err(CrlError::TooMany { path: path.to_owned() });
    }
    let signers: Vec<CertificateDer<'static>> =
        pem_file::sections(path, &pem, "the certificate of the authority that signed the revocation list")?;
    let lists = ders.into_iter().zip(1..).map(|(der, number)| {
        let failed = |source| CrlError::List { path: path.to_owned(), number, source };
        let list = List::verified(&der, &signers, roots).map_err(failed)?;
        check_age(path, &list, now)?;
        Ok((list, der))
    });
    Ok((lists.collect::<Result<_, CrlError>>()?, signers))
}

fn check_age(path: &Path, list: &List, now: Timestamp) -> Result<(), CrlError> {
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let (path, issuer, number) = (path.to_owned(), list.issuer_name.clone(), list.number.to_string());
    match age(list.validity, now.as_second(), Tolerance::default()) {
        Age::Fresh => Ok(()),
        Age::Grace | Age::TooOld => {
            Err(CrlError::Overdue { path, issuer, number, next_update: at(list.validity.1) })
        }
        Age::Future => Err(CrlError::Future { path, issuer, number, this_update: at(list.validity.0) }),
    }
}
