//! Judging journals on a live deployment: the SDK's own verdict first, then, on a mismatch, the trace that explains it.

use std::fmt;

use tokio::time::Instant;

use super::manifest_check::{lacking, rejected_input};
use crate::diff::{AddedAwait, Replayed, Stop, Undecodable, align, inject_into, replay_trace};
use crate::journal::{Await, CommandKind, Entries, InvocationId, Journal, Trace};
use crate::policy::gate::Proof;
use crate::protocol::{milliseconds, unique_seed};
use crate::replay::agreement::{as_told, contradiction, place_of, with_await};
use crate::replay::tripwire::Issued;
use crate::replay::{Answer, Attempt, Listen, Outcome, Sdk, Tracer, Tripwire, trace::agree};
use crate::report::{Judgement, Verdict};
use crate::rules::{Cause, Findings, Redaction, timeline};
use crate::transport::{Deployment, DeploymentError, DiscoveryError, HttpError, HttpVersion, Invoke, Manifest};

/// How much to find out.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions {
    pub redaction: Redaction,
    /// Whether a mismatch is explained by the candidate's whole trace.
    pub trace: bool,
    /// Journals under way at once.
    pub concurrency: usize,
    /// Whether each compatible journal is replayed once more with one command changed, to see that caught.
    pub prove: bool,
}

/// A deployment that was discovered.
#[derive(Debug)]
pub struct Live {
    deployment: Deployment,
    manifest: Manifest,
    options: LiveOptions,
}

/// A deployment that can not be checked against at all.
#[derive(Debug, thiserror::Error)]
#[error("could not discover {name}: {source}{hint}")]
pub struct LiveError {
    name: String,
    source: DiscoveryError,
    hint: &'static str,
}

impl LiveError {
    fn new(deployment: &Deployment, source: DiscoveryError) -> Self {
        let version = match deployment {
            Deployment::Http(endpoint) => Some(endpoint.version()),
            #[cfg(feature = "lambda")]
            Deployment::Lambda(_) => None,
        };
        // What an HTTP/1.1 server says to HTTP/2 looks like a broken connection.
        let hint = match (&source, version) {
            (DiscoveryError::Unanswered(DeploymentError::Http(HttpError::Connection(_))), Some(version)) => {
                match version {
                    HttpVersion::Http2 => " (it was spoken to in HTTP/2: --http1.1 speaks HTTP/1.1)",
                    HttpVersion::Http1 => " (it was spoken to in HTTP/1.1, as --http1.1 says)",
                }
            }
            _ => "",
        };
        Self { name: deployment.name().to_owned(), source, hint }
    }
}

/// Why there is no verdict on one journal.
#[derive(Debug, thiserror::Error)]
enum Undecided {
    #[error("the candidate: {0}")]
    Unanswered(#[from] DeploymentError),
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
}

/// A journal with all that an attempt needs to know.
pub(super) struct Subject<'j> {
    pub journal: &'j Journal,
    pub service: String,
    pub handler: String,
    pub version: u32,
    attempt: Attempt,
    other_seed: Option<u64>,
}

/// What a trace says, beside what the SDK said.
struct Explanation {
    trace: Trace,
    cause: Cause,
    /// Why it is no more than what the SDK said.
    untraced: Option<String>,
}

