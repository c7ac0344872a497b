//! The `json` format, one document for the run, and the `jsonl` format, one line per invocation. The schema of both is
//! `schemas/report.v1.json`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Render, write_json};
use crate::policy::gate::GateOutcome;
use crate::policy::{Acceptance, AcceptanceState};
use crate::report::{Invocation, Report, Summary, Verdict};
use crate::rules::Finding;
use crate::source::Ids;

/// Raised when a field changes its meaning or is removed; not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct JudgedInvocationObject<'a> {
    id: &'a str,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    commands: usize,
    frontier_reached: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    excused: bool,
    findings: &'a [Finding],
}

fn write_invocation(invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let id = ids.id(invocation.order);
    let object = JudgedInvocationObject {
        id: id.as_str(),
        target: invocation.info.target(),
        deployment: invocation.info.deployment.as_deref(),
        verdict: invocation.judgement.verdict,
        reason: invocation.judgement.reason.as_deref(),
        commands: invocation.judgement.commands,
        frontier_reached: invocation.judgement.frontier_reached,
        excused: invocation.excused(),
        findings: &invocation.judgement.findings,
    };
    write_json(out, &object)
}

/// The renderer of the `json` format. It writes invocations while the run goes on; the summary comes last.
#[derive(Debug, Default)]
pub struct Json {
    started: bool,
}

#[derive(Serialize)]
struct CoverageObject<'a> {
    service: Option<&'a str>,
    handler: Option<&'a str>,
    journals: u64,
    frontier_reached: u64,
    distinct_paths: usize,
}

#[derive(Serialize)]
struct HandlerObject<'a> {
    service: &'a str,
    handler: &'a str,
}

#[derive(Serialize)]
struct AcceptanceObject<'a> {
    fingerprint: &'a str,
    state: &'static str,
    findings: u64,
    author: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

fn acceptance((acceptance, state): &(Acceptance, AcceptanceState)) -> AcceptanceObject<'_> {
    let (state, findings) = match state {
        AcceptanceState::Used { by } => ("used", *by),
        AcceptanceState::Unused => ("unused", 0),
        AcceptanceState::Expired { on } => ("expired", *on),
    };
    AcceptanceObject {
        fingerprint: &acceptance.fingerprint,
        state,
        findings,
        author: &acceptance.author,
        reason: &acceptance.reason,
        expires: acceptance.expires.map(|day| day.to_string()),
    }
}

#[derive(Serialize)]
struct GateObject {
    outcome: GateOutcome,
    report_only: bool,
    reasons: Vec<String>,
}

impl Json {
    fn start(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let separator = if self.started { "," } else { "{\"schema_version\":1,\n\"invocations\":[" };
        self.started = true;
        out.write_all(separator.as_bytes())
    }
}

impl Render for Json {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        self.start(out)?;
        out.write_all(b"\n")?;
        write_invocation(invocation, ids, out)
    }

    fn finish(&mut self, report: &Report, _ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        if !self.started {
            self.start(out)?;
        }
        let summary: &Summary = &report.summary;
        out.write_all(b"],\n\"summary\":")?;
        write_json(out, summary)?;
        out.write_all(b",\n\"coverage\":")?;
        let coverage: Vec<CoverageObject<'_>> = report
            .coverage
            .iter()
            .map(|(name, covered)| CoverageObject {
                service: name.as_ref().map(|(service, _)| service.as_str()),
                handler: name.as_ref().map(|(_, handler)| handler.as_str()),
                journals: covered.journals,
                frontier_reached: covered.reached,
                distinct_paths: covered.paths(),
            })
            .collect();
        write_json(out, &coverage)?;
        out.write_all(b",\n\"not_covered\":")?;
        let not_covered: Vec<HandlerObject<'_>> =
            report.not_covered().map(|(service, handler)| HandlerObject { service, handler }).collect();
        write_json(out, &not_covered)?;
        if !report.acceptances.is_empty() {
            out.write_all(b",\n\"acceptances\":")?;
            let acceptances: Vec<_> = report.acceptances.iter().map(acceptance).collect();
            write_json(out, &acceptances)?;
        }
        if let Some(proofs) = &report.proofs {
            out.write_all(b",\n\"proof\":")?;
            write_json(out, proofs)?;
        }
        out.write_all(b",\n\"gate\":")?;
        let gate = &report.gate;
        write_json(
            out,
            &GateObject { outcome: gate.outcome(), report_only: gate.report_only, reasons: gate.reasons() },
        )?;
        out.write_all(b"}\n")
    }
}

/// The renderer of the `jsonl` format.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Render for JsonLines {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        write_invocation(invocation, ids, out)?;
        out.write_all(b"\n")
    }

    fn finish(&mut self, _report: &Report, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

const _: () = assert!(SCHEMA_VERSION == 1, "Json::start writes the version out");
