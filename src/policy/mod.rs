//! The policy: a team's levels for rules, the differences that it ignores, and the findings that it has accepted.
//!
//! A policy never changes a verdict, which says what an SDK would do. It decides what fails the run. This module does no
//! I/O: it takes the text of `rehearse.toml`, and gives findings their levels and excuses.

mod accept;
mod error;
mod file;
pub mod gate;
mod pattern;

use std::collections::BTreeMap;

pub use accept::{Acceptance, AcceptanceState, append_acceptances, default_expiry, write_acceptances};
pub use error::PolicyError;
pub use file::{Coverage, GateSettings, parse};
pub use jiff::civil::Date;
use pattern::{PathPattern, Pattern};

use crate::diff::payload::MAX_CHANGES;
use crate::rules::{Change, Excuse, Finding, Level};

/// Headers that identify an attempt and do not change the request: W3C trace context and baggage, B3, and the headers
/// of Datadog, Jaeger, AWS, Google and Sentry.
pub const TRACING_HEADERS: [&str; 14] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "uber-trace-id",
    "x-datadog-*",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "sentry-trace",
];

/// Whose steps one journal was compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceOrigin {
    /// The same invocation, replayed: it got the recorded headers.
    #[default]
    SameInvocation,
    /// A trace that stands for every invocation of a handler.
    Template,
}

/// The origin of the candidate's traces; it decides whether tracing headers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traces {
    /// The traces come from files, for example the candidate's own journals. Their tracing headers belong to that run.
    OfAnotherRun,
    /// The traces come from a live candidate, which received the recorded headers. If a tracing header differs even so,
    /// the invocation would get stuck.
    OfAReplay,
}

/// The parts of `rehearse.toml` that concern findings, with a count for each acceptance.
#[derive(Debug)]
pub struct Policy {
    levels: BTreeMap<String, Level>,
    scopes: Vec<Scope>,
    ignored: Ignored,
    /// Ignored where a trace stands for a whole handler, and so is of another run than the journal.
    ignored_in_templates: Ignored,
    acceptances: Vec<(Acceptance, u64)>,
    today: Date,
}

/// One `[[override]]` table: levels and ignored differences for some services, handlers or steps.
#[derive(Debug, Default)]
struct Scope {
    service: Option<Pattern>,
    handler: Option<Pattern>,
    step: Option<Pattern>,
    levels: BTreeMap<String, Level>,
    ignored: Ignored,
}

/// Differences that do not count.
#[derive(Debug, Default)]
struct Ignored {
    paths: Vec<PathPattern>,
    headers: Vec<Pattern>,
}

impl Policy {
    /// The policy without a file: every rule keeps its own level. Tracing headers are ignored in traces that stand for a
    /// whole handler: those are of another run.
    pub fn standard(today: Date, traces: Traces) -> Self {
        let of_another_run = if traces == Traces::OfAnotherRun { tracing_headers() } else { Vec::new() };
        Self {
            levels: BTreeMap::new(),
            scopes: Vec::new(),
            ignored: Ignored::default(),
            ignored_in_templates: Ignored { paths: Vec::new(), headers: of_another_run },
            acceptances: Vec::new(),
            today,
        }
    }

    /// Sets the level and the excuse of every finding of one invocation. `origin` says whose steps it was compared with.
    pub fn judge(&mut self, target: Option<&(String, String)>, findings: &mut [Finding], origin: TraceOrigin) {
        for finding in findings {
            finding.level = self.level(target, finding);
            finding.excuse = self.excuse(target, finding, origin).map(Box::new);
        }
    }

    /// The acceptances with their states, in the order of the file.
    pub fn acceptances(&self) -> impl Iterator<Item = (&Acceptance, AcceptanceState)> {
        self.acceptances.iter().map(|(acceptance, used)| {
            let state = match used {
                _ if acceptance.expired(self.today) => AcceptanceState::Expired { on: *used },
                0 => AcceptanceState::Unused,
                used => AcceptanceState::Used { by: *used },
            };
            (acceptance, state)
        })
    }

    /// The last matching scope that names the rule wins, as in a style sheet.
    fn level(&self, target: Option<&(String, String)>, finding: &Finding) -> Level {
        let scoped = self.scopes.iter().rev().filter(|scope| scope.matches(target, finding));
        let mut named = scoped.filter_map(|scope| scope.levels.get(finding.rule));
        named.next().or_else(|| self.levels.get(finding.rule)).copied().unwrap_or(finding.level)
    }

    fn excuse(&mut self, target: Option<&(String, String)>, finding: &Finding, origin: TraceOrigin) -> Option<Excuse> {
        for (acceptance, used) in &mut self.acceptances {
            if acceptance.fingerprint == finding.fingerprint {
                *used += 1;
                if !acceptance.expired(self.today) {
                    return Some(Excuse::Acceptance {
                        reason: acceptance.reason.clone(),
                        author: acceptance.author.clone(),
                        expires: acceptance.expires.map(|day| day.to_string()),
                    });
                }
            }
        }
        let ignores = |change: &Change| {
            let matching =
                self.scopes.iter().filter(|scope| scope.matches(target, finding)).map(|scope| &scope.ignored);
            let of_templates = (origin == TraceOrigin::Template).then_some(&self.ignored_in_templates);
            std::iter::once(&self.ignored).chain(of_templates).chain(matching).any(|ignored| ignored.covers(change))
        };
        // Where changes were left out of a long list, or further findings are only counted here, some of them may be
        // changes that nobody ignores.
        let complete = !finding.changes.is_empty() && finding.changes.len() < MAX_CHANGES && finding.more == 0;
        (complete && finding.changes.iter().all(ignores)).then_some(Excuse::IgnoredPlaces)
    }
}

impl Scope {
    fn matches(&self, target: Option<&(String, String)>, finding: &Finding) -> bool {
        let matches = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.matches(text)))
        };
        matches(&self.service, target.map(|(service, _)| service.as_str()))
            && matches(&self.handler, target.map(|(_, handler)| handler.as_str()))
            && self.step.as_ref().is_none_or(|step| steps(finding).any(|name| step.matches(&name)))
    }
}

impl Ignored {
    fn covers(&self, change: &Change) -> bool {
        let header = change.path.strip_prefix("headers.");
        self.paths.iter().any(|pattern| pattern.matches(&change.path))
            || header.is_some_and(|header| self.headers.iter().any(|pattern| pattern.matches(header)))
    }
}

/// The names by which a policy refers to the finding's step: the name of a run, a state key, a signal's name, or the
/// `Service/handler` of a call.
fn steps(finding: &Finding) -> impl Iterator<Item = String> + '_ {
    let sides = [&finding.recorded, &finding.replayed].into_iter().flatten();
    sides.flat_map(|command| {
        let command = command.object();
        let text = |name: &str| command.get(name).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
        let call = match (text("service_name"), text("handler_name")) {
            (Some(service), Some(handler)) => Some(format!("{service}/{handler}")),
            _ => None,
        };
        // A call's `key` is the key of the object it calls.
        let key = if call.is_some() { None } else { text("key") };
        [text("name").map(str::to_owned), key.map(str::to_owned), call, text("signal_name").map(str::to_owned)]
            .into_iter()
            .flatten()
    })
}

fn tracing_headers() -> Vec<Pattern> {
    TRACING_HEADERS.iter().map(|name| Pattern::header(name)).collect()
}