impl Live {
    pub async fn discover(deployment: impl Into<Deployment>, options: LiveOptions) -> Result<Self, LiveError> {
        let deployment = deployment.into();
        match Manifest::discover(&deployment).await {
            Ok(manifest) => Ok(Self { deployment, manifest, options }),
            Err(source) => Err(LiveError::new(&deployment, source)),
        }
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn sdk(&self) -> Sdk {
        self.manifest.sdk()
    }

    /// Why the candidate is not traced, where that was not asked for.
    pub fn untraced(&self) -> Option<String> {
        let reason = || {
            let server = if self.manifest.server.is_empty() { "it does not say which" } else { &self.manifest.server };
            format!("not traced: tracing was never tried with this SDK ({server}), and might run closures there")
        };
        (!self.manifest.can_be_traced()).then(reason)
    }

    pub(super) fn options(&self) -> &LiveOptions {
        &self.options
    }

    /// Journals under way at once.
    pub fn concurrency(&self) -> usize {
        self.options.concurrency.max(1)
    }

    /// What the candidate does with one journal; the SDK's own verdict is asked for too, and has to agree.
    pub async fn trace(&self, journal: &Journal) -> Result<Trace, String> {
        let subject = self.subject(journal)?;
        let recorded = journal.entries.view();
        if let Some(finding) = lacking(&self.manifest, &subject, recorded, &self.findings(&subject, Cause::CodeChange))
        {
            return Err(format!("the candidate does not have it ({})", finding.rule));
        }
        self.trace_subject(&subject, recorded).await.map_err(|undecided| undecided.to_string())?
    }

    async fn trace_subject(
        &self,
        subject: &Subject<'_>,
        recorded: Entries<'_>,
    ) -> Result<Result<Trace, String>, Undecided> {
        let (outcome, attempt) = self.tripwire(subject, recorded).await?;
        let stop = match outcome {
            Outcome::Executing(what) => {
                return Ok(Err(format!("the candidate does not replay ({what}); the attempt was stopped at once")));
            }
            Outcome::Failed { .. } | Outcome::Undecided(_) => None,
            Outcome::Reached => Some(Stop::Frontier),
            other => stop_of(other).map(|(stop, _)| stop),
        };
        let (trace, cause) = self.traces(subject, recorded, &attempt, None).await?;
        let traced = replay_trace(recorded, &trace)?.stop;
        Ok(match stop {
            Some(stop) if cause == Cause::CodeChange => match contradiction(&stop, &traced) {
                Some(reason) => Err(reason),
                None => Ok(with_await(trace, &stop, &traced)),
            },
            _ => Ok(trace),
        })
    }

    /// Judges one journal.
    pub async fn judge(&self, journal: &Journal) -> Judgement {
        self.judge_subject(journal, self.subject(journal)).await
    }

    /// Judges one journal as that of another invocation, which was started from it: the seed is the same, the id is not.
    pub async fn judge_as_new(&self, journal: &Journal) -> Judgement {
        let subject = self.subject(journal).map(|mut subject| {
            // The partition stays, the rest differs.
            subject.attempt.id[8..].iter_mut().for_each(|byte| *byte = !*byte);
            let uuid = u128::from_le_bytes(subject.attempt.id[8..].try_into().expect("sixteen bytes"));
            let partition = u64::from_le_bytes(subject.attempt.id[..8].try_into().expect("eight bytes"));
            subject.attempt.debug_id = InvocationId::from_numbers(partition, uuid).to_string();
            subject
        });
        self.judge_subject(journal, subject).await
    }

    async fn judge_subject(&self, journal: &Journal, subject: Result<Subject<'_>, String>) -> Judgement {
        let entries = journal.entries.view();
        let subject = match subject {
            Ok(subject) => subject,
            Err(reason) => return Judgement::inconclusive(entries.command_count(), reason),
        };
        let findings = self.findings(&subject, Cause::CodeChange);
        if let Some(finding) = lacking(&self.manifest, &subject, entries, &findings) {
            let mut judgement = Judgement::without_findings(Verdict::Failed, entries.command_count(), None);
            judgement.findings.push(finding);
            return judgement;
        }
        match self.replay(&subject).await {
            Ok(judgement) => judgement,
            Err(undecided) => Judgement::inconclusive(entries.command_count(), undecided.to_string()),
        }
    }

    /// Replays a journal with one command changed.
    pub(super) async fn prove(&self, journal: &Journal, salt: u64) -> Proof {
        let entries = match inject_into(journal.entries.view(), salt) {
            Ok(Some(entries)) => entries,
            Ok(None) => return Proof::Nothing,
            Err(_) => return Proof::Missed,
        };
        let judgement = self.judge(&Journal { entries, ..journal.clone() }).await;
        match judgement.verdict {
            Verdict::Mismatch => Proof::Caught { findings: judgement.findings, stopped: true },
            Verdict::Compatible | Verdict::Failed | Verdict::Inconclusive => Proof::Missed,
        }
    }

    fn subject<'j>(&self, journal: &'j Journal) -> Result<Subject<'j>, String> {
        let (service, handler) = journal
            .info
            .service_and_handler()
            .ok_or("the journal does not say which handler it is of: join target from sys_invocation")?;
        if journal.entries.view().command_count() == 0 {
            return Err("it has no commands, not even an Input".to_owned());
        }
        let attempt = Attempt::at(journal).ok_or("its id is not in Restate's form, and a replay needs it")?;
        let version = journal.info.protocol_version.unwrap_or_else(|| self.manifest.likely_version());
        let created = journal.info.created_at.as_deref().and_then(milliseconds);
        // Up to protocol 5 the SDK derives the seed itself.
        let other_seed = created.filter(|_| version >= 6).map(|created| unique_seed(&attempt.id, created));
        Ok(Subject { journal, service, handler, version, attempt, other_seed })
    }

    fn findings(&self, subject: &Subject<'_>, cause: Cause) -> Findings {
        Findings::of_invocation(&subject.journal.info, self.options.redaction, cause)
    }

    async fn replay(&self, subject: &Subject<'_>) -> Result<Judgement, Undecided> {
        let recorded = subject.journal.entries.view();
        let commands = recorded.command_count();
        let (outcome, attempt) = self.tripwire(subject, recorded).await?;
        let judgement = |verdict, reason| Judgement::without_findings(verdict, commands, reason);
        let mut judged = match &outcome {
            Outcome::Reached => return Ok(judgement(Verdict::Compatible, None)),
            Outcome::Failed { code, message } => {
                let reason = format!("the candidate failed with {code}: {}", first_line(message));
                let mut failed = judgement(Verdict::Failed, Some(reason));
                let findings = self.findings(subject, Cause::CodeChange);
                failed.findings.extend(rejected_input(&self.manifest, subject, recorded, &findings));
                return Ok(failed);
            }
            Outcome::Executing(what) => {
                let reason = format!("the candidate does not replay ({what}); the attempt was stopped at once");
                return Ok(judgement(Verdict::Inconclusive, Some(reason)));
            }
            Outcome::Undecided(reason) => {
                return Ok(judgement(Verdict::Inconclusive, Some(format!("the candidate: {reason}"))));
            }
            Outcome::Violates(_) => {
                let reason = "the candidate calls it a violation of the protocol (RT0012)";
                judgement(Verdict::Failed, Some(reason.to_owned()))
            }
            Outcome::Diverges { .. } | Outcome::Awaits { .. } | Outcome::Returned(_) => {
                judgement(Verdict::Mismatch, None)
            }
        };
        let Some((stop, issued)) = stop_of(outcome.clone()) else { return Ok(judged) };
        let explained = self.explain(subject, recorded, &attempt, &outcome, &stop, issued).await?;
        let Explanation { trace, cause, untraced } = match explained {
            Ok(explanation) => explanation,
            Err(disagreement) => return Ok(judgement(Verdict::Inconclusive, Some(disagreement))),
        };
        let alignment = align(recorded, Replayed::Trace(&trace), &stop)?;
        judged.findings = self.findings(subject, cause).of(&alignment);
        judged.timeline = timeline(&alignment);
        judged.reason = judged.reason.or_else(|| suspends(&stop).then(|| SUSPENDS.to_owned())).or(untraced);
        Ok(judged)
    }

    /// What the candidate did around the place where its SDK stopped; an error is a disagreement of the two judgements.
    async fn explain(
        &self,
        subject: &Subject<'_>,
        recorded: Entries<'_>,
        attempt: &Attempt,
        outcome: &Outcome,
        stop: &Stop,
        issued: Option<Issued>,
    ) -> Result<Result<Explanation, String>, Undecided> {
        let told = |cause, untraced| {
            let trace = as_told(recorded, stop, issued.clone())?;
            Ok(Ok(Explanation { trace, cause, untraced }))
        };
        if !self.options.trace {
            return told(Cause::Unknown, None);
        }
        if let Some(untraced) = self.untraced() {
            return told(Cause::Unknown, Some(untraced));
        }
        let at_place = match (stop, &issued) {
            (Stop::Divergence(at), Some(issued)) => Some((*at, issued.kind)),
            _ => None,
        };
        let (trace, mut cause) = match self.traces(subject, recorded, attempt, at_place).await {
            Ok(traced) => traced,
            // What keeps the explanation does not take the verdict back.
            Err(undecided) => return told(Cause::Unknown, Some(format!("not traced: {undecided}"))),
        };
        let traced = replay_trace(recorded, &trace)?.stop;
        if let Some(disagreement) = contradiction(stop, &traced) {
            // A candidate that differs from itself contradicts nothing.
            if cause == Cause::CodeChange && self.tripwire(subject, recorded).await?.0 == *outcome {
                return Ok(Err(disagreement));
            }
            cause = Cause::NonDeterminism;
            return told(cause, None);
        }
        if place_of(&traced).is_none() && matches!(stop, Stop::Divergence(_)) {
            return told(cause, None);
        }
        Ok(Ok(Explanation { trace, cause, untraced: None }))
    }

    /// The SDK's own verdict, and what was sent for it.
    async fn tripwire(&self, subject: &Subject<'_>, recorded: Entries<'_>) -> Result<(Outcome, Attempt), Undecided> {
        let deadline = self.deployment.deadline();
        let mut tripwire = Tripwire::new(recorded, subject.attempt.clone(), subject.other_seed, self.sdk());
        loop {
            let answer = self.attempt(deadline, subject, tripwire.request(), Listen::ForTheEnd).await?;
            if let Some(outcome) = tripwire.answer(&answer) {
                return Ok((outcome, tripwire.attempt().clone()));
            }
        }
    }

    /// The candidate's trace, twice: a candidate that differs from itself is not deterministic. `told` is what the SDK
    /// has said already, the recorded command that is not replayed and what is issued there.
    async fn traces(
        &self,
        subject: &Subject<'_>,
        recorded: Entries<'_>,
        attempt: &Attempt,
        mut told: Option<(usize, CommandKind)>,
    ) -> Result<(Trace, Cause), Undecided> {
        let deadline = self.deployment.deadline();
        let mut tracer = Tracer::new(recorded, attempt.clone(), self.sdk())?;
        let trace = loop {
            match self.attempt(deadline, subject, tracer.request(), Listen::ForCommands).await {
                Ok(answer) => {
                    if let Some(trace) = tracer.answer(&answer)? {
                        break trace;
                    }
                }
                Err(error) => match told.take().filter(|_| error.is_a_lost_answer()) {
                    Some((at, kind)) => tracer.suppose_added(at, kind),
                    None => return Err(error.into()),
                },
            }
        };
        let answer = self.attempt(deadline, subject, tracer.request(), Listen::ForCommands).await?;
        let again = tracer.trace(&answer)?;
        let cause = if agree(&trace, &again) { Cause::CodeChange } else { Cause::NonDeterminism };
        Ok((trace, cause))
    }

    async fn attempt(
        &self,
        deadline: Instant,
        subject: &Subject<'_>,
        body: Vec<u8>,
        listen: Listen,
    ) -> Result<Answer, DeploymentError> {
        self.deployment.attempt_until(deadline, &invoke(subject), body.into(), listen).await
    }
}

