//! Choices of a form, and addresses with their query.

use crate::operators::refused::Refused;

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: String,
    pub(super) chosen: bool,
}

/// Choices of which one is chosen.
pub(super) fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, title): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        title: (*title).to_owned(),
        chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

/// Refuses a value of an address that is none of a form's choices.
pub(super) fn check_choice(name: &str, all: &[(&str, &str)], value: &str) -> Result<(), Refused> {
    if all.iter().any(|(own, _)| *own == value) {
        return Ok(());
    }
    let known: Vec<&str> = all.iter().map(|(own, _)| *own).filter(|own| !own.is_empty()).collect();
    let value: String = value.chars().take(60).collect();
    let detail = format!("the address asks for the {name} “{value}”: expected {}, or none", known.join(", "));
    Err(Refused::malformed(detail))
}

/// A segment of a path, percent-encoded: device ids hold `:` and `/`.
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// An address with those values of its query that aren't empty.
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
pub(super) fn device_page(gateway: &str, device: &str) -> String {
    format!("/devices/{}/{}", segment(gateway), segment(device))
}

/// An id for an element of a page, the same at each refresh: it keeps the focus where it is.
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
        assert_eq!(device_page("gw-1", "ricoh:E1/7"), "/devices/gw-1/ricoh%3AE1%2F7");
        assert_eq!(address("/", &[("q", "a b&c"), ("page", "")]), "/?q=a%20b%26c");
        assert_eq!(element("d", &["gw.1", "ricoh:E1/7"]), "d-gw-1-ricoh-E1-7");
    }
}
