//! `sarif`: a report as SARIF 2.1.0, for code scanning. One result stands for one cause, not for one invocation: a
//! thousand stuck invocations with three causes are three results.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::text::count;
use super::{Render, SourceFiles, brief, escaped, words, write_json};
use crate::journal::InvocationInfo;
use crate::policy::gate::GateOutcome;
use crate::report::{FingerprintCount, Group, Invocation, Report, Verdict};
use crate::rules::{self, Level, Rule};
use crate::source::Ids;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The rule id of a candidate that fails, which no rule judges.
const FAILED: &str = "candidate-failed";

#[derive(Debug, Default)]
pub struct Sarif {
    pub sources: SourceFiles,
}

impl Render for Sarif {
    fn invocation(&mut self, _invocation: &Invocation, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        let tallies = report.fingerprints();
        let wanted = tallies.iter().filter(|tally| tally.finding.level != Level::Off);
        let mut results: Vec<Value> = wanted.map(|tally| self.result(tally, ids)).collect();
        let groups = report.groups();
        let failed = groups.iter().filter(|group| group.verdict == Verdict::Failed && group.is_unexplained());
        results.extend(failed.map(|group| self.failed(group, ids)));
        let rules: Vec<Value> = rules::all().map(descriptor).chain([failed_descriptor()]).collect();
        // Here and below, the members of an object are written in the order of the alphabet.
        let document = json!({
            "$schema": SCHEMA,
            "runs": [{
                "automationDetails": { "id": "rehearse/" },
                "invocations": [run_invocation(report, &groups)],
                "results": results,
                "tool": { "driver": {
                    "informationUri": "https://docs.rs/rehearsal",
                    "name": "rehearse",
                    "rules": rules,
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                } },
            }],
            "version": "2.1.0",
        });
        write_json(out, &document)?;
        out.write_all(b"\n")
    }
}

impl Sarif {
    fn result(&self, tally: &FingerprintCount, ids: &Ids) -> Value {
        let finding = &tally.finding;
        let advice = rules::find(finding.rule).map(Rule::advice).unwrap_or_default();
        let text = format!(
            "{}: {}. First in {}; {} in all. To do: {advice}.",
            words::handler_of(&tally.info),
            words::one_line(finding),
            brief(ids.id(tally.order).as_str()),
            count(tally.count, "invocation"),
        );
        let mut result = json!({
            "level": level(finding.level),
            "locations": [self.location(&tally.info)],
            "message": { "text": text },
            "occurrenceCount": tally.count,
            "partialFingerprints": { "rehearse/v1": finding.fingerprint },
            "ruleId": finding.rule,
        });
        if let Some(excuse) = &finding.excuse {
            let justification = words::excuse(excuse);
            result["suppressions"] =
                json!([{ "justification": justification, "kind": "external", "status": "accepted" }]);
        }
        result
    }

    fn failed(&self, group: &Group, ids: &Ids) -> Value {
        let example = &group.example;
        let text = format!(
            "{}: {}. First in {}; {} in all.",
            words::handler_of(&example.info),
            brief(example.judgement.reason.as_deref().unwrap_or_default()),
            brief(ids.id(example.order).as_str()),
            count(group.count, "invocation"),
        );
        json!({
            "level": "error",
            "locations": [self.location(&example.info)],
            "message": { "text": text },
            "occurrenceCount": group.count,
            "partialFingerprints": { "rehearse/v1": group.id },
            "ruleId": FAILED,
        })
    }

    /// A place in a file, because code scanning shows nothing else, and the handler.
    fn location(&self, info: &InvocationInfo) -> Value {
        let uri = escaped(self.sources.or_fallback(info)).replace(' ', "%20");
        json!({
            "logicalLocations": [{ "fullyQualifiedName": words::handler_of(info), "kind": "function" }],
            "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": 1 } },
        })
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Note => "note",
        Level::Off => "none",
    }
}

fn descriptor(rule: &Rule) -> Value {
    let page = rule.page();
    json!({
        "defaultConfiguration": { "level": level(rule.level) },
        "fullDescription": { "text": page.replace('\n', " ") },
        "help": { "markdown": page, "text": page },
        "id": rule.id,
        "shortDescription": { "text": rule.title() },
    })
}

fn failed_descriptor() -> Value {
    json!({
        "defaultConfiguration": { "level": "error" },
        "help": { "text": "The candidate failed before it reached the end of what was recorded. Its own log says why." },
        "id": FAILED,
        "shortDescription": { "text": "The candidate failed while it was replaying a journal." },
    })
}

/// How the run went, with every reason why a run without results may not be a good one.
fn run_invocation(report: &Report, groups: &[&Group]) -> Value {
    let notification = |level: &str, text: String| json!({ "level": level, "message": { "text": text } });
    let undecided = report.gate.undecided.iter().map(|reason| notification("error", reason.to_string()));
    let inconclusive = groups.iter().filter(|group| group.verdict == Verdict::Inconclusive).map(|group| {
        let reason = brief(group.example.judgement.reason.as_deref().unwrap_or_default()).into_owned();
        notification("warning", format!("{} inconclusive: {reason}", count(group.count, "invocation")))
    });
    let notifications: Vec<Value> = undecided.chain(inconclusive).collect();
    json!({
        "executionSuccessful": report.gate.outcome() != GateOutcome::Undecided,
        "toolExecutionNotifications": notifications,
    })
}
