//! The reading of one device as a state machine: single objects, the vendor's objects, tables.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use wire::reading::Reading;

use super::coverage::Coverage;
use super::glimpse::{self, Glimpse};
use super::limits::{
    GUESSED_ROWS, OIDS_PER_GET, OIDS_PER_KNOWN_GET, OIDS_PER_SHY_GET, REQUESTS_PER_READING,
    SILENCES_PER_READING, VARBINDS_PER_ANSWER,
};
use super::manner::Manner;
use super::mib::Mib;
use super::oid::{Oid, join};
use super::shape::Shape;
use super::value::Value;
use super::walk::Walk;
use super::{charset::Charset, counters, covers, identity, kind, objects, plan, status, supplies, tables};
use crate::profiles::{Profile, Profiles, Told};

/// Octets of a varbind besides its sub-identifiers and its value: tags and lengths, and longer sub-identifiers.
const VARBIND_OCTETS: usize = 8;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Whole,
    /// Status, error bits, alerts, console, supplies, and what names the device: few requests.
    StatusOnly,
    /// One request: whether anything happened.
    Glance,
    /// One object: whether anything answers.
    Presence,
}

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// GET.
    Get(Vec<Oid>),
    /// GETNEXT.
    GetNext(Vec<Oid>),
    /// GETBULK without non-repeaters.
    GetBulk {
        /// Where each column goes on.
        oids: Vec<Oid>,
        /// max-repetitions.
        repetitions: u32,
    },
}

impl Request {
    /// The objects.
    #[must_use]
    pub fn oids(&self) -> &[Oid] {
        match self {
            Self::Get(oids) | Self::GetNext(oids) | Self::GetBulk { oids, .. } => oids,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(_) => f.write_str("GET")?,
            Self::GetNext(_) => f.write_str("GETNEXT")?,
            Self::GetBulk { repetitions, .. } => write!(f, "GETBULK x{repetitions}")?,
        }
        if let Some(first) = self.oids().first() {
            write!(f, " {}", objects::name(first.arcs()))?;
        }
        match self.oids().len() {
            0 | 1 => Ok(()),
            more => write!(f, " and {} more", more - 1),
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Varbinds, in the order in which they came.
    Varbinds(Vec<(Oid, Value)>),
    /// An error status.
    Refused(Refusal),
    /// Nothing, after all repetitions.
    Silence,
}

/// An error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The answer would not fit.
    TooBig,
    /// The object at this place, from 1, isn't there (v1).
    NoSuchName(usize),
    /// Any other.
    Other,
}

/// What the core can't know of a reading.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Address that was read.
    pub address: String,
    /// When it was complete.
    pub read_at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Requests sent, repetitions included.
    pub requests: u32,
}

/// Where a value was read, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// `identity.model`, `counters.total`, ...
    pub field: String,
    /// The object, or what it was derived from.
    pub from: String,
}

/// A finished reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The reading.
    pub reading: Reading,
    /// Where its values came from, where that is [wanted](DeviceReading::explained).
    pub provenance: Vec<Provenance>,
    /// What a glance would have seen; absent where the device lacks what one needs.
    pub glimpse: Option<Glimpse>,
    /// Whether it is a printer: something with SNMP that isn't one has an identity and nothing else.
    pub printer: bool,
    /// What was read to its end.
    pub coverage: Coverage,
}

/// Takes down where values came from, where somebody wants to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Option<Vec<Provenance>>);

