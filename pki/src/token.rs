//! One-time enrollment tokens: pure. The secret and the time come from outside.
//!
//! A token is one word that a person copies: `platen1-` and its content in base64url. It names the gateway, contains
//! the fingerprint of the authority's root for the first contact, has an expiry and a secret. The server stores a
//! [`TokenRecord`], which doesn't contain the secret. The server must ensure that a token is used only once.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::spiffe::{InvalidSpiffeId, Party, SpiffeId};

/// The prefix of a token.
const PREFIX: &str = "platen1-";

/// Bytes of the secret: 192 bits.
pub(crate) const SECRET_BYTES: usize = 24;

/// Bytes of the checksum, which detects typing errors.
const CHECK_BYTES: usize = 4;

const FIXED_BYTES: usize = 8 + 32 + SECRET_BYTES + 2;

/// The longest token, bytes.
pub const TOKEN_BYTES: usize = 400;

/// A token, as given to the gateway.
#[derive(Clone)]
pub struct Token {
    /// The gateway that it enrolls.
    pub gateway: SpiffeId,
    /// SHA-256 of the root's certificate.
    pub root_sha256: [u8; 32],
    /// When it expires.
    pub expires_at: Timestamp,
    text: SecretString,
}

/// A token, as stored by the server: a line of JSON without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// SHA-256 of the token, hexadecimal: the key of the record.
    pub token_sha256: String,
    /// The gateway that it enrolls.
    pub gateway: SpiffeId,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was created.
    pub made_at: Timestamp,
    /// Whether the gateway may have a valid certificate: it is revoked when the token is used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// Id of the dealer that the gateway will belong to, on a server with several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealer: Option<String>,
}

/// Why a text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It doesn't have the form of a token.
    #[error("this is not an enrollment token: expected one word that begins with {PREFIX}")]
    Form,
    /// A part is missing or was changed.
    #[error("the enrollment token is damaged: copy it again, completely")]
    Damaged,
    /// The gateway's name is invalid.
    #[error("the enrollment token names no gateway")]
    Name(#[source] InvalidSpiffeId),
    /// It names another kind of party.
    #[error("an enrollment token is for a gateway, not for {0}")]
    Kind(SpiffeId),
}

/// Why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejection {
    /// It isn't the token of the record.
    #[error("the enrollment token is unknown")]
    Unknown,
    /// It has expired.
    #[error("the enrollment token expired at {expired_at}: make a new one with `platen-pki token`")]
    Expired {
        /// When it expired.
        expired_at: Timestamp,
    },
}

/// Creates a token and its record from a random secret.
///
/// # Errors
/// The party is not a gateway.
pub(crate) fn mint(
    gateway: &SpiffeId,
    root_sha256: [u8; 32],
    made_at: Timestamp,
    expires_at: Timestamp,
    secret: &[u8; SECRET_BYTES],
) -> Result<(Token, TokenRecord), InvalidToken> {
    let Party::Gateway(name) = &gateway.party else { return Err(InvalidToken::Kind(gateway.clone())) };
    // Whole seconds: what the token can say.
    let expires_at = Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at);
    let mut payload = expires_at.as_second().to_be_bytes().to_vec();
    payload.extend_from_slice(&root_sha256);
    payload.extend_from_slice(secret);
    for part in [gateway.trust_domain.as_str(), name] {
        payload.extend(length_of(part));
        payload.extend_from_slice(part.as_bytes());
    }
    payload.extend_from_slice(&check_sum(&payload));
    let text = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&payload));
    let record = TokenRecord {
        token_sha256: hex::encode(sha256(text.as_bytes())),
        gateway: gateway.clone(),
        expires_at,
        made_at,
        replaces: false,
        dealer: None,
    };
    Ok((Token { gateway: gateway.clone(), root_sha256, expires_at, text: text.into() }, record))
}

/// Parses a token.
///
/// # Errors
/// It isn't a token, or is damaged.
pub fn parse(text: &str) -> Result<Token, InvalidToken> {
    let text = text.trim();
    let encoded =
        text.strip_prefix(PREFIX).filter(|_| text.len() <= TOKEN_BYTES).ok_or(InvalidToken::Form)?;
    let payload = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| InvalidToken::Damaged)?;
    let (body, check) = payload.split_last_chunk::<CHECK_BYTES>().ok_or(InvalidToken::Damaged)?;
    if check_sum(body) != *check || body.len() < FIXED_BYTES {
        return Err(InvalidToken::Damaged);
    }
    let (expires, rest) = body.split_first_chunk::<8>().ok_or(InvalidToken::Damaged)?;
    let (root_sha256, rest) = rest.split_first_chunk::<32>().ok_or(InvalidToken::Damaged)?;
    let (_, rest) = rest.split_first_chunk::<SECRET_BYTES>().ok_or(InvalidToken::Damaged)?;
    let (domain, rest) = name(rest)?;
    let (gateway, rest) = name(rest)?;
    if !rest.is_empty() {
        return Err(InvalidToken::Damaged);
    }
    let gateway = format!("spiffe://{domain}/gateway/{gateway}").parse().map_err(InvalidToken::Name)?;
    let expires_at =
        Timestamp::from_second(i64::from_be_bytes(*expires)).map_err(|_| InvalidToken::Damaged)?;
    Ok(Token { gateway, root_sha256: *root_sha256, expires_at, text: text.into() })
}

fn length_of(name: &str) -> Option<u8> {
    // SPIFFE names have at most 64 bytes.
    u8::try_from(name.len()).ok()
}

