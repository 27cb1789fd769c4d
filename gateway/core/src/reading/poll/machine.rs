//! The reading of one device as a state machine: single objects, the vendor's objects, then tables.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::change_check;
use super::hints::TableHints;
use super::plan;
use super::quirks::AgentQuirks;
use super::scope::ReadScope;
use super::walk::Walk;
use crate::reading::interpret::Notes;
use crate::reading::limits::{GUESSED_ROWS, OIDS_PER_GET, OIDS_PER_KNOWN_GET, REQUESTS_PER_READING};
use crate::reading::mib::{Mib, Oid, Request, Value, columns, join, objects};
use crate::reading::profiles::{Profile, Profiles, SystemIdentity};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    First,
    Probe,
    Private,
    Columns,
    Rows,
    Done,
}

/// The state of one reading.
#[derive(Debug, Clone)]
pub struct DeviceReading {
    pub(super) scope: ReadScope,
    profiles: Arc<Profiles>,
    pub(super) profile: Option<Arc<Profile>>,
    /// Digest of the objects that the profile is selected by.
    identity_digest: u64,
    /// What the device had at its last full read.
    hints: Arc<TableHints>,
    /// Objects of the profile that was selected then: they are part of the first request.
    ahead: Vec<Oid>,
    pub(super) mib: Mib,
    pub(super) phase: Phase,
    pub(super) gets: VecDeque<Vec<Oid>>,
    pub(super) quirks: AgentQuirks,
    pub(super) walk: Walk,
    /// Octets of the varbinds in responses to GETs.
    pub(super) got: usize,
    sent: u32,
    pub(super) timeouts: u32,
    pub(super) answered: bool,
    pub(super) notes: Notes,
}

impl DeviceReading {
    /// A reading of a device of which nothing is known; `bulk` is `false` for SNMP v1.
    #[must_use]
    pub fn new(profiles: Arc<Profiles>, scope: ReadScope, bulk: bool) -> Self {
        Self::with_quirks(profiles, scope, AgentQuirks { bulk, ..AgentQuirks::default() }, Arc::default())
    }

    /// A reading with the quirks and hints of the last one.
    #[must_use]
    pub fn with_quirks(
        profiles: Arc<Profiles>,
        scope: ReadScope,
        quirks: AgentQuirks,
        hints: Arc<TableHints>,
    ) -> Self {
        let quirks = quirks.bounded();
        let hints = if scope == ReadScope::Full && hints.is_old() { Arc::default() } else { hints };
        let mut reading = Self {
            scope,
            profiles,
            profile: None,
            identity_digest: 0,
            ahead: hints.profile().map(|profile| private(profile, scope, false)).unwrap_or_default(),
            hints,
            mib: Mib::default(),
            phase: Phase::First,
            gets: VecDeque::new(),
            quirks,
            walk: Walk::new(quirks),
            got: 0,
            sent: 0,
            timeouts: 0,
            answered: false,
            notes: Notes::default(),
        };
        let first = plan::first(scope);
        let fingerprint = change_check::objects(scope).into_iter().filter(|oid| !first.contains(oid));
        let mut ahead = reading.ahead.clone();
        if matches!(scope, ReadScope::Full | ReadScope::Status) {
            ahead.extend(reading.hints.locale().map(character_set));
        }
        reading.queue(first.iter().cloned().chain(fingerprint).chain(ahead));
        reading
    }

    /// The completed reading will state the sources of its values.
    #[must_use]
    pub fn explained(self) -> Self {
        Self { notes: Notes::kept(), ..self }
    }

    /// The next request; `None` if the reading is complete.
    pub fn next_request(&mut self) -> Option<Request> {
        while self.sent < REQUESTS_PER_READING && self.phase != Phase::Done {
            let request = self.gets.pop_front().map(Request::Get).or_else(|| self.walk.request());
            if request.is_some() {
                self.sent += 1;
                return request;
            }
            self.advance();
        }
        None
    }

