//! The root's key on disk: PKCS#8, encrypted by PBES2 (RFC 8018 §6.2) when there is a passphrase.
//!
//! PBKDF2 with HMAC-SHA-256 and AES-256-CBC: what `openssl pkey` reads and writes as well, so that the root can be
//! used without this program.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rcgen::KeyPair;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader};

use super::{AuthorityError, PASSPHRASE_BYTES, Passphrase};
use crate::pem_file::pem_block;

/// OWASP's figure for PBKDF2 with HMAC-SHA-256 (2023).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).expect("it isn't zero");

/// Upper limit, so that a forged file can't keep the machine busy.
const ITERATIONS_MAX: NonZeroU32 = NonZeroU32::new(10_000_000).expect("it isn't zero");

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

const PBES2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 13];
const PBKDF2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 12];
const HMAC_WITH_SHA256: &[u64] = &[1, 2, 840, 113_549, 2, 9];
const AES256_CBC: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 1, 42];

pub(super) fn to_pem(key: &KeyPair, passphrase: &Passphrase) -> Result<String, AuthorityError> {
    let Passphrase::Given(passphrase) = passphrase else {
        return Ok(key.serialize_pem());
    };
    let passphrase = passphrase.expose_secret();
    if passphrase.len() < PASSPHRASE_BYTES {
        return Err(AuthorityError::ShortPassphrase);
    }
    let failed = |_: Unspecified| AuthorityError::Crypto("the root's key can't be encrypted".to_owned());
    let der = encrypt(key.serialized_der(), passphrase.as_bytes()).map_err(failed)?;
    Ok(pem_block(ENCRYPTED, &der))
}

fn encrypt(plain: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut salt = [0_u8; 16];
    SystemRandom::new().fill(&mut salt)?;
    let mut derived = [0_u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, passphrase, &mut derived);
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &derived)?)?;
    let mut sealed = plain.to_vec();
    let context = key.encrypt(&mut sealed)?;
    let iv: &[u8] = (&context).try_into()?;
    Ok(encrypted_private_key_info(&salt, iv, &sealed))
}

/// Why a key file is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is encrypted, and there is no passphrase.
    PassphraseNeeded,
    /// It is encrypted with another passphrase.
    WrongPassphrase,
    /// It is damaged, or of another form.
    Damaged(&'static str),
}

/// Whether a key file needs a passphrase.
pub(super) fn is_encrypted(pem: &[u8]) -> bool {
    pem::parse(pem).is_ok_and(|block| block.tag() == ENCRYPTED)
}

/// Reads a key that [`to_pem`] or `openssl pkcs8 -topk8 -v2 aes-256-cbc` wrote.
pub(super) fn from_pem(pem: &[u8], passphrase: Option<&SecretString>) -> Result<KeyPair, Unreadable> {
    let block = pem::parse(pem).map_err(|_| Unreadable::Damaged("it is not PEM"))?;
    if block.tag() != ENCRYPTED {
        let key =
            PrivateKeyDer::from_pem_slice(pem).map_err(|_| Unreadable::Damaged("it has no private key"))?;
        return KeyPair::try_from(&key).map_err(|_| Unreadable::Damaged("its private key can't be used"));
    }
    let passphrase = passphrase.ok_or(Unreadable::PassphraseNeeded)?;
    let form = "it is not encrypted by PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC";
    let sealed =
        yasna::parse_der(block.contents(), parse_encrypted).map_err(|_| Unreadable::Damaged(form))?;
    let iterations = NonZeroU32::new(sealed.iterations).filter(|count| *count <= ITERATIONS_MAX);
    let iterations = iterations.ok_or(Unreadable::Damaged("its iteration count is out of bounds"))?;
    let plain = decrypt(sealed, iterations, passphrase.expose_secret().as_bytes());
    let plain = plain.map_err(|_| Unreadable::WrongPassphrase)?;
    // One wrong passphrase in 256 leaves a padding that looks right.
    KeyPair::try_from(plain).map_err(|_| Unreadable::WrongPassphrase)
}

struct Sealed {
    salt: Vec<u8>,
    iterations: u32,
    iv: Vec<u8>,
    bytes: Vec<u8>,
}

fn decrypt(mut sealed: Sealed, iterations: NonZeroU32, passphrase: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut derived = [0_u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &sealed.salt, passphrase, &mut derived);
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &derived)?)?;
    let iv: [u8; 16] = sealed.iv.as_slice().try_into().map_err(|_| Unspecified)?;
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    key.decrypt(&mut sealed.bytes, context).map(|plain| plain.to_vec())
}

