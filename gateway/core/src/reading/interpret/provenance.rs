//! The sources of values, for people.

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// `identity.model`, `counters.total`, ...
    pub field: String,
    /// The object, or what the value was derived from.
    pub from: String,
}

/// Records the sources of values, if requested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Option<Vec<Provenance>>);

impl Notes {
    /// Records notes.
    pub(crate) const fn kept() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn into_provenance(self) -> Vec<Provenance> {
        self.0.unwrap_or_default()
    }

    /// Records the source of a value; the texts are only made if they are recorded.
    pub(crate) fn note(&mut self, field: impl FnOnce() -> String, from: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.0 {
            notes.push(Provenance { field: field(), from: from() });
        }
    }
}
