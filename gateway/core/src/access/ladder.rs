//! The credential ladder of one read: which credential is tried next, when it is probed before it reads, and when a
//! remembered SNMPv3 engine has to be discovered again (RFC 3414 §4). The shell performs each [`Step`] and returns
//! its result.

use std::vec::IntoIter;

use super::{Attempt, Memory, Version, attempts};

/// What the shell performs next. `at` is the position of the credential in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<E> {
    /// Request one object.
    Probe {
        /// The credential.
        at: usize,
        /// Maximum number of retries.
        retries: u32,
    },
    /// Discard what is known of the SNMPv3 engine, then request one object without a retry.
    Rediscover {
        /// The credential.
        at: usize,
    },
    /// Read the device. If that succeeds, the ladder ends.
    Read {
        /// The credential.
        at: usize,
    },
    /// Fail with this error: no other credential would succeed.
    Abort(E),
    /// Fail: no credential had a usable response. Holds the most informative error, if any credential was tried.
    GiveUp(Option<E>),
}

/// Why a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepFailure<E> {
    /// The error, to be reported if no credential succeeds.
    pub error: E,
    /// Whether nothing was received: any other error says more.
    pub is_timeout: bool,
    /// Whether another credential may succeed: this one had no usable response.
    pub try_next: bool,
    /// Whether the device's SNMPv3 engine may differ from the stored one.
    pub engine_may_differ: bool,
}

/// One credential on trial.
#[derive(Debug, Clone, Copy)]
struct Rung {
    at: usize,
    is_v3: bool,
    /// Whether the engine was known before, and may be discovered again.
    may_rediscover: bool,
    is_reading: bool,
}

/// The state of one read.
#[derive(Debug)]
pub struct CredentialLadder<E> {
    left: IntoIter<Attempt>,
    versions: Vec<Version>,
    retries: u32,
    rung: Option<Rung>,
    /// The device did not respond to engine discovery: other SNMPv3 credentials would time out as well.
    engine_timed_out: bool,
    worst: Option<(E, bool)>,
}

impl<E> CredentialLadder<E> {
    /// For one read of a device of which `memory` is known; `candidates` are names and versions in the order of the
    /// configuration, `retries` the configured ones.
    #[must_use]
    pub fn new(memory: Option<&Memory>, candidates: &[(&str, Version)], retries: u32) -> Self {
        Self {
            left: attempts(memory, candidates, retries).into_iter(),
            versions: candidates.iter().map(|(_, version)| *version).collect(),
            retries,
            rung: None,
            engine_timed_out: false,
            worst: None,
        }
    }

    /// The first step. `engine_known` is whether the device's SNMPv3 engine is known.
    pub fn begin(&mut self, engine_known: bool) -> Step<E> {
        for Attempt { at, retries } in self.left.by_ref() {
            let is_v3 = self.versions.get(at) == Some(&Version::V3);
            if is_v3 && self.engine_timed_out {
                continue;
            }
            let is_reading = retries >= self.retries;
            self.rung = Some(Rung { at, is_v3, may_rediscover: is_v3 && engine_known, is_reading });
            return if is_reading { Step::Read { at } } else { Step::Probe { at, retries } };
        }
        Step::GiveUp(self.worst.take().map(|(error, _)| error))
    }

    /// The probe had a response.
    pub fn on_response(&mut self) -> Step<E> {
        match &mut self.rung {
            Some(rung) => {
                rung.is_reading = true;
                Step::Read { at: rung.at }
            }
            None => Step::GiveUp(None),
        }
    }

    /// The step failed. `engine_known` is whether the device's SNMPv3 engine is known now.
    pub fn on_failure(&mut self, failure: StepFailure<E>, engine_known: bool) -> Step<E> {
        let StepFailure { error, is_timeout, try_next, engine_may_differ } = failure;
        if !try_next {
            return Step::Abort(error);
        }
        if let Some(rung) = &mut self.rung {
            if rung.is_reading && rung.may_rediscover && engine_may_differ {
                (rung.may_rediscover, rung.is_reading) = (false, false);
                return Step::Rediscover { at: rung.at };
            }
            self.engine_timed_out |= rung.is_v3 && !engine_known;
        }
        if self.worst.as_ref().is_none_or(|(_, was_timeout)| *was_timeout) {
            self.worst = Some((error, is_timeout));
        }
        self.begin(engine_known)
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Abort, GiveUp, Probe, Read, Rediscover};
    use super::*;
    use Version::{V2c, V3};