    fn queue(&mut self, oids: impl IntoIterator<Item = Oid>) {
        let known = |oid: &Oid| !self.mib.is_empty() && self.mib.value(oid.arcs()).is_some();
        let new: Vec<Oid> = oids.into_iter().filter(|oid| !known(oid)).collect();
        let small = self.quirks.objects < OIDS_PER_GET || !self.hints.fits_a_frame();
        let at_once = if small { self.quirks.objects } else { OIDS_PER_KNOWN_GET };
        self.gets.extend(new.chunks(at_once).map(<[Oid]>::to_vec));
    }

    fn advance(&mut self) {
        self.phase = match self.phase {
            Phase::First if matches!(self.scope, ReadScope::ChangeCheck | ReadScope::Presence) => Phase::Done,
            Phase::First => {
                self.identity_digest = self.digest_identity();
                match self.hints.choice(self.identity_digest) {
                    Some(known) => self.profile = known.cloned(),
                    None => self.select_profile(),
                }
                Phase::Probe
            }
            Phase::Probe => {
                self.probed();
                self.queue_private();
                Phase::Private
            }
            Phase::Private if !self.quirks.walk => Phase::Columns,
            Phase::Private => {
                let serial = self.has_serial();
                let hints = &self.hints;
                let mut add = |column: &[u32]| self.walk.add(column, hints.rows(column));
                plan::columns(self.scope, &self.mib).into_iter().for_each(&mut add);
                match (self.scope, &self.profile) {
                    (ReadScope::Full, Some(profile)) => {
                        profile.columns().iter().for_each(|column| add(column.arcs()));
                    }
                    (ReadScope::Status, Some(profile)) => {
                        profile.supply_columns().for_each(|column| add(column.arcs()));
                        let serials = profile.serial_columns().filter(|_| !serial);
                        serials.for_each(|column| add(column.arcs()));
                    }
                    (ReadScope::ChangeCheck | ReadScope::Presence, _) | (_, None) => {}
                }
                Phase::Columns
            }
            Phase::Columns => {
                self.queue_guessed_rows();
                Phase::Rows
            }
            Phase::Rows | Phase::Done => Phase::Done,
        };
    }