fn name(bytes: &[u8]) -> Result<(&str, &[u8]), InvalidToken> {
    let (length, rest) = bytes.split_first().ok_or(InvalidToken::Damaged)?;
    let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(InvalidToken::Damaged)?;
    Ok((std::str::from_utf8(name).map_err(|_| InvalidToken::Damaged)?, rest))
}

/// Whether the presented text is the token of the record and has not expired: compared in constant time. Every byte
/// counts, so that no field of the token can be changed.
///
/// # Errors
/// It is another token, or has expired.
pub fn verify(record: &TokenRecord, presented: &str, now: Timestamp) -> Result<(), TokenRejection> {
    let presented = hex::encode(sha256(presented.trim().as_bytes()));
    verify_slices_are_equal(record.token_sha256.as_bytes(), presented.as_bytes())
        .map_err(|_| TokenRejection::Unknown)?;
    if now >= record.expires_at {
        return Err(TokenRejection::Expired { expired_at: record.expires_at });
    }
    Ok(())
}

/// The key under which the server stores the record of a token.
#[must_use]
pub fn record_name(presented: &str) -> String {
    hex::encode(sha256(presented.trim().as_bytes()))
}

impl Token {
    /// The text of the token. It is a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} until {})", self.gateway, self.expires_at)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn check_sum(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = sha256(bytes);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn minted(name: &str, secret: u8) -> (Token, TokenRecord) {
        let gateway = format!("spiffe://platen.example/gateway/{name}").parse().unwrap();
        mint(&gateway, [7; 32], at(1_000), at(2_000), &[secret; SECRET_BYTES]).unwrap()
    }

    #[test]
    fn a_token_names_its_purpose_and_the_record_has_no_secret() {
        let (token, record) = minted("gw-1", 1);
        let read = parse(&format!("  {}\n", token.expose())).unwrap();
        assert_eq!(read.gateway.to_string(), "spiffe://platen.example/gateway/gw-1");
        assert_eq!((read.root_sha256, read.expires_at), ([7; 32], at(2_000)));
        assert_eq!(record.token_sha256, record_name(token.expose()));
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains(token.expose()) && !line.contains('\n'));
        assert_eq!(serde_json::from_str::<TokenRecord>(&line).unwrap(), record);
        assert!(!format!("{token:?}").contains(token.expose()));
        let word = token.expose().bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
        assert!(word && token.expose().len() < 140, "{}", token.expose());
    }

    #[test]
    fn the_longest_names_fit() {
        let gateway = format!("spiffe://{}/gateway/{}", "t".repeat(63), "g".repeat(64)).parse().unwrap();
        let (token, _) = mint(&gateway, [7; 32], at(0), at(1), &[9; SECRET_BYTES]).unwrap();
        assert_eq!(parse(token.expose()).unwrap().gateway, gateway);
        assert!(token.expose().len() <= TOKEN_BYTES);
    }

    #[test]
    fn a_token_enrolls_its_gateway_until_it_expires() {
        let (token, record) = minted("gw-1", 1);
        let (other_secret, _) = minted("gw-1", 2);
        let (other_gateway, _) = minted("gw-2", 1);
        let expired = Err(TokenRejection::Expired { expired_at: at(2_000) });
        let unknown = Err(TokenRejection::Unknown);
        for (presented, now, expected) in [
            (token.expose(), 1_999, Ok(())),
            (token.expose(), 2_000, expired),
            (token.expose(), 9_999, expired),
            (other_secret.expose(), 1_500, unknown),
            (other_gateway.expose(), 1_500, unknown),
            (other_gateway.expose(), 9_999, unknown),
            (PREFIX, 1_500, unknown),
            ("", 1_500, unknown),
        ] {
            assert_eq!(verify(&record, presented, at(now)), expected, "{presented} at {now}");
        }
    }

    #[test]
    fn a_text_that_is_no_token_is_distinguished_from_a_damaged_one() {
        let (token, _) = minted("gw-1", 1);
        let whole = token.expose();
        let short = whole.strip_suffix(|_: char| true).unwrap();
        let changed = whole.replacen("A", "B", 1);
        let long = format!("{PREFIX}{}", "A".repeat(TOKEN_BYTES));
        for (text, expected) in [
            ("", InvalidToken::Form),
            ("hunter2", InvalidToken::Form),
            (long.as_str(), InvalidToken::Form),
            (PREFIX, InvalidToken::Damaged),
            ("platen1-AAAA", InvalidToken::Damaged),
            ("platen1-****", InvalidToken::Damaged),
            (short, InvalidToken::Damaged),
            (&changed, InvalidToken::Damaged),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
        let operator = "spiffe://t/operator/o".parse().unwrap();
        let refused = mint(&operator, [7; 32], at(0), at(1), &[0; SECRET_BYTES]).unwrap_err();
        assert!(matches!(refused, InvalidToken::Kind(_)), "{refused}");
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics_and_no_change_passes(at_byte in 8_usize..130, byte: u8, text in "\\PC{0,40}") {
            drop((parse(&text), parse(&format!("{PREFIX}{text}"))));
            let (token, record) = minted("gw-1", 1);
            let mut bytes = token.expose().as_bytes().to_vec();
            if let Some(place) = bytes.get_mut(at_byte) {
                *place = byte;
            }
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            if changed.trim() != token.expose() {
                proptest::prop_assert!(parse(&changed).is_err());
                proptest::prop_assert!(verify(&record, &changed, at(1_500)).is_err());
            }
        }
    }
}
