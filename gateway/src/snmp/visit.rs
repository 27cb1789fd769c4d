//! One read of a device: tries its credentials in the order of the core's ladder, and reads with the one that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use gateway_core::access::{Access, CredentialLadder, Step, StepFailure, Version, address_text};
use gateway_core::reading::{
    AgentQuirks, CompletedReading, DeviceReading, Oid, ReadContext, Request, Response, TableHints, objects,
};
use jiff::Timestamp;
use snmp::EngineCache;
use wire::reading::Reading;

use super::agent::SnmpAgent;
use super::credentials::Candidate;
use super::session::{ExchangeError, SessionParams};
use super::usm_error::UsmError;
use super::{Exchange, READING_TIME, ReadError, ReadScope, Reader, Target, cache};

/// Receives each exchange.
pub(super) type Watch<'a> = dyn FnMut(&Exchange) + Send + 'a;

/// One read of a device.
pub(super) struct Visit<'a> {
    reader: &'a Reader,
    target: &'a Target,
    scope: ReadScope,
    /// Whether to record the sources of values.
    explained: bool,
    begun: Instant,
    sent: Arc<AtomicU32>,
}

/// Why a credential gave no reading.
type AttemptError = StepFailure<ReadError>;

/// An error that other credentials would not avoid.
const fn last(error: ReadError) -> AttemptError {
    StepFailure { is_timeout: error.is_silence(), error, try_next: false, engine_may_differ: false }
}

/// A read with one credential.
struct Read {
    finished: CompletedReading,
    quirks: AgentQuirks,
    hints: Option<Arc<TableHints>>,
    /// The SNMP context of the profile.
    context: Option<Arc<str>>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(reader: &'a Reader, target: &'a Target, scope: ReadScope, explained: bool) -> Self {
        Self { reader, target, scope, explained, begun: Instant::now(), sent: Arc::default() }
    }

    /// Tries the credentials in the order of the core's ladder.
    pub(super) async fn read(&self, watch: &mut Watch<'_>) -> Result<CompletedReading, ReadError> {
        let (address, cache) = (self.target.address, &self.reader.cache);
        let candidates = self.target.credentials.at(address);
        let names: Vec<(&str, Version)> =
            candidates.iter().map(|one| (&*one.name, one.credentials.version())).collect();
        let memory = cache.memory(address);
        let mut engine = cache.engine(address);
        let mut ladder = CredentialLadder::new(memory.as_ref(), &names, self.target.retries);
        let mut step = ladder.begin(engine.get(&address).is_some());
        loop {
            let (at, retries) = match step {
                Step::Probe { at, retries } => (at, Some(retries)),
                Step::Rediscover { at } => {
                    engine = cache::new_engine();
                    (at, Some(0))
                }
                Step::Read { at } => (at, None),
                Step::Abort(error) => return Err(error),
                Step::GiveUp(worst) => {
                    cache.failed(address);
                    return Err(worst.unwrap_or_else(|| self.no_answer("nothing".to_owned())));
                }
            };
            // The ladder was built from these candidates.
            let Some(candidate) = candidates.get(at) else {
                return Err(self.no_answer("nothing".to_owned()));
            };
            let own = memory
                .as_ref()
                .and_then(|memory| memory.access_with(&candidate.name, candidate.credentials.version()));
            let params = self.params(candidate, own, &engine);
            let performed = match retries {
                Some(retries) => self.probe(&SessionParams { retries, ..params }, candidate).await,
                None => match self.read_with(params, candidate, own, watch).await {
                    Ok(completed) => return Ok(completed),
                    Err(error) => Err(error),
                },
            };
            step = match performed {
                Ok(()) => ladder.on_response(),
                Err(failure) => ladder.on_failure(failure, engine.get(&address).is_some()),
            };
        }
    }