    /// Digest of the objects that a profile is selected by.
    fn digest_identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let standard = [(objects::SYS_OBJECT_ID, 0), (objects::SYS_DESCR, 0), (objects::HR_DEVICE_DESCR, 1)];
        for (object, instance) in standard {
            self.mib.instance(object, &[instance]).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether a serial number was read from any object.
    fn has_serial(&self) -> bool {
        let objects = self.profile.iter().flat_map(|profile| profile.serial_objects());
        self.mib.rows(objects::PRT_GENERAL_SERIAL_NUMBER).next().is_some()
            || objects.into_iter().any(|oid| self.mib.value(oid.arcs()).is_some())
    }

    /// The system objects that the device reported, for the rules of profiles; `device` is the printer's row of
    /// `hrDeviceTable`.
    pub(super) fn with_identity<T>(&self, device: u32, with: impl FnOnce(&SystemIdentity<'_>) -> T) -> T {
        let sys_object_id = self.mib.instance(objects::SYS_OBJECT_ID, &[0]).and_then(|value| match value {
            Value::Oid(oid) => Some(&**oid),
            Value::Integer(_) | Value::Unsigned(_) | Value::Octets(_) | Value::Missing | Value::EndOfView => {
                None
            }
        });
        let sys_descr = self.mib.text(objects::SYS_DESCR, &[0]);
        let device_descr = self.mib.text(objects::HR_DEVICE_DESCR, &[device]);
        with(&SystemIdentity {
            sys_object_id,
            sys_descr: sys_descr.as_deref(),
            device_descr: device_descr.as_deref(),
        })
    }

    /// Selects the profile by the system objects; if none matches, queues the vendors' probe objects.
    fn select_profile(&mut self) {
        self.profile = self.with_identity(1, |system| self.profiles.select(system));
        if self.profile.is_none() {
            let probes = self.with_identity(1, |system| self.profiles.probes(system));
            self.queue(probes.into_iter().map(|(_, oid)| oid));
        }
    }

    fn probed(&mut self) {
        if self.profile.is_none() {
            let probes = self.with_identity(1, |system| self.profiles.probes(system));
            let found = probes.into_iter().find(|(_, oid)| self.mib.value(oid.arcs()).is_some());
            self.profile = found.map(|(profile, _)| profile);
        }
    }

    fn queue_private(&mut self) {
        let serial = self.mib.instance(objects::PRT_GENERAL_SERIAL_NUMBER, &[1]).is_none();
        let wanted = self.profile.as_ref().map(|profile| private(profile, self.scope, serial));
        let mut private: Vec<Oid> = wanted.unwrap_or_default();
        private.retain(|oid| !self.ahead.contains(oid));
        private.extend(self.locale().filter(|_| self.hints.locale() != self.locale()).map(character_set));
        self.queue(private);
    }

    /// Index of the current localization, if it isn't 1.
    pub(super) fn locale(&self) -> Option<u32> {
        let current = self.mib.number(objects::PRT_GENERAL_CURRENT_LOCALIZATION, &[1])?;
        u32::try_from(current).ok().filter(|locale| *locale > 1)
    }

    /// Some agents return rows for GET but not for a walk: requests the first rows one by one.
    fn queue_guessed_rows(&mut self) {
        let level = objects::PRT_MARKER_SUPPLIES_LEVEL;
        if self.walk.rows(level) == 0 && self.mib.instance(level, &[1, 1]).is_some() {
            let rows =
                (1..=GUESSED_ROWS).flat_map(|row| columns::SUPPLIES.map(|column| join(column, &[1, row])));
            self.queue(rows);
        }
    }

    /// The agent's quirks, to be stored for the next reading.
    #[must_use]
    pub fn quirks(&self) -> AgentQuirks {
        let supplies = self.mib.rows(objects::PRT_MARKER_SUPPLIES_LEVEL).next().is_some();
        let walk = self.quirks.walk && !(supplies && self.walk.is_empty_walk());
        self.walk.learned(AgentQuirks { walk, ..self.quirks })
    }

    /// The table hints to store for the next reading. `None` if the stored ones are better: only a full reading gives
    /// hints, or a presence check of a new device whose profile it identifies.
    #[must_use]
    pub fn hints(&self) -> Option<TableHints> {
        if self.scope == ReadScope::Presence && self.hints.is_empty() {
            let profile = self.with_identity(1, |system| self.profiles.select(system));
            return profile.is_some().then(|| TableHints::of_profile(profile));
        }
        // A device that timed out may have objects that were not read.
        let told = (self.timeouts == 0).then_some(self.identity_digest);
        let chosen = (self.profile.clone(), told);
        let hints =
            || TableHints::new(chosen, (self.locale(), self.got), self.walk.columns()).after(&self.hints);
        (self.scope == ReadScope::Full).then(hints)
    }

    /// The profile of the device, if known.
    #[must_use]
    pub fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// The objects that were read so far.
    #[must_use]
    pub const fn mib(&self) -> &Mib {
        &self.mib
    }
}

/// The character set of a localization.
fn character_set(locale: u32) -> Oid {
    join(objects::PRT_LOCALIZATION_CHARACTER_SET, &[1, locale])
}

/// The vendor's single objects for this scope. A status reading includes the object of the serial number only if the
/// standard object has none.
fn private(profile: &Profile, scope: ReadScope, serial: bool) -> Vec<Oid> {
    match scope {
        ReadScope::Full => profile.objects().to_vec(),
        ReadScope::Status => {
            let serials = profile.serial_objects().filter(|_| serial);
            serials.chain(profile.console_objects()).chain(profile.level_objects()).collect()
        }
        ReadScope::ChangeCheck | ReadScope::Presence => Vec::new(),
    }
}