impl Notes {
    /// Where a value came from; both texts are made only where they are wanted.
    pub(crate) fn note(&mut self, field: impl FnOnce() -> String, from: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.0 {
            notes.push(Provenance { field: field(), from: from() });
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    First,
    Probe,
    Private,
    Columns,
    Rows,
    Done,
}

/// The reading of one device, on its way.
#[derive(Debug, Clone)]
pub struct DeviceReading {
    scope: Scope,
    profiles: Arc<Profiles>,
    profile: Option<Arc<Profile>>,
    /// Digest of what the profile is chosen by.
    told: u64,
    /// What the device had when it was read last.
    shape: Arc<Shape>,
    /// Objects of the profile that fitted then: they are asked at once.
    ahead: Vec<Oid>,
    mib: Mib,
    phase: Phase,
    gets: VecDeque<Vec<Oid>>,
    manner: Manner,
    walk: Walk,
    /// Octets of the varbinds that answered to GETs.
    got: usize,
    sent: u32,
    silences: u32,
    answered: bool,
    notes: Notes,
}

impl DeviceReading {
    /// Begins; `bulk` is false for SNMP v1.
    #[must_use]
    pub fn new(profiles: Arc<Profiles>, scope: Scope, bulk: bool) -> Self {
        Self::in_manner(profiles, scope, Manner { bulk, ..Manner::default() }, Arc::default())
    }

    /// Begins in the manner that the device is known to want; what it had before is asked for first.
    #[must_use]
    pub fn in_manner(profiles: Arc<Profiles>, scope: Scope, manner: Manner, shape: Arc<Shape>) -> Self {
        let manner = manner.bounded();
        let shape = if scope == Scope::Whole && shape.is_old() { Arc::default() } else { shape };
        let mut reading = Self {
            scope,
            profiles,
            profile: None,
            told: 0,
            ahead: shape.profile().map(|profile| private(profile, scope, false)).unwrap_or_default(),
            shape,
            mib: Mib::default(),
            phase: Phase::First,
            gets: VecDeque::new(),
            manner,
            walk: Walk::new(manner),
            got: 0,
            sent: 0,
            silences: 0,
            answered: false,
            notes: Notes::default(),
        };
        let first = plan::first(scope);
        let glimpse = glimpse::objects(scope).into_iter().filter(|oid| !first.contains(oid));
        let mut ahead = reading.ahead.clone();
        if matches!(scope, Scope::Whole | Scope::StatusOnly) {
            ahead.extend(reading.shape.locale().map(character_set));
        }
        reading.queue(first.iter().cloned().chain(glimpse).chain(ahead));
        reading
    }

    /// The finished reading is to tell where its values came from.
    #[must_use]
    pub fn explained(self) -> Self {
        Self { notes: Notes(Some(Vec::new())), ..self }
    }

    /// The next request; none when the reading is complete.
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

    /// How often a request is repeated where nothing is answered, of as many `retries` as are configured. A device of which
    /// nothing is known may be silent only to many objects: one of the repetitions is spent on asking for a single one, so
    /// that a device that is off costs as many packets as ever.
    #[must_use]
    pub fn repetitions(&self, request: &Request, retries: u32) -> u32 {
        match request {
            _ if self.answered || self.manner.proven => retries,
            Request::Get(_) if self.silences > 0 => 0,
            Request::Get(asked) if asked.len() > OIDS_PER_SHY_GET => retries.saturating_sub(1),
            Request::Get(_) | Request::GetNext(_) | Request::GetBulk { .. } => retries,
        }
    }

    /// Takes the answer to the last request. False when the device has fallen silent and reading on would be rude.
    #[must_use]
    pub fn absorb(&mut self, request: &Request, answer: Answer) -> bool {
        match (answer, request) {
            (Answer::Varbinds(mut varbinds), request) => {
                self.answered = true;
                self.manner.proven |= is_many(request, OIDS_PER_SHY_GET);
                varbinds.truncate(VARBINDS_PER_ANSWER);
                match request {
                    Request::Get(asked) => self.absorb_get(asked, varbinds),
                    Request::GetNext(_) | Request::GetBulk { .. } => {
                        self.walk.absorb(varbinds, &mut self.mib)
                    }
                }
            }
            (Answer::Refused(refusal), request) => {
                self.answered = true;
                self.manner.proven |= is_many(request, OIDS_PER_SHY_GET);
                match request {
                    Request::Get(asked) => self.get_refused(asked.clone(), refusal),
                    Request::GetNext(_) | Request::GetBulk { .. } => self.walk.refused(refusal),
                }
            }
            (Answer::Silence, request) => {
                self.silences += 1;
                let unproven = !self.manner.proven && is_many(request, OIDS_PER_SHY_GET);
                // A known device may be there, and silent to so many objects.
                let many = is_many(request, OIDS_PER_GET) || unproven;
                if !(self.answered || many) || self.silences > SILENCES_PER_READING {
                    return false;
                }
                match request {
                    Request::Get(asked) if unproven && !self.answered => self.ask_for_one(asked.clone()),
                    Request::Get(asked) if self.manner.objects <= OIDS_PER_SHY_GET => {
                        self.ask_for_fewer(asked.clone());
                    }
                    Request::Get(asked) => self.halve(asked.clone()),
                    Request::GetNext(_) | Request::GetBulk { .. } => self.walk.silent(),
                }
            }
        }
        true
    }

    /// Only what was asked for is kept: an answer to something else says nothing.
    fn absorb_get(&mut self, asked: &[Oid], varbinds: Vec<(Oid, Value)>) {
        for (at, (oid, value)) in varbinds.into_iter().enumerate() {
            self.got += oid.arcs().len() + value.octets_len() + VARBIND_OCTETS;
            // Nearly all devices keep the order.
            if asked.get(at) == Some(&oid) || asked.contains(&oid) {
                self.mib.insert(oid, value);
            }
        }
    }

    fn get_refused(&mut self, mut asked: Vec<Oid>, refusal: Refusal) {
        match refusal {
            Refusal::NoSuchName(at) if (1..=asked.len()).contains(&at) => {
                asked.remove(at - 1);
                if !asked.is_empty() {
                    self.gets.push_front(asked);
                }
            }
            Refusal::TooBig => {
                self.manner.objects = (asked.len() / 2).max(1);
                self.halve(asked);
            }
            Refusal::NoSuchName(_) | Refusal::Other => self.halve(asked),
        }
    }

    /// Asks for the halves, so that one object which the device can't answer hides no other; a single one is let go. Who
    /// leaves more than an unknown device is asked for is not asked for so many again.
    fn halve(&mut self, mut asked: Vec<Oid>) {
        if asked.len() > OIDS_PER_GET {
            self.manner.objects = self.manner.objects.min(OIDS_PER_GET - 1);
        }
        if asked.len() > 1 {
            let second = asked.split_off(asked.len() / 2);
            self.gets.push_front(second);
            self.gets.push_front(asked);
        }
    }

    /// Nobody knows whether anything is there: asks for a single object, and for few at once if that is answered.
    fn ask_for_one(&mut self, asked: Vec<Oid>) {
        let one = join(objects::SYS_OBJECT_ID, &[0]);
        let asked = asked.into_iter().filter(|oid| *oid != one).collect();
        self.again_in_pieces(asked, OIDS_PER_SHY_GET);
        self.gets.push_front(vec![one]);
    }

    /// Asks for half as many at once; a single object is let go.
    fn ask_for_fewer(&mut self, asked: Vec<Oid>) {
        if asked.len() > 1 {
            let half = asked.len() / 2;
            self.again_in_pieces(asked, half);
        }
    }

    /// Asks for no more than so many at once, columns of tables as well.
    fn again_in_pieces(&mut self, asked: Vec<Oid>, at_once: usize) {
        self.manner.objects = at_once.max(1);
        if self.phase == Phase::First {
            self.manner.columns = self.manner.columns.min(self.manner.objects);
            self.walk = Walk::new(self.manner);
        }
        let waiting: Vec<Oid> = asked.into_iter().chain(self.gets.drain(..).flatten()).collect();
        self.gets.extend(waiting.chunks(self.manner.objects).map(<[Oid]>::to_vec));
    }

    fn queue(&mut self, oids: impl IntoIterator<Item = Oid>) {
        let known = |oid: &Oid| !self.mib.is_empty() && self.mib.value(oid.arcs()).is_some();
        let new: Vec<Oid> = oids.into_iter().filter(|oid| !known(oid)).collect();
        let small = self.manner.objects < OIDS_PER_GET || !self.shape.fits_a_frame();
        let at_once = if small { self.manner.objects } else { OIDS_PER_KNOWN_GET };
        self.gets.extend(new.chunks(at_once).map(<[Oid]>::to_vec));
    }

    fn advance(&mut self) {
        self.phase = match self.phase {
            Phase::First if matches!(self.scope, Scope::Glance | Scope::Presence) => Phase::Done,
            Phase::First => {
                self.told = self.told();
                match self.shape.choice(self.told) {
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
            Phase::Private if !self.manner.walk => Phase::Columns,
            Phase::Private => {
                let serial = self.has_serial();
                let shape = &self.shape;
                let mut add = |column: &[u32]| self.walk.add(column, shape.rows(column));
                plan::columns(self.scope, &self.mib).into_iter().for_each(&mut add);
                match (self.scope, &self.profile) {
                    (Scope::Whole, Some(profile)) => {
                        profile.columns().iter().for_each(|column| add(column.arcs()));
                    }
                    (Scope::StatusOnly, Some(profile)) => {
                        profile.supply_columns().for_each(|column| add(column.arcs()));
                        let serials = profile.serial_columns().filter(|_| !serial);
                        serials.for_each(|column| add(column.arcs()));
                    }
                    (Scope::Glance | Scope::Presence, _) | (_, None) => {}
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

    /// Digest of what a profile is chosen by.
    fn told(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let standard = [(objects::SYS_OBJECT_ID, 0), (objects::SYS_DESCR, 0), (objects::HR_DEVICE_DESCR, 1)];
        for (object, instance) in standard {
            self.mib.instance(object, &[instance]).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether a serial number was read, wherever it stands.
    fn has_serial(&self) -> bool {
        let objects = self.profile.iter().flat_map(|profile| profile.serial_objects());
        self.mib.rows(objects::PRT_GENERAL_SERIAL_NUMBER).next().is_some()
            || objects.into_iter().any(|oid| self.mib.value(oid.arcs()).is_some())
    }

    /// What the device told of itself, for rules of profiles; the last is the printer's row of `hrDeviceTable`.
    fn with_told<T>(&self, device: u32, with: impl FnOnce(&Told<'_>) -> T) -> T {
        let sys_object_id = self.mib.instance(objects::SYS_OBJECT_ID, &[0]).and_then(|value| match value {
            Value::Oid(oid) => Some(&**oid),
            Value::Integer(_) | Value::Unsigned(_) | Value::Octets(_) | Value::Missing | Value::EndOfView => {
                None
            }
        });
        let sys_descr = self.mib.text(objects::SYS_DESCR, &[0]);
        let device_descr = self.mib.text(objects::HR_DEVICE_DESCR, &[device]);
        with(&Told { sys_object_id, sys_descr: sys_descr.as_deref(), device_descr: device_descr.as_deref() })
    }

    /// Chooses by what the device told; where that fits none, single objects of the vendors are tried.
    fn select_profile(&mut self) {
        self.profile = self.with_told(1, |told| self.profiles.select(told));
        if self.profile.is_none() {
            let probes = self.with_told(1, |told| self.profiles.probes(told));
            self.queue(probes.into_iter().map(|(_, oid)| oid));
        }
    }

    fn probed(&mut self) {
        if self.profile.is_none() {
            let probes = self.with_told(1, |told| self.profiles.probes(told));
            let found = probes.into_iter().find(|(_, oid)| self.mib.value(oid.arcs()).is_some());
            self.profile = found.map(|(profile, _)| profile);
        }
    }

    fn queue_private(&mut self) {
        let serial = self.mib.instance(objects::PRT_GENERAL_SERIAL_NUMBER, &[1]).is_none();
        let wanted = self.profile.as_ref().map(|profile| private(profile, self.scope, serial));
        let mut private: Vec<Oid> = wanted.unwrap_or_default();
        private.retain(|oid| !self.ahead.contains(oid));
        private.extend(self.locale().filter(|_| self.shape.locale() != self.locale()).map(character_set));
        self.queue(private);
    }

    /// Index of the localization in use, where it isn't the first.
    fn locale(&self) -> Option<u32> {
        let current = self.mib.number(objects::PRT_GENERAL_CURRENT_LOCALIZATION, &[1])?;
        u32::try_from(current).ok().filter(|locale| *locale > 1)
    }

    /// Rows may be there for GET and not for a walk of their table: then they are guessed.
    fn queue_guessed_rows(&mut self) {
        let level = objects::PRT_MARKER_SUPPLIES_LEVEL;
        if self.walk.rows(level) == 0 && self.mib.instance(level, &[1, 1]).is_some() {
            let rows =
                (1..=GUESSED_ROWS).flat_map(|row| plan::SUPPLIES.map(|column| join(column, &[1, row])));
            self.queue(rows);
        }
    }

    /// The manner in which the device answered, to be remembered for its next reading.
    #[must_use]
    pub fn manner(&self) -> Manner {
        let supplies = self.mib.rows(objects::PRT_MARKER_SUPPLIES_LEVEL).next().is_some();
        let walk = self.manner.walk && !(supplies && self.walk.is_barren());
        self.walk.learned(Manner { walk, ..self.manner })
    }

    /// What the device had, to be remembered for its next reading; nothing where not everything was read.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        // Who was silent may have more than it told.
        let told = (self.silences == 0).then_some(self.told);
        let chosen = (self.profile.clone(), told);
        let shape = || Shape::new(chosen, (self.locale(), self.got), self.walk.columns()).after(&self.shape);
        (self.scope == Scope::Whole).then(shape)
    }

    /// The profile that fits the device, as far as it is known.
    #[must_use]
    pub fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// What the device has answered so far.
    #[must_use]
    pub const fn mib(&self) -> &Mib {
        &self.mib
    }

    /// The reading of what was answered.
    #[must_use]
    pub fn finish(mut self, at: Circumstances) -> Finished {
        let locale = self.locale().unwrap_or(1);
        let charset = self.mib.number(objects::PRT_LOCALIZATION_CHARACTER_SET, &[1, locale]);
        self.mib.set_charset(charset.map_or(Charset::Unnamed, Charset::from_mib_enum));
        let mut notes = std::mem::take(&mut self.notes);
        let (mib, profile) = (&self.mib, self.profile.as_deref());
        let device = status::device_index(mib);
        let identity = identity::identity(mib, device, profile, &mut notes);
        let meters = counters::meters(mib, profile.filter(|_| self.scope == Scope::Whole));
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
            status: status::status(mib, device, profile),
            counters: meters.counters,
            counter_unit: meters.unit,
            evidence: meters.evidence,
            marker_life: meters.marker_life,
            supplies: supplies::supplies(mib, profile),
            trays: tables::trays(mib),
            covers: covers::covers(mib),
            alerts: tables::alerts(mib),
        };
        let glimpse = Glimpse::of(mib, self.scope);
        let proven = self.with_told(device, |told| kind::is_proven(mib, profile, told));
        let printer = proven || kind::shows_a_printer(&reading);
        let coverage = Coverage::of(mib, &self.walk, device);
        Finished { reading, provenance: notes.0.unwrap_or_default(), glimpse, printer, coverage }
    }
}

/// Whether a request is a GET of more objects than these.
fn is_many(request: &Request, objects: usize) -> bool {
    matches!(request, Request::Get(asked) if asked.len() > objects)
}

/// The character set of a localization.
fn character_set(locale: u32) -> Oid {
    join(objects::PRT_LOCALIZATION_CHARACTER_SET, &[1, locale])
}

/// The vendor's single objects that a reading of this scope asks; without the `serial` number where the standard object
/// has one and not everything is read.
fn private(profile: &Profile, scope: Scope, serial: bool) -> Vec<Oid> {
    match scope {
        Scope::Whole => profile.objects().to_vec(),
        Scope::StatusOnly => {
            let serials = profile.serial_objects().filter(|_| serial);
            serials.chain(profile.console_objects()).chain(profile.level_objects()).collect()
        }
        Scope::Glance | Scope::Presence => Vec::new(),
    }
}