    fn params(
        &self,
        candidate: &Candidate,
        own: Option<&Access>,
        engine: &Arc<EngineCache>,
    ) -> SessionParams {
        let context = own.and_then(|access| access.context.as_deref().map(Arc::from));
        SessionParams {
            address: self.target.address,
            credentials: candidate.credentials.clone(),
            context: context.or_else(|| candidate.context.clone()),
            timeout: self.target.timeout,
            retries: self.target.retries,
            engine: Arc::clone(engine),
            sent: Arc::clone(&self.sent),
        }
    }

    /// Reads with one credential, and caches the access if it works.
    async fn read_with(
        &self,
        mut params: SessionParams,
        candidate: &Candidate,
        own: Option<&Access>,
        watch: &mut Watch<'_>,
    ) -> Result<CompletedReading, AttemptError> {
        let now = Timestamp::now();
        let quirks = own.map_or_else(AgentQuirks::default, |access| access.quirks_now(now));
        let mut read = self.visit(&params, candidate, quirks, watch).await?;
        if own.is_none_or(|access| !access.is_fresh(now)) {
            self.try_context(&mut params, candidate, &mut read, watch).await;
        }
        let version = candidate.credentials.version();
        let learned = Access {
            credential: candidate.name.to_string(),
            version,
            context: params
                .context
                .as_deref()
                .filter(|context| candidate.context.as_deref() != Some(*context))
                .map(str::to_owned),
            quirks: read.quirks,
            learned_at: now,
        };
        let engine = (version == Version::V3).then_some(params.engine);
        self.reader.cache.worked(self.target.address, learned, engine, read.hints);
        Ok(read.finished)
    }

    /// Some print servers have the printer's objects in another context, which the profile names.
    async fn try_context(
        &self,
        params: &mut SessionParams,
        candidate: &Candidate,
        read: &mut Read,
        watch: &mut Watch<'_>,
    ) {
        let Some(context) = read.context.take().filter(|_| params.context.is_none()) else { return };
        if self.scope != ReadScope::Full || !lacks(&read.finished.reading) {
            return;
        }
        let other = SessionParams { context: Some(context), ..params.clone() };
        if self.probe(&SessionParams { retries: 0, ..other.clone() }, candidate).await.is_err() {
            return;
        }
        if let Ok(better) = self.visit(&other, candidate, read.quirks, watch).await
            && !lacks(&better.finished.reading)
        {
            (*params, *read) = (other, better);
        }
    }

    /// Requests one object to see whether the device responds.
    async fn probe(&self, params: &SessionParams, candidate: &Candidate) -> Result<(), AttemptError> {
        let mut agent = self.agent(params).await?;
        let sys_object_id = Oid::new(&[objects::SYS_OBJECT_ID, &[0]].concat());
        let request = Request::Get(vec![sys_object_id]);
        match self.exchange(&mut agent, &request, params.retries, (candidate, false)).await? {
            Response::Timeout => Err(self.silent(params, candidate, &agent, &request, true)),
            Response::Varbinds(_) | Response::Error(_) => Ok(()),
        }
    }

