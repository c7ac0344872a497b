//! Judging journals on a live deployment: the SDK's own verdict first, then, on a mismatch, the trace that explains it.

use std::fmt;

use futures_util::{StreamExt, stream};

use super::deployment::{Deployment, DeploymentError};
use super::discovery::{DiscoveryError, Manifest};
use super::invoke::Invoke;
use crate::diff::{AddedAwait, Lockstep, Replayed, Side, Stop, Undecodable, align, inject_into, replay_trace};
use crate::gate::Proof;
use crate::journal::command::{Command, FieldValue, fields};
use crate::journal::{
    Await, CommandKind, Ending, Entries, EntryKind, IdOrder, InvocationId, InvocationInfo, Journal, Step, Trace,
};
use crate::protocol::{decode, default_seed, milliseconds, unique_seed};
use crate::replay::tripwire::Issued;
use crate::replay::{Attempt, Listen, Outcome, Sdk, Tracer, Tripwire, trace::agree};
use crate::report::{Judgement, Verdict};
use crate::rules::{self, Cause, Finding, Findings, Redaction, timeline};

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
#[error("could not discover {name}: {source}")]
pub struct LiveError {
    name: String,
    source: DiscoveryError,
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
struct Subject<'j> {
    journal: &'j Journal,
    service: String,
    handler: String,
    version: u32,
    attempt: Attempt,
    other_seed: Option<u64>,
}

