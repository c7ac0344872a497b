//! A live judgement: one journal's conversation with a candidate, requests out and answers in, without I/O.
//!
//! First the tripwire gets the verdict of the candidate's own SDK, which stands whatever comes later. On a mismatch the
//! tracer then finds out what the candidate does instead, and whether it does so twice.

use super::Sdk;
use super::answer::{Answer, Listen};
use super::request::Attempt;
use super::tracer::Tracer;
use super::tripwire::{Issued, SdkVerdict, Tripwire};
use crate::diff::{Side, Stop, Undecodable, Verdict, replay_trace};
use crate::journal::command::{Command, FieldValue, fields};
use crate::journal::{Ending, Entries, EntryKind, Step, Trace};
use crate::protocol::decode;

/// One journal's live judgement: send [`Self::request`], pass the reply to [`Self::answer`] or [`Self::lost`], until
/// there is no request left; then [`Self::judged`].
#[derive(Debug)]
pub struct LiveJudge<'j> {
    recorded: Entries<'j>,
    sdk: Sdk,
    explain: Explain,
    phase: Phase<'j>,
    attempts: u32,
}

/// What to find out beside the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explain {
    /// Nothing: the SDK's own words must do.
    Nothing,
    /// What the candidate does from the divergence on.
    Mismatches,
    /// Nothing, because the candidate can not be traced without risk; the reason is told.
    Untraceable(String),
}

/// One request to the candidate.
#[derive(Debug)]
pub struct AttemptRequest {
    pub body: Vec<u8>,
    pub listen: Listen,
    pub purpose: Purpose,
}

/// What a request is for. Each purpose has a time limit of its own; what explains must not disturb what judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Verdict,
    Explanation,
}

/// What came of the conversation.
#[derive(Clone, Debug)]
pub struct LiveJudged {
    pub verdict: SdkVerdict,
    /// What the candidate did, where that is not as recorded; nothing where it gave no verdict.
    pub trace: Option<Trace>,
    pub agreement: Agreement,
    /// Why the trace holds no more than the SDK's own words.
    pub untraced: Option<String>,
    /// How many attempts were answered.
    pub attempts: u32,
}

/// Whether the candidate did the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    Agrees,
    Differs,
    Unknown,
}

#[derive(Debug)]
enum Phase<'j> {
    Verdict(Box<Tripwire<'j>>),
    Trace {
        verdict: SdkVerdict,
        tracer: Box<Tracer<'j>>,
    },
    /// The verdict once more, where there is nothing to trace.
    Again {
        verdict: SdkVerdict,
        tripwire: Box<Tripwire<'j>>,
    },
    Done {
        verdict: SdkVerdict,
        traced: Result<Trace, String>,
        agreement: Agreement,
    },
}

impl<'j> LiveJudge<'j> {
    pub fn new(recorded: Entries<'j>, attempt: Attempt, other_seed: Option<u64>, sdk: Sdk, explain: Explain) -> Self {
        let tripwire = Tripwire::new(recorded, attempt, other_seed, sdk);
        Self { recorded, sdk, explain, phase: Phase::Verdict(Box::new(tripwire)), attempts: 0 }
    }

    /// The next request; `None` when everything is known.
    pub fn request(&self) -> Option<AttemptRequest> {
        let explains = |body, listen| AttemptRequest { body, listen, purpose: Purpose::Explanation };
        match &self.phase {
            Phase::Verdict(tripwire) => {
                Some(AttemptRequest { body: tripwire.request(), listen: Listen::ForTheEnd, purpose: Purpose::Verdict })
            }
            Phase::Trace { tracer, .. } => {
                let listen = if tracer.issues() { Listen::ForCommands } else { Listen::ForTheEnd };
                tracer.request().map(|body| explains(body, listen))
            }
            Phase::Again { tripwire, .. } => Some(explains(tripwire.request(), Listen::ForTheEnd)),
            Phase::Done { .. } => None,
        }
    }

    /// Takes the answer to the last request.
    pub fn answer(&mut self, answer: &Answer) -> Result<(), Undecodable> {
        self.attempts += 1;
        match &mut self.phase {
            Phase::Verdict(tripwire) => {
                if let Some(verdict) = tripwire.answer(answer) {
                    let (attempt, flaky) = (tripwire.attempt().clone(), tripwire.is_flaky());
                    self.phase = self.explain(verdict, attempt, flaky)?;
                }
            }
            Phase::Trace { verdict, tracer } => {
                tracer.answer(answer)?;
                if tracer.request().is_none() {
                    let agreement = if tracer.differs_from_itself() { Agreement::Differs } else { Agreement::Agrees };
                    let traced = Ok(tracer.trace()?);
                    self.phase = Phase::Done { verdict: verdict.clone(), traced, agreement };
                }
            }
            Phase::Again { verdict, tripwire } => {
                if let Some(again) = tripwire.answer(answer) {
                    let agreement = if again == *verdict { Agreement::Agrees } else { Agreement::Differs };
                    let traced = Ok(as_told(self.recorded, verdict)?);
                    self.phase = Phase::Done { verdict: verdict.clone(), traced, agreement };
                }
            }
            Phase::Done { .. } => {}
        }
        Ok(())
    }

