//! What a team makes of findings: which weigh how much, which differences it ignores, which findings it has accepted.
//!
//! A policy never changes a verdict, which says what an SDK would do. It says what fails the run. No I/O: the text of
//! `rehearse.toml` comes in, levels and excuses come out.

mod accept;
mod file;
pub mod gate;
mod pattern;

use std::collections::BTreeMap;

pub use accept::{Acceptance, AcceptanceState, append_acceptances, write_acceptances};
pub use file::{Coverage, GateSettings, PolicyError, parse};
pub use jiff::civil::Date;
use pattern::{PathPattern, Pattern};

use crate::diff::payload::MOST_CHANGES;
use crate::rules::{Change, Excuse, Finding, Level};

/// Headers that say which attempt it was, not what was asked for: W3C trace context and baggage, B3, and those of
/// Datadog, Jaeger, AWS and Google.
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

/// Where the candidate's steps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traces {
    /// From files: the candidate's own journals, say. Its tracing headers are those of that run.
    OfAnotherRun,
    /// From a live candidate that was given the recorded headers: one that differs all the same gets stuck.
    OfAReplay,
}

/// Everything that `rehearse.toml` says of findings.
#[derive(Debug)]
pub struct Policy {
    levels: BTreeMap<String, Level>,
    scopes: Vec<Scope>,
    ignored: Ignored,
    acceptances: Vec<(Acceptance, u64)>,
    today: Date,
}

/// Levels and ignored places for some services, handlers or steps.
#[derive(Debug, Default)]
struct Scope {
    service: Option<Pattern>,
    handler: Option<Pattern>,
    step: Option<Pattern>,
    levels: BTreeMap<String, Level>,
    ignored: Ignored,
}

#[derive(Debug, Default)]
struct Ignored {
    paths: Vec<PathPattern>,
    headers: Vec<Pattern>,
}

impl Policy {
    /// Without a file: every rule has its own level, and tracing headers are ignored where that is right.
    pub fn standard(today: Date, traces: Traces) -> Self {
        let headers = if traces == Traces::OfAnotherRun { tracing_headers() } else { Vec::new() };
        Self {
            levels: BTreeMap::new(),
            scopes: Vec::new(),
            ignored: Ignored { paths: Vec::new(), headers },
            acceptances: Vec::new(),
            today,
        }
    }

    /// Gives each finding of one invocation its level, and an excuse where there is one.
    pub fn judge(&mut self, target: Option<&(String, String)>, findings: &mut [Finding]) {
        for finding in findings {
            finding.level = self.level(target, finding);
            finding.excuse = self.excuse(target, finding).map(Box::new);
        }
    }

    /// What became of the acceptances, in the order in which the file has them.
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

    /// The last scope that fits and names the rule wins, as it does in a style sheet.
    fn level(&self, target: Option<&(String, String)>, finding: &Finding) -> Level {
        let scoped = self.scopes.iter().rev().filter(|scope| scope.fits(target, finding));
        let mut named = scoped.filter_map(|scope| scope.levels.get(finding.rule));
        named.next().or_else(|| self.levels.get(finding.rule)).copied().unwrap_or(finding.level)
    }

    fn excuse(&mut self, target: Option<&(String, String)>, finding: &Finding) -> Option<Excuse> {
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
            let fitting = self.scopes.iter().filter(|scope| scope.fits(target, finding)).map(|scope| &scope.ignored);
            std::iter::once(&self.ignored).chain(fitting).any(|ignored| ignored.covers(change))
        };
        // What was cut off a long list, or is counted here, may be no place that is ignored.
        let complete = !finding.changes.is_empty() && finding.changes.len() < MOST_CHANGES && finding.more == 0;
        (complete && finding.changes.iter().all(ignores)).then_some(Excuse::IgnoredPlaces)
    }
}

impl Scope {
    fn fits(&self, target: Option<&(String, String)>, finding: &Finding) -> bool {
        let fits = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.fits(text)))
        };
        fits(&self.service, target.map(|(service, _)| service.as_str()))
            && fits(&self.handler, target.map(|(_, handler)| handler.as_str()))
            && self.step.as_ref().is_none_or(|step| steps(finding).any(|name| step.fits(&name)))
    }
}

impl Ignored {
    fn covers(&self, change: &Change) -> bool {
        let header = change.path.strip_prefix("headers.");
        self.paths.iter().any(|pattern| pattern.fits(&change.path))
            || header.is_some_and(|header| self.headers.iter().any(|pattern| pattern.fits(header)))
    }
}

/// What a step goes by: the name of a run, a state key, `Service/handler` of a call.
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
