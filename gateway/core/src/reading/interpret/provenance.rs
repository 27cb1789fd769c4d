//! Where values were read, for people.

/// Where a value was read, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// `identity.model`, `counters.total`, ...
    pub field: String,
    /// The object, or what it was derived from.
    pub from: String,
}

/// Takes down where values came from, where somebody wants to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Option<Vec<Provenance>>);

impl Notes {
    /// Keeps what is noted.
    pub(crate) const fn kept() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn into_provenance(self) -> Vec<Provenance> {
        self.0.unwrap_or_default()
    }

    /// Where a value came from; both texts are made only where they are wanted.
    pub(crate) fn note(&mut self, field: impl FnOnce() -> String, from: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.0 {
            notes.push(Provenance { field: field(), from: from() });
        }
    }
}
