//! A completed reading: the objects that were read, interpreted.

use jiff::Timestamp;
use wire::reading::Reading;

use super::change_check::ChangeFingerprint;
use super::coverage::Coverage;
use super::machine::DeviceReading;
use super::scope::ReadScope;
use crate::reading::interpret::{self, Provenance};
use crate::reading::mib::{Charset, objects};

/// The parts of a reading that the shell provides.
#[derive(Debug, Clone)]
pub struct ReadContext {
    /// The address that was read.
    pub address: String,
    /// When the reading was completed.
    pub read_at: Timestamp,
    /// Its duration, milliseconds.
    pub took_ms: u64,
    /// Requests sent, retries included.
    pub requests: u32,
}

/// A finished reading.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletedReading {
    /// The reading.
    pub reading: Reading,
    /// The sources of its values, if [requested](DeviceReading::explained).
    pub provenance: Vec<Provenance>,
    /// The change fingerprint; `None` if the device lacks the objects for it.
    pub fingerprint: Option<ChangeFingerprint>,
    /// Whether the device is a printer. Others have an identity and nothing else.
    pub printer: bool,
    /// The tables that were read to their end.
    pub coverage: Coverage,
}

impl DeviceReading {
    /// Interprets what was read.
    #[must_use]
    pub fn finish(mut self, at: ReadContext) -> CompletedReading {
        let locale = self.locale().unwrap_or(1);
        let charset = self.mib.number(objects::PRT_LOCALIZATION_CHARACTER_SET, &[1, locale]);
        self.mib.set_cut(self.walk.cut_columns());
        self.mib.set_charset(charset.map_or(Charset::Unnamed, Charset::from_mib_enum));
        let mut notes = std::mem::take(&mut self.notes);
        let (mib, profile) = (&self.mib, self.profile.as_deref());
        let device = interpret::device_index(mib);
        let identity = interpret::identity(mib, device, profile, &mut notes);
        let meters = interpret::meters(mib, profile.filter(|_| self.scope == ReadScope::Full));
        for (counter, evidence) in &meters.evidence {
            notes.note(|| format!("counters.{}", counter.name()), || evidence.oid.clone());
        }
        if let Some(evidence) = &meters.marker_life {
            notes.note(|| "marker_life".to_owned(), || evidence.oid.clone());
        }
        let reading = Reading {
            address: at.address,
            read_at: at.read_at,
            took_ms: at.took_ms,
            requests: at.requests,
            identity,
            status: interpret::status(mib, device, profile),
            counters: meters.counters,
            counter_unit: meters.unit,
            evidence: meters.evidence,
            marker_life: meters.marker_life,
            supplies: interpret::supplies(mib, profile),
            trays: interpret::trays(mib),
            covers: interpret::covers(mib),
            alerts: interpret::alerts(mib),
        };
        let fingerprint = ChangeFingerprint::of(mib, self.scope);
        let proven = self.with_identity(device, |system| interpret::is_proven(mib, profile, system));
        let printer = proven || interpret::shows_a_printer(&reading);
        let coverage = Coverage::of(mib, &self.walk, device);
        CompletedReading { reading, provenance: notes.into_provenance(), fingerprint, printer, coverage }
    }
}