fn parse_encrypted(reader: BERReader<'_, '_>) -> ASN1Result<Sealed> {
    let must = |found: ObjectIdentifier, expected: &[u64]| {
        let same = found == ObjectIdentifier::from_slice(expected);
        if same { Ok(()) } else { Err(ASN1Error::new(ASN1ErrorKind::Invalid)) }
    };
    reader.read_sequence(|info| {
        let (salt, iterations, iv) = info.next().read_sequence(|algorithm| {
            must(algorithm.next().read_oid()?, PBES2)?;
            algorithm.next().read_sequence(|parameters| {
                let (salt, iterations) = parameters.next().read_sequence(|derivation| {
                    must(derivation.next().read_oid()?, PBKDF2)?;
                    derivation.next().read_sequence(|pbkdf2| {
                        let (salt, iterations) = (pbkdf2.next().read_bytes()?, pbkdf2.next().read_u32()?);
                        pbkdf2.read_optional(|length| length.read_u32())?;
                        pbkdf2.next().read_sequence(|prf| {
                            must(prf.next().read_oid()?, HMAC_WITH_SHA256)?;
                            prf.next().read_null()
                        })?;
                        Ok((salt, iterations))
                    })
                })?;
                let iv = parameters.next().read_sequence(|scheme| {
                    must(scheme.next().read_oid()?, AES256_CBC)?;
                    scheme.next().read_bytes()
                })?;
                Ok((salt, iterations, iv))
            })
        })?;
        Ok(Sealed { salt, iterations, iv, bytes: info.next().read_bytes()? })
    })
}

/// `EncryptedPrivateKeyInfo` (RFC 5958 §3).
fn encrypted_private_key_info(salt: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    let oid = ObjectIdentifier::from_slice;
    yasna::construct_der(|writer| {
        writer.write_sequence(|info| {
            info.next().write_sequence(|algorithm| {
                algorithm.next().write_oid(&oid(PBES2));
                algorithm.next().write_sequence(|parameters| {
                    parameters.next().write_sequence(|derivation| {
                        derivation.next().write_oid(&oid(PBKDF2));
                        derivation.next().write_sequence(|pbkdf2| {
                            pbkdf2.next().write_bytes(salt);
                            pbkdf2.next().write_u32(ITERATIONS.get());
                            pbkdf2.next().write_sequence(|prf| {
                                prf.next().write_oid(&oid(HMAC_WITH_SHA256));
                                prf.next().write_null();
                            });
                        });
                    });
                    parameters.next().write_sequence(|scheme| {
                        scheme.next().write_oid(&oid(AES256_CBC));
                        scheme.next().write_bytes(iv);
                    });
                });
            });
            info.next().write_bytes(sealed);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encrypted_is_read_back_with_its_passphrase_only() {
        let key = KeyPair::generate().unwrap();
        let (right, wrong) = ("correct horse".into(), "battery staple".into());
        let sealed = to_pem(&key, &Passphrase::Given("correct horse".into())).unwrap();
        assert!(is_encrypted(sealed.as_bytes()));
        let read = |passphrase| from_pem(sealed.as_bytes(), passphrase);
        assert_eq!(read(Some(&right)).unwrap().serialized_der(), key.serialized_der());
        assert_eq!(read(Some(&wrong)).unwrap_err(), Unreadable::WrongPassphrase);
        assert_eq!(read(None).unwrap_err(), Unreadable::PassphraseNeeded);
        let plain = to_pem(&key, &Passphrase::InsecureNone).unwrap();
        assert!(!is_encrypted(plain.as_bytes()));
        assert_eq!(from_pem(plain.as_bytes(), None).unwrap().serialized_der(), key.serialized_der());
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let passphrase = "correct horse".into();
        for damaged in
            ["", "x", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"]
        {
            let verdict = from_pem(damaged.as_bytes(), Some(&passphrase));
            assert!(matches!(verdict, Err(Unreadable::Damaged(_))), "{damaged}");
        }
        let endless = pem_block(ENCRYPTED, &with_iterations(u32::MAX));
        let verdict = from_pem(endless.as_bytes(), Some(&passphrase));
        assert_eq!(verdict.unwrap_err(), Unreadable::Damaged("its iteration count is out of bounds"));
    }

    fn with_iterations(count: u32) -> Vec<u8> {
        let der = encrypted_private_key_info(&[0; 16], &[0; 16], &[0; 16]);
        let (from, to) = (
            yasna::construct_der(|w| w.write_u32(ITERATIONS.get())),
            yasna::construct_der(|w| w.write_u32(count)),
        );
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        let grown = to.len() - from.len();
        let mut changed = [&der[..at], &to, &der[at + from.len()..]].concat();
        // Every sequence around it has a length of one byte.
        let sequences: Vec<usize> =
            (0..at).filter(|i| changed[*i] == 0x30 && usize::from(changed[i + 1]) + i + 2 > at).collect();
        for i in sequences {
            changed[i + 1] += u8::try_from(grown).unwrap();
        }
        changed
    }
}
