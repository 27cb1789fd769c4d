//! Host names for which the local port accepts requests.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A DNS name (RFC 1123 §2.1) in lower case, without a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Host(String);

/// A text that is not a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a DNS name: expected a name such as gateway.example.com, without scheme and port")]
pub struct InvalidHost {
    given: String,
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let is_label = |label: &str| {
            let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidHost { given: text.chars().take(60).collect() })
        }
    }
}

impl TryFrom<String> for Host {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl PartialEq<str> for Host {
    fn eq(&self, host: &str) -> bool {
        self.0.eq_ignore_ascii_case(host)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        for good in ["gateway", "Gateway.Example.com", "192.168.1.2", "a-b.c1"] {
            assert_eq!(good.parse::<Host>().unwrap().to_string(), good.to_lowercase());
        }
        for bad in ["", "https://a", "a:9110", "a..b", "-a", "a-", "*.example.com", "a b", &"x".repeat(64)] {
            let said = bad.parse::<Host>().unwrap_err().to_string();
            assert!(said.contains("without scheme and port"), "{said}");
        }
    }
}