    const LIST: [(&str, Version); 3] = [("office", V3), ("old", V2c), ("spare", V3)];

    /// The result of a step, and whether the engine is known afterwards.
    #[derive(Clone, Copy)]
    enum Now {
        Responds,
        TimesOut { engine_known: bool },
        OtherEngine,
        Rejects,
        Breaks,
    }
    use Now::{Breaks, OtherEngine, Rejects, Responds, TimesOut};

    fn failure(error: &'static str, is_timeout: bool, engine_may_differ: bool) -> StepFailure<&'static str> {
        StepFailure { error, is_timeout, try_next: true, engine_may_differ }
    }

    /// Case, whether the engine is known at first, what happens, and the steps.
    type Case = (&'static str, bool, &'static [Now], &'static [Step<&'static str>]);

    /// All steps, the first one included.
    fn steps(engine_known: bool, script: &[Now]) -> Vec<Step<&'static str>> {
        let mut ladder = CredentialLadder::new(None, &LIST, 2);
        let mut steps = vec![ladder.begin(engine_known)];
        for now in script {
            steps.push(match *now {
                Responds => ladder.on_response(),
                TimesOut { engine_known } => ladder.on_failure(failure("timeout", true, true), engine_known),
                OtherEngine => ladder.on_failure(failure("engine", false, true), true),
                Rejects => ladder.on_failure(failure("rejected", false, false), true),
                Breaks => ladder
                    .on_failure(StepFailure { try_next: false, ..failure("broken", false, false) }, true),
            });
        }
        steps
    }

    #[test]
    fn credentials_are_tried_in_the_order_of_the_table() {
        const OFF: Now = TimesOut { engine_known: false };
        const MUTE: Now = TimesOut { engine_known: true };
        const FIRST: Step<&str> = Read { at: 0 };
        const SECOND: Step<&str> = Probe { at: 1, retries: 0 };
        const THIRD: Step<&str> = Probe { at: 2, retries: 0 };
        const AGAIN: Step<&str> = Rediscover { at: 0 };
        const OVER: Step<&str> = GiveUp(Some("timeout"));
        let cases: [Case; 9] = [
            (
                "an engine that can't be discovered spares the other users",
                false,
                &[OFF, OFF],
                &[FIRST, SECOND, OVER],
            ),
            (
                "a probe with a response is followed by a read",
                false,
                &[OFF, Responds],
                &[FIRST, SECOND, Read { at: 1 }],
            ),
            ("a known engine is discovered again", true, &[OtherEngine, Responds], &[FIRST, AGAIN, FIRST]),
            ("once only", true, &[OtherEngine, Responds, OtherEngine], &[FIRST, AGAIN, FIRST, SECOND]),
            (
                "a device that is off costs one discovery",
                true,
                &[MUTE, OFF, OFF],
                &[FIRST, AGAIN, SECOND, OVER],
            ),
            ("an engine that was not known isn't discovered again", false, &[OtherEngine], &[FIRST, SECOND]),
            ("an engine that rejects the user is no other engine", true, &[Rejects], &[FIRST, SECOND]),
            (
                "a rejection says more than a timeout",
                true,
                &[Rejects, MUTE, MUTE],
                &[FIRST, SECOND, THIRD, GiveUp(Some("rejected"))],
            ),
            (
                "what another credential can't mend ends the ladder",
                false,
                &[Breaks],
                &[FIRST, Abort("broken")],
            ),
        ];
        for (what, engine_known, script, expected) in cases {
            assert_eq!(steps(engine_known, script), expected, "{what}");
        }
        let mut none = CredentialLadder::<&str>::new(None, &[], 2);
        assert_eq!(none.begin(false), GiveUp(None));
    }
}