    /// Reads with one credential.
    async fn visit(
        &self,
        params: &SessionParams,
        candidate: &Candidate,
        quirks: AgentQuirks,
        watch: &mut Watch<'_>,
    ) -> Result<Read, AttemptError> {
        let mut agent = self.agent(params).await?;
        // SNMP v1 has no GETBULK; that is not a quirk to store.
        let has_bulk = candidate.credentials.version() != Version::V1;
        let asked_in = AgentQuirks { bulk: quirks.bulk && has_bulk, ..quirks };
        let (profiles, hints) =
            (Arc::clone(&self.reader.profiles), self.reader.cache.hints(self.target.address));
        let mut reading = DeviceReading::with_quirks(profiles, self.scope, asked_in, hints);
        if self.explained {
            reading = reading.explained();
        }
        let mut answered = false;
        while let Some(request) = reading.next_request() {
            let asked = Instant::now();
            let retries = reading.retries(&request, params.retries);
            let answer = self.exchange(&mut agent, &request, retries, (candidate, answered)).await?;
            // An SNMPv3 device whose engine id is still unknown is off, whatever was requested.
            let nobody = answer == Response::Timeout && !params.may_be_there();
            answered |= answer != Response::Timeout;
            let exchange = Exchange { request, answer, took: asked.elapsed() };
            watch(&exchange);
            if !reading.handle_response(&exchange.request, exchange.answer) || nobody {
                return Err(self.silent(params, candidate, &agent, &exchange.request, !answered));
            }
        }
        let (learned, hints) = (reading.quirks(), reading.hints().map(Arc::new));
        let context = reading.profile().and_then(|profile| profile.context.as_deref().map(Arc::from));
        let finished = reading.finish(ReadContext {
            address: address_text(self.target.address),
            read_at: Timestamp::now(),
            took_ms: self.took_ms(),
            requests: self.packets(),
        });
        let bulk = if has_bulk { learned.bulk } else { quirks.bulk };
        Ok(Read { finished, quirks: AgentQuirks { bulk, ..learned }, hints, context })
    }

    async fn agent(&self, params: &SessionParams) -> Result<SnmpAgent, AttemptError> {
        SnmpAgent::new(&self.reader.sockets, params).await.map_err(|problem| {
            let request = "the first request".to_owned();
            last(ReadError::Unreachable { address: self.target.address, request, problem })
        })
    }

    async fn exchange(
        &self,
        agent: &mut SnmpAgent,
        request: &Request,
        retries: u32,
        (candidate, answered): (&Candidate, bool),
    ) -> Result<Response, AttemptError> {
        let left = READING_TIME.saturating_sub(self.begun.elapsed());
        let address = self.target.address;
        match tokio::time::timeout(left, agent.exchange(request, retries)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(ExchangeError::Send(problem))) => {
                let request = request.to_string();
                Err(last(ReadError::Unreachable { address, request, problem }))
            }
            Ok(Err(ExchangeError::Denied(usm_error))) => {
                Err(self.refused(candidate, request, &usm_error, !answered))
            }
            Err(_) => {
                let (requests, limit_s) = (self.packets(), READING_TIME.as_secs());
                Err(last(ReadError::TooSlow { address, requests, limit_s }))
            }
        }
    }

    fn refused(
        &self,
        candidate: &Candidate,
        request: &Request,
        usm_error: &UsmError,
        next: bool,
    ) -> AttemptError {
        let error = ReadError::Refused {
            address: self.target.address,
            request: request.to_string(),
            credentials: candidate.name.to_string(),
            problem: usm_error.to_string(),
        };
        StepFailure {
            is_timeout: error.is_silence(),
            error,
            try_next: next,
            engine_may_differ: usm_error.may_be_another_engine(),
        }
    }

    /// There was no usable response: distinguishes a device that rejects the user or sends invalid data from one that
    /// sends nothing.
    fn silent(
        &self,
        params: &SessionParams,
        candidate: &Candidate,
        agent: &SnmpAgent,
        request: &Request,
        next: bool,
    ) -> AttemptError {
        if candidate.credentials.version() == Version::V3 && params.knows_engine() {
            return self.refused(candidate, request, &UsmError::Mute, next);
        }
        let (address, request) = (self.target.address, request.to_string());
        let error = match agent.rejected() {
            Some(problem) => ReadError::Malformed { address, request, problem },
            None => self.no_answer(request),
        };
        StepFailure { is_timeout: error.is_silence(), error, try_next: next, engine_may_differ: true }
    }

    fn no_answer(&self, request: String) -> ReadError {
        let (waited_ms, attempts) = (self.took_ms(), self.packets());
        ReadError::NoAnswer { address: self.target.address, request, waited_ms, attempts }
    }

    fn packets(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    fn took_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether a reading lacks what every printer has.
const fn lacks(reading: &Reading) -> bool {
    reading.identity.serial.is_none() || reading.supplies.is_empty()
}
