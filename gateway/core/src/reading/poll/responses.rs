//! Responses: values are kept, and what the agent can't answer is requested in smaller pieces.

use super::machine::{DeviceReading, Phase};
use super::walk::Walk;
use crate::reading::limits::{OIDS_PER_GET, OIDS_PER_SMALL_GET, TIMEOUTS_PER_READING, VARBINDS_PER_RESPONSE};
use crate::reading::mib::{ErrorStatus, Oid, Request, Response, Value, join, objects};

/// Octets of a varbind besides its sub-identifiers and its value: tags and lengths, and longer sub-identifiers.
const VARBIND_OCTETS: usize = 8;

impl DeviceReading {
    /// The retries of this request, out of the configured `retries`. An unknown device may time out only because of
    /// the number of objects, so one retry is replaced by a request for a single object. A device that is off thus
    /// costs no more packets.
    #[must_use]
    pub fn retries(&self, request: &Request, retries: u32) -> u32 {
        match request {
            _ if self.answered || self.quirks.proven => retries,
            Request::Get(_) if self.timeouts > 0 => 0,
            Request::Get(asked) if asked.len() > OIDS_PER_SMALL_GET => retries.saturating_sub(1),
            Request::Get(_) | Request::GetNext(_) | Request::GetBulk { .. } => retries,
        }
    }

    /// Handles the response to the last request. Returns `false` once the device stopped responding and the reading
    /// must be abandoned.
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
                // A known device may respond to fewer objects.
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

    /// Keeps the values of requested objects; others are ignored.
    fn handle_get_response(&mut self, asked: &[Oid], varbinds: Vec<(Oid, Value)>) {
        for (at, (oid, value)) in varbinds.into_iter().enumerate() {
            self.got += oid.arcs().len() + value.octets_len() + VARBIND_OCTETS;
            // Nearly all agents keep the order of the request.
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

    /// Retries with two requests of half the objects each, so that an object which the agent can't answer hides no
    /// other; a single object is given up. After a request that exceeded [`OIDS_PER_GET`], later ones stay below it.
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

    /// Requests a single object to see whether there is a device, and small GETs if there is.
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

    /// Limits all further requests to this number of objects, columns included.
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

/// Whether a request is a GET of more than this number of objects.
fn is_many(request: &Request, objects: usize) -> bool {
    matches!(request, Request::Get(asked) if asked.len() > objects)
}
