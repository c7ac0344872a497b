//! Judging journals on a live deployment: the SDK's own verdict first, then, on a mismatch, the trace that explains it.

use std::fmt;

use super::manifest_check::{missing_in_manifest, rejected_input};
use super::subject::Subject;
use crate::diff::{Replayed, Stop, Undecodable, align, inject_into};
use crate::journal::{Await, Entries, Journal, Trace};
use crate::policy::gate::Proof;
use crate::protocol::possible_seeds;
use crate::replay::{
    Agreement, AttemptRequest, Explain, HandlerFailure, LiveJudge, LiveJudged, Purpose, Sdk, SdkVerdict, as_told,
};
use crate::report::{Judgement, Verdict};
use crate::rules::{Cause, Findings, Redaction, timeline};
use crate::transport::{Candidate, CandidateError, DiscoveryError, HttpError, HttpVersion, Manifest};

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
    deployment: Candidate,
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
    fn new(deployment: &Candidate, source: DiscoveryError) -> Self {
        let version = match deployment {
            Candidate::Http(endpoint) => Some(endpoint.version()),
            #[cfg(feature = "lambda")]
            Candidate::Lambda(_) => None,
        };
        // What an HTTP/1.1 server says to HTTP/2 looks like a broken connection.
        let hint = match (&source, version) {
            (DiscoveryError::Unanswered(CandidateError::Http(HttpError::Connection(_))), Some(version)) => {
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

impl Live {
    pub async fn discover(deployment: impl Into<Candidate>, options: LiveOptions) -> Result<Self, LiveError> {
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

    /// What the candidate does with one journal: as its SDK says, and so what a check of the trace finds is what a live
    /// check finds.
    pub async fn trace(&self, journal: &Journal) -> Result<Trace, String> {
        let subject = self.subject(journal)?;
        let recorded = journal.entries.view();
        let findings = self.findings(&subject, Cause::CodeChange);
        if let Some(finding) = missing_in_manifest(&self.manifest, &subject, recorded, &findings) {
            return Err(format!("the candidate does not have it ({})", finding.rule));
        }
        let judged = self.converse(&subject, recorded).await.map_err(|undecodable| undecodable.to_string())?;
        match (judged.verdict.stop, judged.trace) {
            (Stop::Undecided(reason), _) => Err(reason),
            (_, Some(trace)) => Ok(trace),
            (stop, None) => {
                let verdict = SdkVerdict { stop, issued: None, error: None };
                as_told(recorded, &verdict).map_err(|undecodable| undecodable.to_string())
            }
        }
    }

    /// Judges one journal.
    pub async fn judge(&self, journal: &Journal) -> Judgement {
        self.judge_subject(journal, self.subject(journal)).await
    }

    /// Judges one journal as that of another invocation, which was started from it.
    pub async fn judge_as_new(&self, journal: &Journal) -> Judgement {
        self.judge_subject(journal, self.subject(journal).map(Subject::into_new)).await
    }

    async fn judge_subject(&self, journal: &Journal, subject: Result<Subject<'_>, String>) -> Judgement {
        let entries = journal.entries.view();
        let subject = match subject {
            Ok(subject) => subject,
            Err(reason) => return Judgement::inconclusive(entries.command_count(), reason),
        };
        let findings = self.findings(&subject, Cause::CodeChange);
        if let Some(finding) = missing_in_manifest(&self.manifest, &subject, entries, &findings) {
            let mut judgement = Judgement::without_findings(Verdict::Failed, entries.command_count(), None);
            judgement.findings.push(finding);
            return judgement;
        }
        match self.replay(&subject).await {
            Ok(judgement) => judgement,
            Err(undecodable) => Judgement::inconclusive(entries.command_count(), undecodable.to_string()),
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
        Subject::of(journal, &self.manifest)
    }

    fn findings(&self, subject: &Subject<'_>, cause: Cause) -> Findings {
        let info = &subject.journal.info;
        let seeds = possible_seeds(&subject.attempt.id, info.created_at.as_deref());
        Findings::of_invocation(info, self.options.redaction, cause).with_seeds(seeds)
    }

    async fn replay(&self, subject: &Subject<'_>) -> Result<Judgement, Undecodable> {
        let recorded = subject.journal.entries.view();
        let commands = recorded.command_count();
        let LiveJudged { verdict: SdkVerdict { stop, error, .. }, trace, agreement, untraced, .. } =
            self.converse(subject, recorded).await?;
        let mut judged = Judgement::without_findings(stop.verdict(), commands, None);
        match (&stop, error) {
            (Stop::Frontier, _) => return Ok(judged),
            (Stop::Undecided(reason), _) => {
                judged.reason = Some(reason.clone());
                return Ok(judged);
            }
            (_, Some(HandlerFailure { code, message })) => {
                judged.reason = Some(format!("the candidate failed with {code}: {}", first_line(&message)));
                let findings = self.findings(subject, Cause::CodeChange);
                judged.findings.extend(rejected_input(&self.manifest, subject, recorded, &findings));
                return Ok(judged);
            }
            (Stop::Violation(_), None) => {
                judged.reason = Some("the candidate calls it a violation of the protocol (RT0012)".to_owned());
            }
            _ => {}
        }
        let Some(trace) = trace else { return Ok(judged) };
        let cause = match agreement {
            Agreement::Agrees => Cause::CodeChange,
            Agreement::Differs => Cause::NonDeterminism,
            Agreement::Unknown => Cause::Unknown,
        };
        let mut alignment = align(recorded, Replayed::Trace(&trace), &stop)?;
        alignment.invocation = Some(subject.attempt.id);
        judged.findings = self.findings(subject, cause).of(&alignment);
        judged.timeline = timeline(&alignment);
        judged.reason = judged.reason.or_else(|| suspends(&stop).then(|| SUSPENDS.to_owned())).or(untraced);
        Ok(judged)
    }

    /// Carries one journal's requests to the candidate, until everything is known.
    async fn converse(&self, subject: &Subject<'_>, recorded: Entries<'_>) -> Result<LiveJudged, Undecodable> {
        let explain = match self.untraced() {
            _ if !self.options.trace => Explain::Nothing,
            Some(reason) => Explain::Untraceable(reason),
            None => Explain::Mismatches,
        };
        let mut judge = LiveJudge::new(recorded, subject.attempt.clone(), subject.other_seed, self.sdk(), explain);
        let mut limit = (Purpose::Verdict, self.deployment.deadline());
        while let Some(AttemptRequest { body, listen, purpose }) = judge.request() {
            if limit.0 != purpose {
                limit = (purpose, self.deployment.deadline());
            }
            match self.deployment.attempt_until(limit.1, &subject.invoke(), body.into(), listen).await {
                Ok(answer) => judge.answer(&answer)?,
                Err(error) => judge.lost(&format!("the candidate: {error}")),
            }
        }
        judge.judged()
    }
}

/// Whether the candidate did not fail on an added await, but suspended: only then it says what it waits for.
fn suspends(stop: &Stop) -> bool {
    matches!(stop, Stop::Await(added) if added.awaited != Await::default())
}

const SUSPENDS: &str = "this SDK raises no error here, it suspends: until what it awaits has completed, and for good if that is a run, which \
                        does not run while replaying";

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
