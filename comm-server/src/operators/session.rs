//! The cookies of a login, and the CSRF token.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Extension;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::AppendHeaders;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};

use runtime::listener::Peer;

use super::OperatorState;
use super::error::ApiError;
use crate::services::{KNOWN_S, LoggedIn, Login, Origin, Session};

/// Name of the cookie. With this prefix, a browser accepts it only from this host over HTTPS (RFC 6265bis §4.1.3.2).
pub(super) const COOKIE: &str = "__Host-platen_session";

/// Name of the cookie by which a browser is recognised.
const DEVICE_COOKIE: &str = "__Host-platen_device";

/// Header that a changing request of the API carries.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Whether `given` is the session's CSRF token, compared in constant time.
#[must_use]
pub(super) fn is_own_csrf(own: &str, given: &str) -> bool {
    !own.is_empty() && verify_slices_are_equal(own.as_bytes(), given.as_bytes()).is_ok()
}

/// Whether the browser marks the request as cross-site.
#[must_use]
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}

/// The cookie of a new session.
#[must_use]
pub(super) fn cookie(token: String) -> Cookie<'static> {
    Cookie::build((COOKIE, token)).path("/").http_only(true).secure(true).same_site(SameSite::Strict).build()
}

/// The cookie that deletes a session's cookie.
#[must_use]
pub(super) fn ended_cookie() -> Cookie<'static> {
    let mut ended = cookie(String::new());
    ended.make_removal();
    ended
}

/// The cookies of a login: that of the session, and that by which the browser is recognised later.
pub(super) type LoginCookies = AppendHeaders<Vec<(HeaderName, String)>>;

/// The origin of a login: address and browser.
fn origin_of<'a>(
    peer: Option<&Extension<Peer>>,
    headers: &'a HeaderMap,
    device: Option<&'a str>,
) -> Origin<'a> {
    // Without a listener (in tests) there is no peer.
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(peer)| peer.address.ip());
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Origin { address, device, agent }
}

fn cookies(begun: &LoggedIn) -> LoginCookies {
    let session = cookie(begun.token.clone()).to_string();
    let all = [Some(session), begun.device.as_deref().map(device_cookie)];
    AppendHeaders(all.into_iter().flatten().map(|cookie| (header::SET_COOKIE, cookie)).collect())
}

/// Continues a login with the code of the second factor, and prepares the cookies.
pub(super) async fn enter_code(
    state: &OperatorState,
    peer: Option<Extension<Peer>>,
    headers: &HeaderMap,
    session: &Session,
    code: &str,
) -> Result<(LoggedIn, LoginCookies), ApiError> {
    let device = device_of(headers);
    let origin = origin_of(peer.as_ref(), headers, device.as_deref());
    let begun = state.services.second_factors.enter(session, origin, code).await?;
    let cookies = cookies(&begun);
    Ok((begun, cookies))
}

/// Logs in, and prepares the cookies.
pub(super) async fn log_in(
    state: &OperatorState,
    peer: Option<Extension<Peer>>,
    headers: &HeaderMap,
    user: &str,
    password: &str,
) -> Result<(LoggedIn, LoginCookies), ApiError> {
    let device = device_of(headers);
    let origin = origin_of(peer.as_ref(), headers, device.as_deref());
    let begun = state.services.users.log_in(Login { origin, user, password }).await?;
    let cookies = cookies(&begun);
    Ok((begun, cookies))
}

/// The session token of a request.
#[must_use]
pub(super) fn token_of(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(COOKIE).map(|cookie| cookie.value().to_owned())
}

/// `Set-Cookie` of a browser that is recognised from now on.
#[must_use]
pub(super) fn device_cookie(value: &str) -> String {
    format!("{DEVICE_COOKIE}={value}; Path=/; Max-Age={KNOWN_S}; HttpOnly; Secure; SameSite=Strict")
}

/// The value by which a browser can be recognised.
#[must_use]
pub(super) fn device_of(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(DEVICE_COOKIE).map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_has_every_flag() {
        let text = cookie("abc".to_owned()).to_string();
        for flag in ["__Host-platen_session=abc", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
            assert!(text.contains(flag), "{text}");
        }
        assert!(ended_cookie().to_string().contains("Max-Age=0"));
    }

    #[test]
    fn the_device_cookie_has_every_flag_and_is_read_back() {
        let text = device_cookie("1.2.3");
        for flag in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=15552000"] {
            assert!(text.contains(flag), "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, text.split(';').next().unwrap().parse().unwrap());
        assert_eq!(device_of(&headers).as_deref(), Some("1.2.3"));
        assert_eq!(device_of(&HeaderMap::new()), None);
    }

    #[test]
    fn only_the_own_csrf_token_passes() {
        assert!(is_own_csrf("aa", "aa"));
        for forged in ["", "a", "ab", "aaa"] {
            assert!(!is_own_csrf("aa", forged));
        }
        assert!(!is_own_csrf("", ""));
    }

    #[test]
    fn a_request_that_another_site_made_is_known() {
        let from = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", value.parse().unwrap());
            is_from_elsewhere(&headers)
        };
        assert!(from("cross-site") && from("same-site"));
        assert!(!from("same-origin") && !from("none") && !is_from_elsewhere(&HeaderMap::new()));
    }
}
