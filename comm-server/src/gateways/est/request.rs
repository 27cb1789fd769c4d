//! The parts of an enrollment request: RFC 7030 §4.2.1.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use data_encoding::BASE64;
use pki::est::{self, Csr, InvalidBody};
use pki::token::TOKEN_BYTES;
use secrecy::SecretString;

use super::answer::Refused;

/// The longest name before the token.
const USER_BYTES: usize = 128;

/// Media type of a request.
const PKCS10: &str = "application/pkcs10";

/// A body of at most [`est::EST_BYTES`], refused in the same form as all else.
pub(super) struct EstBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for EstBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Refused::Body(InvalidBody::TooLarge),
                _ => Refused::Broken,
            })?;
        Ok(Self(body))
    }
}

/// The key of the requested certificate.
pub(super) fn csr(headers: &HeaderMap, body: &Bytes) -> Result<Csr, Refused> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(PKCS10) {
        return Err(Refused::MediaType);
    }
    Ok(Csr::parse(&est::from_base64(body)?)?)
}

/// The name and the token, by HTTP Basic (RFC 7617).
pub(super) fn token(headers: &HeaderMap) -> Result<(String, SecretString), Refused> {
    let given = headers.get(header::AUTHORIZATION).ok_or(Refused::NoToken)?;
    let given = given.to_str().ok().filter(|given| given.len() < 2 * (TOKEN_BYTES + USER_BYTES));
    let (scheme, credentials) = given.and_then(|given| given.split_once(' ')).ok_or(Refused::NoToken)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refused::NoToken);
    }
    let decoded = BASE64.decode(credentials.trim().as_bytes()).map_err(|_| Refused::NoToken)?;
    let text = String::from_utf8(decoded).map_err(|_| Refused::NoToken)?;
    let (user, token) = text.split_once(':').ok_or(Refused::NoToken)?;
    Ok((user.to_owned(), token.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_token_comes_by_basic_authentication_alone() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        let (user, secret) = token(&headers(&basic("gw-1:platen1-AA:B"))).unwrap();
        assert_eq!((user.as_str(), secret.expose_secret()), ("gw-1", "platen1-AA:B"));
        assert!(token(&headers(&basic(":t").replace("Basic", "bAsIc"))).is_ok());
        for wrong in ["", "Basic", "Basic !!", "Bearer x", &basic("no colon"), &basic(&"x".repeat(3000))] {
            assert!(token(&headers(wrong)).is_err(), "{wrong}");
        }
        assert!(token(&HeaderMap::new()).is_err());
    }
}
