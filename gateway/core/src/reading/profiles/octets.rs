//! Records in octets, as Brother's devices store counters and supplies: id, type, length, value. The last octet is
//! ff.

/// Maximum length of a value, octets.
const VALUE_OCTETS: usize = 8;

/// The value of the first complete record with this `id`, and with the expected length if one is given.
pub(crate) fn value(mut octets: &[u8], id: u8, expected: Option<u8>) -> Option<u64> {
    while let [own, _kind, length, rest @ ..] = octets {
        let length = usize::from(*length);
        let value = rest.get(..length)?;
        let fits = expected.is_none_or(|expected| usize::from(expected) == length);
        if *own == id && fits && length <= VALUE_OCTETS {
            return Some(value.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet)));
        }
        octets = rest.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_any_length_are_passed_over() {
        let octets = [0x11, 1, 4, 0, 0, 1, 2, 0x21, 1, 2, 3, 4, 0x31, 1, 1, 9, 0xff];
        assert_eq!(value(&octets, 0x11, None), Some(0x102));
        assert_eq!(value(&octets, 0x21, None), Some(0x304));
        assert_eq!(value(&octets, 0x31, None), Some(9));
        assert_eq!(value(&octets, 0x41, None), None);
        assert_eq!((value(&octets, 0x31, Some(4)), value(&octets, 0x11, Some(4))), (None, Some(0x102)));
        assert_eq!(value(&[0x11, 1, 4, 0], 0x11, None), None);
        assert_eq!(value(&[0x11, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0x11, None), None);
        assert_eq!(value(&[], 0, None), None);
    }
}
