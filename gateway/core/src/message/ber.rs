//! BER (X.690) as SNMP uses it (RFC 3417 §8): definite lengths, tags of one octet, 32-bit sub-identifiers.

use super::Malformed;
use crate::reading::limits::ARCS;
use crate::reading::{INLINE_ARCS, Oid};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Maximum number of length octets after the first one.
const LENGTH_OCTETS: usize = 8;

/// Reads a part of a datagram from left to right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    datagram: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(datagram: &'a [u8]) -> Self {
        Self { datagram, at: 0, end: datagram.len() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    pub(super) const fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed::Octet { at: self.at, expected }
    }

    fn octet(&mut self) -> Option<u8> {
        let octet = *self.datagram.get(self.at)?;
        (self.at < self.end).then(|| {
            self.at += 1;
            octet
        })
    }

    /// A length as stated; it may exceed what was received.
    fn length(&mut self) -> Option<usize> {
        match self.octet()? {
            short @ 0..0x80 => Some(usize::from(short)),
            // SNMP doesn't use the indefinite form.
            0x80 => None,
            long => {
                let count = usize::from(long & 0x7f);
                let octets = self.octets().get(..count).filter(|_| count <= LENGTH_OCTETS)?;
                self.at += count;
                let length = octets.iter().fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
                usize::try_from(length).ok()
            }
        }
    }

    /// The next element: its tag, the received part of its content, and the stated length of the content.
    pub(super) fn element(&mut self) -> Option<(u8, Self, usize)> {
        let tag = self.octet()?;
        let length = self.length()?;
        let end = self.at.saturating_add(length).min(self.end);
        let content = Self { datagram: self.datagram, at: self.at, end };
        self.at = end;
        Some((tag, content, length))
    }

    /// The content of the next element, which must have this tag and be complete.
    pub(super) fn expect(&mut self, tag: u8, expected: &'static str) -> Result<Self, Malformed> {
        let begin = *self;
        match self.element() {
            Some((own, content, length)) if own == tag && length == content.len() => Ok(content),
            Some(_) | None => Err(begin.malformed(expected)),
        }
    }

    /// An `INTEGER` of 32 bits.
    pub(super) fn integer(&mut self, expected: &'static str) -> Result<i32, Malformed> {
        let content = self.expect(INTEGER, expected)?;
        let number = signed(content.octets()).and_then(|number| i32::try_from(number).ok());
        number.ok_or_else(|| content.malformed(expected))
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.at
    }

    /// The remaining octets.
    pub(super) fn octets(&self) -> &'a [u8] {
        self.datagram.get(self.at..self.end).unwrap_or_default()
    }
}

/// A number in two's complement of at most 64 bits; `None` if there are no octets.
pub(super) fn signed(octets: &[u8]) -> Option<i64> {
    let first = *octets.first()?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    (octets.len() <= 8).then(|| octets.iter().fold(sign, |sum, octet| (sum << 8) | i64::from(*octet)))
}

/// An unsigned number of at most 64 bits. Many devices omit the leading zero octet that keeps the sign bit clear.
pub(super) fn unsigned(octets: &[u8]) -> Option<u64> {
    let digits = match octets {
        [0, digits @ ..] if digits.len() == 8 => digits,
        _ => octets,
    };
    (1..=8)
        .contains(&digits.len())
        .then(|| digits.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet)))
}

/// An object identifier; `None` if it exceeds what SNMP allows: 128 sub-identifiers of 32 bits (RFC 3416 §4.1).
pub(super) fn object_identifier(octets: &[u8]) -> Option<Oid> {
    // A sub-identifier takes at least one octet, and the first octet holds two of them.
    if octets.len() < INLINE_ARCS {
        arcs_of::<INLINE_ARCS>(octets).map(|(arcs, count)| Oid::inline(arcs, count))
    } else {
        arcs_of::<ARCS>(octets).map(|(arcs, count)| Oid::new(arcs.get(..count).unwrap_or(&arcs)))
    }
}

/// The sub-identifiers, at most `MOST`, and their number.
fn arcs_of<const MOST: usize>(octets: &[u8]) -> Option<([u32; MOST], usize)> {
    let mut arcs = [0; MOST];
    let mut rest = octets.iter();
    // The first two are encoded as one number (X.690 §8.19.4) of up to 33 bits.
    let mut both = 0_u64;
    loop {
        let octet = *rest.next()?;
        both = (both << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            break;
        }
        if both > u64::from(u32::MAX) {
            return None;
        }
    }
    let first = (both / 40).min(2);
    let [one, two, others @ ..] = arcs.as_mut_slice() else { return None };
    (*one, *two) = (u32::try_from(first).ok()?, u32::try_from(both - 40 * first).ok()?);
    let (mut count, mut arc, mut whole) = (0, 0_u32, true);
    for octet in rest {
        if arc >> 25 != 0 {
            return None;
        }
        arc = (arc << 7) | u32::from(octet & 0x7f);
        whole = octet & 0x80 == 0;
        if whole {
            *others.get_mut(count)? = arc;
            (count, arc) = (count + 1, 0);
        }
    }
    whole.then_some((arcs, count + 2))
}

/// An element with these parts as its content.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 4);
    header(&mut out, tag, length);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Tag and length of an element; messages are far below the 64 KiB that two length octets can express.
pub(super) fn header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
}

/// An `INTEGER`, in as few octets as it needs.
pub(super) fn integer(number: i32) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let spare = octets.windows(2).take_while(|pair| {
        matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0)
    });
    let first = spare.count();
    element(INTEGER, &[octets.get(first..).unwrap_or(&octets)])
}

/// The content of an object identifier.
pub(super) fn push_object_identifier(out: &mut Vec<u8>, oid: &Oid) {
    let (first, second, rest) = match oid.arcs() {
        [first, second, rest @ ..] => (*first, *second, rest),
        [first] => (*first, 0, [].as_slice()),
        [] => (0, 0, [].as_slice()),
    };
    push_arc(out, u64::from(first) * 40 + u64::from(second));
    for arc in rest {
        push_arc(out, u64::from(*arc));
    }
}

fn push_arc(out: &mut Vec<u8>, arc: u64) {
    if let Ok(short @ 0..0x80) = u8::try_from(arc) {
        out.push(short);
        return;
    }
    let mut shift = 35;
    while shift > 0 && arc >> shift == 0 {
        shift -= 7;
    }
    while shift > 0 {
        out.push(seven_bits(arc >> shift) | 0x80);
        shift -= 7;
    }
    out.push(seven_bits(arc));
}

fn seven_bits(number: u64) -> u8 {
    let [.., last] = number.to_be_bytes();
    last & 0x7f
}
