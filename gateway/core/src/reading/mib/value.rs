//! SNMP values, reduced to the types that the core distinguishes.

use super::oid::Oid;
use crate::reading::limits::OCTETS;

/// A value of a varbind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `INTEGER`.
    Integer(i64),
    /// `Counter32`, `Gauge32`, `Counter64`, `TimeTicks`.
    Unsigned(u64),
    /// `OCTET STRING`, `IpAddress`, `Opaque`; at most 4,096 octets are kept.
    Octets(Vec<u8>),
    /// `OBJECT IDENTIFIER`.
    Oid(Box<Oid>),
    /// `NULL`, noSuchObject, noSuchInstance, or an unknown type: no value.
    Missing,
    /// endOfMibView: there is no further object.
    EndOfView,
}

impl From<Oid> for Value {
    fn from(oid: Oid) -> Self {
        Self::Oid(Box::new(oid))
    }
}

impl Value {
    /// Octets, truncated at the limit.
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        Self::Octets(octets.get(..OCTETS).unwrap_or(octets).to_vec())
    }

    /// The approximate number of octets on the wire.
    pub(crate) fn octets_len(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Unsigned(_) => 4,
            Self::Octets(octets) => octets.len(),
            Self::Oid(oid) => oid.arcs().len(),
            Self::Missing | Self::EndOfView => 0,
        }
    }

    /// The value as a number, whatever its type: devices confuse `INTEGER` and `Counter32`.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            Self::Octets(_) | Self::Oid(_) | Self::Missing | Self::EndOfView => None,
        }
    }

    /// The number as a count: not negative. Some devices send it as decimal digits.
    #[must_use]
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Unsigned(number) => Some(*number),
            Self::Octets(octets) => decimal(octets),
            Self::Oid(_) | Self::Missing | Self::EndOfView => None,
        }
    }

    #[must_use]
    pub(crate) const fn is_there(&self) -> bool {
        !matches!(self, Self::Missing | Self::EndOfView)
    }
}

fn decimal(octets: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(octets).ok()?.trim_matches(['\0', ' ']);
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_never_negative() {
        assert_eq!(Value::Integer(-2).count(), None);
        assert_eq!(Value::Integer(7).count(), Some(7));
        assert_eq!(Value::octets(b" 0042\0").count(), Some(42));
        assert_eq!(Value::octets(b"4 2").count(), None);
        assert_eq!(Value::octets(b"99999999999999999999999").count(), None);
        assert_eq!(Value::Missing.count(), None);
        assert_eq!(Value::Unsigned(u64::MAX).number(), None);
    }
}
