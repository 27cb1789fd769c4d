//! Addresses of pages and elements.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use wire::ids::{DeviceId, GatewayId};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A segment of a path or a value of a query, percent-encoded: device ids contain `:` and `/`.
pub(super) fn segment(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// An address with those values of its query that are not empty.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    let mut joint = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(joint);
        text.push_str(&format!("{name}={}", segment(value)));
        joint = '&';
    }
    text
}

/// The address of a device's page.
pub(super) fn device_page(gateway: &GatewayId, device: &DeviceId) -> String {
    format!("/devices/{}/{}", segment(gateway.as_str()), segment(device.as_str()))
}

/// An id for an element of a page. It is the same at each refresh, so that the focus is kept.
pub(super) fn element(kind: &str, parts: &[&str]) -> String {
    let joined = parts.join("-");
    let plain = joined.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    format!("{kind}-{}", plain.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_way_through_an_address() {
        assert_eq!(
            device_page(&"gw-1".parse().unwrap(), &"ricoh:E1/7".parse().unwrap()),
            "/devices/gw-1/ricoh%3AE1%2F7"
        );
        assert_eq!(address("/", &[("q", "a b&c"), ("page", "")]), "/?q=a%20b%26c");
        assert_eq!(element("d", &["gw.1", "ricoh:E1/7"]), "d-gw-1-ricoh-E1-7");
    }
}