impl Live {
    pub async fn discover(deployment: impl Into<Deployment>, options: LiveOptions) -> Result<Self, LiveError> {
        let deployment = deployment.into();
        let failed = |source| LiveError { name: deployment.name().to_owned(), source };
        let manifest = Manifest::discover(&deployment).await.map_err(failed)?;
        Ok(Self { deployment, manifest, options })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn sdk(&self) -> Sdk {
        self.manifest.sdk()
    }

    /// Journals under way at once.
    pub fn concurrency(&self) -> usize {
        self.options.concurrency.max(1)
    }

    /// What the candidate does with one journal.
    pub async fn trace(&self, journal: &Journal) -> Result<Trace, String> {
        let subject = self.subject(journal)?;
        let recorded = journal.entries.view();
        if let Some(finding) = self.finding_of_discovery(&subject, recorded) {
            return Err(format!("the candidate does not have it ({})", finding.rule));
        }
        let traced = self.traces(&subject, recorded, &subject.attempt, None).await;
        traced.map(|(trace, _)| trace).map_err(|undecided| undecided.to_string())
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
        if let Some(finding) = self.finding_of_discovery(&subject, entries) {
            return Judgement {
                verdict: Verdict::Failed,
                commands: entries.command_count(),
                frontier_reached: false,
                findings: vec![finding],
                reason: None,
                path: 0,
                timeline: Vec::new(),
                proof: None,
            };
        }
        match self.replay(&subject).await {
            Ok(judgement) => judgement,
            Err(undecided) => Judgement::inconclusive(entries.command_count(), undecided.to_string()),
        }
    }

    /// Replays a journal with one command changed.
    async fn prove(&self, journal: &Journal, salt: u64) -> Proof {
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
        let id = journal.id.wire().ok_or("its id is not in Restate's form, and a replay needs it")?;
        let version = journal.info.protocol_version.unwrap_or(self.manifest.max_protocol_version.clamp(5, 6));
        let created = journal.info.created_at.as_deref().and_then(milliseconds);
        let attempt = Attempt {
            id,
            debug_id: journal.id.to_string(),
            key: journal.info.key().unwrap_or_default(),
            random_seed: default_seed(&id),
        };
        // Up to protocol 5 the SDK derives the seed itself.
        let other_seed = created.filter(|_| version >= 6).map(|created| unique_seed(&id, created));
        Ok(Subject { journal, service, handler, version, attempt, other_seed })
    }

    fn findings<'s>(&self, subject: &'s Subject<'_>, cause: Cause) -> Findings<'s> {
        Findings { service: &subject.service, handler: &subject.handler, redaction: self.options.redaction, cause }
    }

    /// What needs no replay: the deployment does not have what the journal is of.
    fn finding_of_discovery(&self, subject: &Subject<'_>, entries: Entries<'_>) -> Option<Finding> {
        let findings = self.findings(subject, Cause::CodeChange);
        let finding = |rule: &str, path: &str, recorded: String, replayed: Option<String>| {
            rules::find(rule).map(|rule| findings.of_deployment(rule, path, &recorded, replayed.as_deref()))
        };
        let Some(service) = self.manifest.service(&subject.service) else {
            return finding("service-missing", "service", subject.service.clone(), None);
        };
        if let Some(recorded) = subject.journal.info.service_type.as_deref()
            && normal(recorded) != normal(&service.ty)
        {
            return finding("service-type-changed", "service_type", recorded.to_owned(), Some(service.ty.clone()));
        }
        let Some(handler) = service.handler(&subject.handler) else {
            return finding("handler-missing", "handler", subject.handler.clone(), None);
        };
        let writes = |at: &usize| {
            let kind = entries.command_kind(*at);
            matches!(kind, Some(CommandKind::SetState | CommandKind::ClearState | CommandKind::ClearAllState))
        };
        if handler.ty.as_deref() == Some("SHARED") && entries.commands().any(|at| writes(&at)) {
            return finding(
                "handler-type-changed",
                "handler_type",
                "it writes state, as exclusive handlers do".to_owned(),
                handler.ty.clone(),
            );
        }
        if !self.manifest.speaks(subject.version) {
            let (min, max) = (self.manifest.min_protocol_version, self.manifest.max_protocol_version);
            return finding(
                "protocol-unsupported",
                "protocol_version",
                subject.version.to_string(),
                Some(format!("{min} to {max}")),
            );
        }
        None
    }

    async fn replay(&self, subject: &Subject<'_>) -> Result<Judgement, Undecided> {
        let recorded = subject.journal.entries.view();
        let commands = recorded.command_count();
        let (outcome, attempt) = self.tripwire(subject, recorded).await?;
        let judgement = |verdict, reason| Judgement::without_findings(verdict, commands, reason);
        let violates = matches!(outcome, Outcome::Violates(_));
        let (stop, issued) = match outcome {
            Outcome::Reached => return Ok(judgement(Verdict::Compatible, None)),
            Outcome::Failed { code, message } => {
                let mut failed = judgement(
                    Verdict::Failed,
                    Some(format!("the candidate failed with {code}: {}", first_line(&message))),
                );
                failed.findings.extend(self.rejected_input(subject, recorded));
                return Ok(failed);
            }
            Outcome::Executing(what) => {
                let reason = format!("the candidate does not replay ({what}); the attempt was stopped at once");
                return Ok(judgement(Verdict::Inconclusive, Some(reason)));
            }
            Outcome::Undecided(reason) => {
                return Ok(judgement(Verdict::Inconclusive, Some(format!("the candidate: {reason}"))));
            }
            Outcome::Diverges { at, issued } => (Stop::Divergence(at), issued),
            Outcome::Violates(at) => (Stop::Divergence(at), None),
            Outcome::Awaits { before, run, awaited } => (Stop::Await(AddedAwait { before, run, awaited }), None),
            Outcome::Returned(at) => (Stop::Returned(at), None),
        };
        let told = match (&stop, &issued) {
            (Stop::Divergence(at), Some(issued)) => Some((*at, issued.kind)),
            _ => None,
        };
        let traced = if self.options.trace && self.sdk().can_be_traced() {
            match self.traces(subject, recorded, &attempt, told).await {
                // The verdict is known all the same.
                Err(Undecided::Unanswered(error)) => {
                    tracing::warn!("{}: the mismatch is told without a trace: {error}", subject.journal.id);
                    None
                }
                traced => Some(traced?),
            }
        } else {
            None
        };
        let mut judged = if violates {
            judgement(Verdict::Failed, Some("the candidate calls it a violation of the protocol (RT0012)".to_owned()))
        } else {
            judgement(Verdict::Mismatch, suspends(&stop).then(|| SUSPENDS.to_owned()))
        };
        let (trace, cause) = match traced {
            Some((trace, cause)) => {
                let Lockstep { stop: traced, .. } = replay_trace(recorded, &trace)?;
                match place_of(&traced) {
                    // The trace may end before the place; it may not contradict it.
                    Some(place) if Some(place) != place_of(&stop) => {
                        let reason = format!(
                            "the SDK stops replay at command {}, its trace differs at command {place}: the two judgements disagree",
                            place_of(&stop).unwrap_or(commands)
                        );
                        return Ok(judgement(Verdict::Inconclusive, Some(reason)));
                    }
                    Some(_) => (trace, cause),
                    None if matches!(stop, Stop::Divergence(_)) => (as_told(recorded, &stop, issued)?, cause),
                    None => (trace, cause),
                }
            }
            None => (as_told(recorded, &stop, issued)?, Cause::Unknown),
        };
        let alignment = align(recorded, Replayed::Trace(&trace), &stop)?;
        judged.findings = self.findings(subject, cause).of(&alignment);
        judged.timeline = timeline(&alignment);
        Ok(judged)
    }

    async fn tripwire(&self, subject: &Subject<'_>, recorded: Entries<'_>) -> Result<(Outcome, Attempt), Undecided> {
        let mut tripwire = Tripwire::new(recorded, subject.attempt.clone(), subject.other_seed, self.sdk());
        loop {
            let answer =
                self.deployment.attempt(&invoke(subject), tripwire.request().into(), Listen::ForTheEnd).await?;
            if let Some(outcome) = tripwire.answer(&answer) {
                return Ok((outcome, subject.attempt.clone()));
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
        let mut tracer = Tracer::new(recorded, attempt.clone(), self.sdk())?;
        let trace = loop {
            match self.deployment.attempt(&invoke(subject), tracer.request().into(), Listen::ForCommands).await {
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
        let answer = self.deployment.attempt(&invoke(subject), tracer.request().into(), Listen::ForCommands).await?;
        let again = tracer.trace(&answer)?;
        let cause = if agree(&trace, &again) { Cause::CodeChange } else { Cause::NonDeterminism };
        Ok((trace, cause))
    }

    /// Whether the recorded input fits the handler's schema; asked where the candidate failed.
    fn rejected_input(&self, subject: &Subject<'_>, recorded: Entries<'_>) -> Option<Finding> {
        let handler = self.manifest.service(&subject.service)?.handler(&subject.handler)?;
        let schema = handler.input.as_ref()?.json_schema.as_ref()?;
        let EntryKind::Command(CommandKind::Input) = recorded.kind(0) else { return None };
        let input = decode(CommandKind::Input, recorded.raw(0)).ok()?;
        let FieldValue::Bytes(payload) = input.get("value")? else { return None };
        let validator = jsonschema::validator_for(schema).ok()?;
        let rejected = match serde_json::from_slice::<serde_json::Value>(payload) {
            Ok(value) => validator.iter_errors(&value).next().map(|error| error.to_string())?,
            Err(error) => error.to_string(),
        };
        let rule = rules::find("input-rejected")?;
        let findings = self.findings(subject, Cause::CodeChange);
        Some(findings.of_deployment(rule, "input", &String::from_utf8_lossy(payload), Some(&rejected)))
    }
}

fn invoke<'s>(subject: &'s Subject<'_>) -> Invoke<'s> {
    Invoke {
        id: &subject.attempt.debug_id,
        service: &subject.service,
        handler: &subject.handler,
        version: subject.version,
    }
}

/// Whether the candidate did not fail on an added await, but suspended: only then it says what it waits for.
fn suspends(stop: &Stop) -> bool {
    matches!(stop, Stop::Await(added) if added.awaited != Await::default())
}

const SUSPENDS: &str = "this SDK raises no error here, it suspends: until what it awaits has completed, and for good if that is a run, which \
                        does not run while replaying";

/// The recorded command that is not replayed; `None` where the trace does not get there.
fn place_of(stop: &Stop) -> Option<usize> {
    match stop {
        Stop::Divergence(at) | Stop::Returned(at) => Some(*at),
        Stop::Await(added) => Some(added.before),
        Stop::Frontier | Stop::Failed(_) | Stop::TraceEnds(_) => None,
    }
}

/// Without a trace: as recorded up to the place, then what the SDK says it issues there.
fn as_told(recorded: Entries<'_>, stop: &Stop, issued: Option<Issued>) -> Result<Trace, Undecodable> {
    let upto = place_of(stop).unwrap_or(0);
    let mut steps = Vec::new();
    for at in recorded.commands().take(upto) {
        let EntryKind::Command(kind) = recorded.kind(at) else { continue };
        let command = decode(kind, recorded.raw(at)).map_err(|source| Undecodable {
            side: Side::Recorded,
            entry_index: at,
            source,
        })?;
        steps.push(Step::Command(command));
    }
    if let Some(Issued { kind, name }) = issued {
        let field = fields(kind).iter().find(|field| field.name == "name");
        let fields = field.zip(name).map(|(field, name)| (field, FieldValue::Text(name))).into_iter().collect();
        steps.push(Step::Command(Command { kind, fields, complete: false }));
    }
    Ok(Trace { steps, ending: Ending::Unknown })
}

/// `VIRTUAL_OBJECT` and `virtual_object` are the same.
fn normal(ty: &str) -> String {
    ty.to_ascii_lowercase()
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.deployment.name(), self.manifest.server)
    }
}

/// Judges journals as they come, several at once; results keep their order. `false` from `sink` ends it.
pub async fn check_live<'j>(
    live: &Live,
    journals: impl Iterator<Item = (IdOrder, InvocationInfo, Result<Journal, String>)> + 'j,
    mut sink: impl FnMut(IdOrder, InvocationInfo, Judgement) -> bool,
) {
    let judged = stream::iter(journals)
        .map(|(order, info, journal)| async move {
            let judgement = match journal {
                Ok(journal) => {
                    let mut judgement = live.judge(&journal).await;
                    judgement.path = journal.entries.view().path();
                    if live.options.prove && judgement.verdict == Verdict::Compatible {
                        judgement.proof = Some(live.prove(&journal, order.salt()).await);
                    }
                    judgement
                }
                Err(reason) => Judgement::inconclusive(0, reason),
            };
            (order, info, judgement)
        })
        .buffered(live.options.concurrency.max(1));
    let mut judged = std::pin::pin!(judged);
    while let Some((order, info, judgement)) = judged.next().await {
        if !sink(order, info, judgement) {
            return;
        }
    }
}
