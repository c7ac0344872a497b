//! `sarif`: SARIF 2.1.0, for code scanning. A result is a cause, not an invocation; a thousand stuck invocations with
//! three causes are three results.

use std::io::{self, Write};

use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, Invocation as RunInvocation, Location, LogicalLocation, Message, MultiformatMessageString,
    Notification, PhysicalLocation, Region, ReportingConfiguration, ReportingDescriptor, Result as SarifResult,
    ResultLevel, Run, RunAutomationDetails, Sarif as Document, Suppression, Tool, ToolComponent,
};

use super::{Render, SourceFiles, brief, escaped, words, write_json};
use crate::journal::InvocationInfo;
use crate::policy::gate::Outcome;
use crate::report::{FingerprintTally, Group, Invocation, Report, Verdict};
use crate::rules::{self, Level, Rule};
use crate::source::Ids;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a candidate that fails goes by: no rule judges that.
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
        let mut results: Vec<SarifResult> = wanted.map(|tally| self.result(tally, ids)).collect();
        let groups = report.groups();
        let failed = groups.iter().filter(|group| group.verdict == Verdict::Failed && group.is_unexplained());
        results.extend(failed.map(|group| self.failed(group, ids)));
        let driver = ToolComponent::builder()
            .name("rehearse")
            .semantic_version(env!("CARGO_PKG_VERSION"))
            .information_uri("https://docs.rs/rehearsal")
            .rules(rules::all().map(descriptor).chain([failed_descriptor()]).collect::<Vec<_>>())
            .build();
        let run = Run::builder()
            .tool(Tool::builder().driver(driver).build())
            .automation_details(RunAutomationDetails::builder().id("rehearse/").build())
            .invocations(vec![run_invocation(report, &groups)])
            .results(results)
            .build();
        let document = Document::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run]).build();
        write_json(out, &document)?;
        out.write_all(b"\n")
    }
}

impl Sarif {
    fn result(&self, tally: &FingerprintTally, ids: &Ids) -> SarifResult {
        let finding = &tally.finding;
        let advice = rules::find(finding.rule).map(Rule::advice).unwrap_or_default();
        let text = format!(
            "{}: {}. First in {}; {} in all. To do: {advice}.",
            words::handler_of(&tally.info),
            words::one_line(finding),
            brief(ids.id(tally.order).as_str()),
            words::count(tally.count, "invocation"),
        );
        let result = SarifResult::builder()
            .rule_id(finding.rule)
            .level(level(finding.level))
            .message(Message::builder().text(text).build())
            .locations(vec![self.location(&tally.info)])
            .occurrence_count(i64::try_from(tally.count).unwrap_or(i64::MAX))
            .partial_fingerprints([("rehearse/v1".to_owned(), finding.fingerprint.clone())]);
        match &finding.excuse {
            None => result.build(),
            Some(excuse) => {
                let suppression = Suppression::builder()
                    .kind(json!("external"))
                    .status(json!("accepted"))
                    .justification(words::excuse(excuse));
                result.suppressions(vec![suppression.build()]).build()
            }
        }
    }

    fn failed(&self, group: &Group, ids: &Ids) -> SarifResult {
        let example = &group.example;
        let text = format!(
            "{}: {}. First in {}; {} in all.",
            words::handler_of(&example.info),
            brief(example.judgement.reason.as_deref().unwrap_or_default()),
            brief(ids.id(example.order).as_str()),
            words::count(group.count, "invocation"),
        );
        SarifResult::builder()
            .rule_id(FAILED)
            .level(ResultLevel::Error)
            .message(Message::builder().text(text).build())
            .locations(vec![self.location(&example.info)])
            .occurrence_count(i64::try_from(group.count).unwrap_or(i64::MAX))
            .partial_fingerprints([("rehearse/v1".to_owned(), group.id.clone())])
            .build()
    }

    /// In a file, since code scanning shows nothing else; and at the handler.
    fn location(&self, info: &InvocationInfo) -> Location {
        let uri = escaped(self.sources.or_nowhere(info)).replace(' ', "%20");
        let physical = PhysicalLocation::builder()
            .artifact_location(ArtifactLocation::builder().uri(uri).build())
            .region(Region::builder().start_line(1).build())
            .build();
        let name = words::handler_of(info);
        let logical = LogicalLocation::builder().fully_qualified_name(name).kind("function").build();
        Location::builder().physical_location(physical).logical_locations(vec![logical]).build()
    }
}

fn level(level: Level) -> ResultLevel {
    match level {
        Level::Error => ResultLevel::Error,
        Level::Warn => ResultLevel::Warning,
        Level::Note => ResultLevel::Note,
        Level::Off => ResultLevel::None,
    }
}

fn message(text: impl Into<String>) -> MultiformatMessageString {
    MultiformatMessageString::builder().text(text).build()
}

fn descriptor(rule: &Rule) -> ReportingDescriptor {
    let page = rule.page();
    ReportingDescriptor::builder()
        .id(rule.id)
        .short_description(message(rule.title()))
        .full_description(message(page.replace('\n', " ")))
        .help(MultiformatMessageString::builder().text(page.clone()).markdown(page).build())
        .default_configuration(ReportingConfiguration::builder().level(json!(level(rule.level))).build())
        .build()
}

fn failed_descriptor() -> ReportingDescriptor {
    ReportingDescriptor::builder()
        .id(FAILED)
        .short_description(message("The candidate failed while it was replaying a journal."))
        .help(message("The candidate failed before it reached the end of what was recorded. Its own log says why."))
        .default_configuration(ReportingConfiguration::builder().level(json!("error")).build())
        .build()
}

/// What is no result, and must not be lost: a run without results is not always a good one.
fn run_invocation(report: &Report, groups: &[&Group]) -> RunInvocation {
    let notification = |level: &str, text: String| {
        Notification::builder().level(json!(level)).message(Message::builder().text(text).build()).build()
    };
    let undecided = report.gate.undecided.iter().map(|reason| notification("error", reason.to_string()));
    let inconclusive = groups.iter().filter(|group| group.verdict == Verdict::Inconclusive).map(|group| {
        let reason = brief(group.example.judgement.reason.as_deref().unwrap_or_default()).into_owned();
        notification("warning", format!("{} inconclusive: {reason}", words::count(group.count, "invocation")))
    });
    RunInvocation::builder()
        .execution_successful(report.gate.outcome() != Outcome::Undecided)
        .tool_execution_notifications(undecided.chain(inconclusive).collect::<Vec<_>>())
        .build()
}
