//! The page that a login returns to. It must be a page of this console.

use axum::http::{HeaderMap, Method, Uri, header};

use super::url::address;

/// Maximum length of a target, bytes.
const MAX_BYTES: usize = 1024;

/// Paths to which a login doesn't return.
const NO_PAGES: [&str; 5] = ["login", "logout", "password", "static", "api"];

/// The path and query of a page, checked: it begins with exactly one `/`, so a browser stays on this origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Accepts a target from a form or an address. The start page needs no target.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.split('?').next().unwrap_or_default();
        let first = path.strip_prefix('/')?.split('/').next().unwrap_or_default();
        // Visible ASCII only: no control, no space, nothing that a browser takes away or turns into a slash.
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>'));
        let sound = !path.contains("//") && !path.split('/').any(|part| part == "." || part == "..");
        let is_page = text != "/" && !NO_PAGES.contains(&first);
        (plain && sound && is_page && text.len() <= MAX_BYTES).then(|| Self(text.to_owned()))
    }

    /// The page of a request: its own path, or for a change the page whose form was sent.
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Self::parse(uri.path_and_query()?.as_str());
        }
        let from: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let own = uri.authority().map(|authority| authority.as_str()).or(host)?;
        (from.authority()?.as_str() == own).then(|| Self::parse(from.path_and_query()?.as_str()))?
    }

    /// Its path and query.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of a gate's page that returns to this page afterwards.
    pub(super) fn after(gate: &str, target: Option<&Self>) -> String {
        address(gate, &[("next", target.map_or("", Self::as_str))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_pages_of_this_console_are_returned_to() {
        let taken = [
            "/calls",
            "/?q=gw-1&state=offline",
            "/devices/gw-1/ricoh%3AE1%2F7",
            "/rollouts/01980000-0000-7000-8000-000000000001?page=a%2Cb",
            "/calls?next=https://evil.test/",
            "/%2F/evil.test",
        ];
        for target in taken {
            assert_eq!(ReturnTo::parse(target).as_ref().map(ReturnTo::as_str), Some(target));
        }
        let long = format!("/calls?page={}", "x".repeat(MAX_BYTES));
        let refused = [
            "",
            "/",
            "calls",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/calls\\..\\x",
            "https://evil.test/",
            "https:evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "?q=1",
            "#x",
            " /calls",
            "/ /evil.test",
            "/\t/evil.test",
            "/calls\r\nSet-Cookie: a=b",
            "/calls\n",
            "/\u{0}",
            "/caf\u{e9}",
            "/\u{2044}evil.test",
            "/./evil.test",
            "/.//evil.test",
            "/a/..//evil.test",
            "/a//b",
            "/../x",
            "/..",
            "/@evil.test\\x",
            "/calls#x",
            "/<script>",
            "/login",
            "/login?next=/calls",
            "/logout",
            "/password",
            "/api/v1/devices",
            "/static/console.css",
            "/api",
            &long,
        ];
        for target in refused {
            assert_eq!(ReturnTo::parse(target), None, "{target:?}");
        }
    }

    #[test]
    fn a_change_returns_to_the_page_of_its_form() {
        let of = |method: Method, uri: &str, from: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "platen.test:8444".parse().unwrap());
            if let Some(from) = from {
                headers.insert(header::REFERER, from.parse().unwrap());
            }
            ReturnTo::of(&method, &uri.parse().unwrap(), &headers).map(|target| target.0)
        };
        assert_eq!(of(Method::GET, "/calls?state=open", None).as_deref(), Some("/calls?state=open"));
        let form = "/devices/gw-1/a%3A1/commands";
        let page = Some("https://platen.test:8444/devices/gw-1/a%3A1");
        assert_eq!(of(Method::POST, form, page).as_deref(), Some("/devices/gw-1/a%3A1"));
        let http2 = format!("https://platen.test:8444{form}");
        assert_eq!(of(Method::POST, &http2, page).as_deref(), Some("/devices/gw-1/a%3A1"));
        for from in [
            None,
            Some("https://evil.test/calls"),
            Some("https://platen.test/calls"),
            Some("/calls"),
            Some("::"),
        ] {
            assert_eq!(of(Method::POST, form, from), None, "{from:?}");
        }
    }

    proptest! {
        #[test]
        fn a_browser_never_leaves_this_origin(text in "[/\\\\.a-z:@%?#\t\r\n 2Ffé]{0,24}") {
            let base = reqwest::Url::parse("https://platen.test/login").unwrap();
            if let Some(target) = ReturnTo::parse(&text) {
                let reached = base.join(target.as_str()).unwrap();
                prop_assert_eq!(reached.origin(), base.origin());
            }
        }
    }
}
