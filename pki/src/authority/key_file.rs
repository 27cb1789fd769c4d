//! The root's key on disk: PKCS#8, encrypted by PBES2 (RFC 8018 §6.2) when there is a passphrase.
//!
//! PBKDF2 with HMAC-SHA-256 and AES-256-CBC: what `openssl pkey` reads and writes as well, so that the root is
//! never at the mercy of this program.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rcgen::KeyPair;
use secrecy::ExposeSecret as _;
use yasna::models::ObjectIdentifier;

use super::folder::pem_block;
use super::{AuthorityError, PASSPHRASE_BYTES, Passphrase};

/// OWASP's figure for PBKDF2 with HMAC-SHA-256 (2023).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).expect("it isn't zero");

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
    Ok(pem_block("ENCRYPTED PRIVATE KEY", &der))
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
