//! Reads octets from the input; after its end, zeros.

/// The remaining input.
#[derive(Debug)]
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    /// The whole input.
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether no input remains.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next octet.
    pub(crate) fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or(0)
    }

    /// The next `count` octets; fewer at the end of the tape.
    pub(crate) fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// A length of two octets, and that number of octets.
    pub(crate) fn counted(&mut self) -> &'a [u8] {
        let length = u16::from_be_bytes([self.octet(), self.octet()]);
        self.octets(usize::from(length))
    }

    /// Four octets as a number.
    pub(crate) fn word(&mut self) -> u32 {
        self.octets(4).iter().fold(0, |sum, octet| (sum << 8) | u32::from(*octet))
    }

    /// Eight octets as a number.
    pub(crate) fn long(&mut self) -> u64 {
        self.octets(8).iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
    }

    /// The remaining octets.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
