//! The `junit` format: one suite per handler, one test case per invocation, and one case for the gate of the whole run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::findings::plain_findings;
use super::{Render, brief, words};
use crate::policy::gate::GateOutcome;
use crate::report::{HandlerName, Invocation, Report, Verdict};
use crate::source::Ids;

/// The renderer of the `junit` format. It collects every case, because the format states their number before them.
#[derive(Debug, Default)]
pub struct JUnit {
    suites: BTreeMap<HandlerName, Vec<TestCase>>,
}

impl Render for JUnit {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        let id = ids.id(invocation.order);
        let id = brief(id.as_str());
        let name = match invocation.info.target() {
            Some(target) => format!("{} {id}", brief(&target)),
            None => id.into_owned(),
        };
        let mut case = TestCase::new(name, status(invocation));
        case.set_classname(words::handler_of(&invocation.info));
        self.suites.entry(invocation.info.service_and_handler()).or_default().push(case);
        Ok(())
    }

    fn finish(&mut self, report: &Report, _ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        let mut document = Document::new("rehearse check");
        for (name, cases) in std::mem::take(&mut self.suites) {
            let mut suite = TestSuite::new(words::handler(&name));
            suite.add_test_cases(cases);
            document.add_test_suite(suite);
        }
        let mut suite = TestSuite::new("rehearse");
        suite.add_test_case(gate(report));
        document.add_test_suite(suite);
        let text = document.to_string().map_err(io::Error::other)?;
        out.write_all(without_skipped(&text).as_bytes())
    }
}

/// Removes the `skipped` count of the root element: no schema has it, and Jenkins' xUnit plugin rejects attributes that
/// its schema does not have. The root holds only text of ours, so a text search finds the right place.
fn without_skipped(text: &str) -> String {
    let root = text.find("<testsuites").unwrap_or(0);
    let (head, rest) = text.split_at(root + text[root..].find('>').unwrap_or(0));
    let Some((before, after)) = head.split_once(" skipped=\"") else { return text.to_owned() };
    let after = after.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}{rest}")
}

fn status(invocation: &Invocation) -> TestCaseStatus {
    let reason = || brief(invocation.judgement.reason.as_deref().unwrap_or_default()).into_owned();
    match invocation.judgement.verdict {
        Verdict::Inconclusive => unsuccessful(NonSuccessKind::Error, "inconclusive", reason()),
        Verdict::Mismatch | Verdict::Failed if !invocation.fails => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_type("excused").set_message(words::excuses(invocation));
            skipped
        }
        Verdict::Compatible if !invocation.fails => TestCaseStatus::success(),
        Verdict::Failed if invocation.judgement.findings.is_empty() => {
            unsuccessful(NonSuccessKind::Failure, "failed", reason())
        }
        Verdict::Mismatch | Verdict::Failed | Verdict::Compatible => {
            let first = invocation.judgement.findings.first();
            let rule = first.map_or(invocation.judgement.verdict.name(), |finding| finding.rule);
            let message = first.map(words::one_line).unwrap_or_default();
            let mut status = unsuccessful(NonSuccessKind::Failure, rule, message);
            status.set_description(plain_findings(invocation));
            status
        }
    }
}

fn unsuccessful(kind: NonSuccessKind, what: &str, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message);
    status
}

/// The case of the gate: it keeps a run that checked nothing, or too little, from being green.
fn gate(report: &Report) -> TestCase {
    let undecided: Vec<String> = report.gate.undecided.iter().map(ToString::to_string).collect();
    let status = if report.gate.outcome() == GateOutcome::Undecided || !undecided.is_empty() {
        unsuccessful(NonSuccessKind::Error, "undecided", undecided.join("; "))
    } else {
        TestCaseStatus::success()
    };
    let mut case = TestCase::new("everything that was to be checked was checked", status);
    case.set_classname("rehearse");
    case
}