/// Where replay stops, and what the candidate issues there as its SDK says; `None` for what stops no replay.
fn stop_of(outcome: Outcome) -> Option<(Stop, Option<Issued>)> {
    match outcome {
        Outcome::Diverges { at, issued } => Some((Stop::Divergence(at), issued)),
        Outcome::Violates(at) => Some((Stop::Divergence(at), None)),
        Outcome::Awaits { before, run, awaited } => Some((Stop::Await(AddedAwait { before, run, awaited }), None)),
        Outcome::Returned(at) => Some((Stop::Returned(at), None)),
        Outcome::Reached | Outcome::Failed { .. } | Outcome::Executing(_) | Outcome::Undecided(_) => None,
    }
}

/// Whether the candidate did not fail on an added await, but suspended: only then it says what it waits for.
fn suspends(stop: &Stop) -> bool {
    matches!(stop, Stop::Await(added) if added.awaited != Await::default())
}

const SUSPENDS: &str = "this SDK raises no error here, it suspends: until what it awaits has completed, and for good if that is a run, which \
                        does not run while replaying";

fn invoke<'s>(subject: &'s Subject<'_>) -> Invoke<'s> {
    Invoke {
        id: &subject.attempt.debug_id,
        service: &subject.service,
        handler: &subject.handler,
        version: subject.version,
    }
}

/// As much of a message as a report has room for.
fn first_line(message: &str) -> String {
    const LONGEST: usize = 500;
    let line = message.lines().next().unwrap_or_default();
    line.char_indices().nth(LONGEST).map_or_else(|| line.to_owned(), |(end, _)| format!("{}…", &line[..end]))
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.deployment.name(), self.manifest.server)
    }
}