    /// There is no answer to the last request, and there will be none. A verdict that is known already stands; without one
    /// the conversation is over.
    pub fn lost(&mut self, reason: &str) {
        let untraced = || Err(format!("not traced: {reason}"));
        self.phase = match std::mem::replace(&mut self.phase, Phase::undecided(reason)) {
            Phase::Verdict(_) => return,
            Phase::Trace { verdict, tracer } if tracer.confirms() => match tracer.trace() {
                Ok(trace) => Phase::Done { verdict, traced: Ok(trace), agreement: Agreement::Unknown },
                Err(_) => Phase::Done { verdict, traced: untraced(), agreement: Agreement::Unknown },
            },
            Phase::Trace { verdict, .. } | Phase::Again { verdict, .. } => {
                Phase::Done { verdict, traced: untraced(), agreement: Agreement::Unknown }
            }
            done @ Phase::Done { .. } => done,
        };
    }

    /// What came of it.
    pub fn judged(self) -> Result<LiveJudged, Undecodable> {
        let Phase::Done { verdict, traced, agreement } = self.phase else {
            let verdict = SdkVerdict {
                stop: Stop::Undecided("the candidate: it was not asked".to_owned()),
                issued: None,
                error: None,
            };
            let (trace, untraced) = (None, None);
            return Ok(LiveJudged { verdict, trace, agreement: Agreement::Unknown, untraced, attempts: self.attempts });
        };
        if matches!(verdict.stop.verdict(), Verdict::Compatible | Verdict::Inconclusive) {
            let (trace, untraced) = (None, None);
            return Ok(LiveJudged { verdict, trace, agreement, untraced, attempts: self.attempts });
        }
        let told = |untraced| -> Result<_, Undecodable> { Ok((as_told(self.recorded, &verdict)?, untraced)) };
        let (trace, untraced) = match traced {
            // The SDK's index stands; a trace that stops elsewhere explains nothing.
            Ok(trace) if fits(self.recorded, &verdict.stop, &trace)? => (trace, None),
            Ok(_) => told(None)?,
            Err(reason) => told(Some(reason).filter(|reason| !reason.is_empty()))?,
        };
        Ok(LiveJudged { verdict, trace: Some(trace), agreement, untraced, attempts: self.attempts })
    }

    fn explain(&self, verdict: SdkVerdict, attempt: Attempt, flaky: bool) -> Result<Phase<'j>, Undecodable> {
        let done = |verdict: SdkVerdict, reason: &str| Phase::Done {
            verdict,
            traced: Err(reason.to_owned()),
            agreement: if flaky { Agreement::Differs } else { Agreement::Unknown },
        };
        Ok(match (&self.explain, &verdict.stop) {
            (Explain::Nothing, _) => done(verdict, ""),
            (_, Stop::Frontier | Stop::Undecided(_) | Stop::TraceEnds(_) | Stop::Failed(_)) => done(verdict, ""),
            (Explain::Untraceable(reason), _) => done(verdict, reason),
            _ if flaky => done(verdict, ""),
            (Explain::Mismatches, Stop::Divergence(_) | Stop::Violation(_)) => {
                let tracer = Tracer::new(self.recorded, attempt, self.sdk, &verdict.stop)?;
                Phase::Trace { verdict, tracer: Box::new(tracer) }
            }
            // The verdict says all there is: the candidate waits, or has returned.
            (Explain::Mismatches, Stop::Await(_) | Stop::Returned(_)) => {
                let tripwire = Tripwire::new(self.recorded, attempt, None, self.sdk);
                Phase::Again { verdict, tripwire: Box::new(tripwire) }
            }
        })
    }
}

impl Phase<'_> {
    fn undecided(reason: &str) -> Self {
        Self::Done {
            verdict: SdkVerdict { stop: Stop::Undecided(reason.to_owned()), issued: None, error: None },
            traced: Err(String::new()),
            agreement: Agreement::Unknown,
        }
    }
}

/// Whether a trace stops where the SDK stopped.
fn fits(recorded: Entries<'_>, stop: &Stop, trace: &Trace) -> Result<bool, Undecodable> {
    let traced = replay_trace(recorded, trace)?.stop;
    Ok(match stop {
        Stop::Violation(at) => traced == Stop::Divergence(*at),
        // How an await is described differs between the two; the place must be the same.
        Stop::Await(added) => matches!(&traced, Stop::Await(other) if other.before == added.before),
        stop => traced == *stop,
    })
}

/// A trace from the verdict alone: as recorded up to the place, then what the SDK says of it.
pub fn as_told(recorded: Entries<'_>, verdict: &SdkVerdict) -> Result<Trace, Undecodable> {
    let upto = verdict.stop.at().unwrap_or(usize::MAX);
    let mut steps = Vec::new();
    for at in recorded.commands().take(upto) {
        let EntryKind::Command(kind) = recorded.kind(at) else { continue };
        let command = decode(kind, recorded.raw(at)).map_err(|source| Undecodable {
            side: Side::Recorded,
            entry_index: at,
            source,
        })?;
        steps.push(Step::Command(command.into_owned()));
    }
    if let Some(Issued { kind, name }) = &verdict.issued {
        let field = fields(*kind).iter().find(|field| field.name == "name");
        let name = field.zip(name.as_ref());
        let fields = name.map(|(field, name)| (field, FieldValue::Text(name.clone().into()))).into_iter().collect();
        steps.push(Step::Command(Command { kind: *kind, fields, complete: false }));
    }
    let ending = match &verdict.stop {
        Stop::Await(added) => {
            steps.push(Step::Await(added.awaited.clone()));
            Ending::Suspended
        }
        Stop::Returned(_) => Ending::Returned,
        Stop::Failed(_) => Ending::Failed,
        _ => Ending::Unknown,
    };
    Ok(Trace { steps, ending })
}
