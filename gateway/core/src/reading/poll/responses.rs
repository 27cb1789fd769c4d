//! What follows from a response: values are kept, and what a device can't answer is requested in smaller pieces.

use super::machine::{DeviceReading, Phase};
use super::walk::Walk;
use crate::reading::limits::{OIDS_PER_GET, OIDS_PER_SMALL_GET, TIMEOUTS_PER_READING, VARBINDS_PER_RESPONSE};
use crate::reading::mib::{ErrorStatus, Oid, Request, Response, Value, join, objects};

/// Octets of a varbind besides its sub-identifiers and its value: tags and lengths, and longer sub-identifiers.
const VARBIND_OCTETS: usize = 8;

impl DeviceReading {
    /// How often a request is repeated where nothing is answered, of as many `retries` as are configured. A device of which
    /// nothing is known may be silent only to many objects: one of the repetitions is spent on asking for a single one, so
    /// that a device that is off costs as many packets as ever.
    #[must_use]
    pub fn retries(&self, request: &Request, retries: u32) -> u32 {
        match request {
            _ if self.answered || self.quirks.proven => retries,
            Request::Get(_) if self.timeouts > 0 => 0,
            Request::Get(asked) if asked.len() > OIDS_PER_SMALL_GET => retries.saturating_sub(1),
            Request::Get(_) | Request::GetNext(_) | Request::GetBulk { .. } => retries,
        }
    }

    /// Takes the answer to the last request. False when the device has fallen silent and reading on would be rude.
    #[must_use]
    pub fn handle_response(&mut self, request: &Request, answer: Response) -> bool {
        match (answer, request) {
            (Response::Varbinds(mut varbinds), request) => {
                self.answered = true;
                self.quirks.proven |= is_many(request, OIDS_PER_SMALL_GET);
                varbinds.truncate(VARBINDS_PER_RESPONSE);
                match request {
                    Request::Get(asked) => self.handle_get_response(asked, varbinds),
                    Request::GetNext(_) | Request::GetBulk { .. } => {
                        self.walk.handle_response(varbinds, &mut self.mib)
                    }
                }
            }
            (Response::Error(status), request) => {
                self.answered = true;
                self.quirks.proven |= is_many(request, OIDS_PER_SMALL_GET);
                match request {
                    Request::Get(asked) => self.handle_get_error(asked.clone(), status),
                    Request::GetNext(_) | Request::GetBulk { .. } => self.walk.handle_error(status),
                }
            }
            (Response::Timeout, request) => {
                self.timeouts += 1;
                let unproven = !self.quirks.proven && is_many(request, OIDS_PER_SMALL_GET);
                // A known device may be there, and silent to so many objects.
                let many = is_many(request, OIDS_PER_GET) || unproven;
                if !(self.answered || many) || self.timeouts > TIMEOUTS_PER_READING {
                    return false;
                }
                match request {
                    Request::Get(asked) if unproven && !self.answered => self.request_one(asked.clone()),
                    Request::Get(asked) if self.quirks.objects <= OIDS_PER_SMALL_GET => {
                        self.request_fewer(asked.clone());
                    }
                    Request::Get(asked) => self.halve(asked.clone()),
                    Request::GetNext(_) | Request::GetBulk { .. } => self.walk.handle_timeout(),
                }
            }
        }
        true
    }

    /// Only what was asked for is kept: an answer to something else says nothing.
    fn handle_get_response(&mut self, asked: &[Oid], varbinds: Vec<(Oid, Value)>) {
        for (at, (oid, value)) in varbinds.into_iter().enumerate() {
            self.got += oid.arcs().len() + value.octets_len() + VARBIND_OCTETS;
            // Nearly all devices keep the order.
            if asked.get(at) == Some(&oid) || asked.contains(&oid) {
                self.mib.insert(oid, value);
            }
        }
    }

    fn handle_get_error(&mut self, mut asked: Vec<Oid>, status: ErrorStatus) {
        match status {
            ErrorStatus::NoSuchName(at) if (1..=asked.len()).contains(&at) => {
                asked.remove(at - 1);
                if !asked.is_empty() {
                    self.gets.push_front(asked);
                }
            }
            ErrorStatus::TooBig => {
                self.quirks.objects = (asked.len() / 2).max(1);
                self.halve(asked);
            }
            ErrorStatus::NoSuchName(_) | ErrorStatus::Other => self.halve(asked),
        }
    }

    /// Retries with two requests of half the objects each, so that one object which the device can't answer hides no
    /// other; a single one is given up. Where more was requested than of an unknown device, so much isn't requested again.
    fn halve(&mut self, mut asked: Vec<Oid>) {
        if asked.len() > OIDS_PER_GET {
            self.quirks.objects = self.quirks.objects.min(OIDS_PER_GET - 1);
        }
        if asked.len() > 1 {
            let second = asked.split_off(asked.len() / 2);
            self.gets.push_front(second);
            self.gets.push_front(asked);
        }
    }

    /// Nobody knows whether anything is there: asks for a single object, and for few at once if that is answered.
    fn request_one(&mut self, asked: Vec<Oid>) {
        let one = join(objects::SYS_OBJECT_ID, &[0]);
        let asked = asked.into_iter().filter(|oid| *oid != one).collect();
        self.requeue_in_pieces(asked, OIDS_PER_SMALL_GET);
        self.gets.push_front(vec![one]);
    }

    /// Retries with half as many objects per request; a single object is given up.
    fn request_fewer(&mut self, asked: Vec<Oid>) {
        if asked.len() > 1 {
            let half = asked.len() / 2;
            self.requeue_in_pieces(asked, half);
        }
    }

    /// Asks for no more than so many at once, columns of tables as well.
    fn requeue_in_pieces(&mut self, asked: Vec<Oid>, at_once: usize) {
        self.quirks.objects = at_once.max(1);
        if self.phase == Phase::First {
            self.quirks.columns = self.quirks.columns.min(self.quirks.objects);
            self.walk = Walk::new(self.quirks);
        }
        let waiting: Vec<Oid> = asked.into_iter().chain(self.gets.drain(..).flatten()).collect();
        self.gets.extend(waiting.chunks(self.quirks.objects).map(<[Oid]>::to_vec));
    }
}

/// Whether a request is a GET of more objects than these.
fn is_many(request: &Request, objects: usize) -> bool {
    matches!(request, Request::Get(asked) if asked.len() > objects)
}
