//! `json`: one document for the run. `jsonl`: one line an invocation, as it is known. The schema is
//! `schemas/report.v1.json`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Render, write_json};
use crate::report::{Invocation, Report, Summary, Verdict};
use crate::rules::Finding;
use crate::source::Ids;

/// Raised when a field changes its meaning or goes away; not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct InvocationObject<'a> {
    id: &'a str,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    commands: usize,
    frontier_reached: bool,
    findings: &'a [Finding],
}

fn write_invocation(invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let id = ids.id(invocation.order);
    let object = InvocationObject {
        id: id.as_str(),
        target: invocation.info.target(),
        deployment: invocation.info.deployment.as_deref(),
        verdict: invocation.verdict,
        reason: invocation.reason.as_deref(),
        commands: invocation.commands,
        frontier_reached: invocation.frontier_reached,
        findings: &invocation.findings,
    };
    write_json(out, &object)
}

/// One JSON document, written as the run goes: the summary comes last.
#[derive(Debug, Default)]
pub struct Json {
    begun: bool,
}

#[derive(Serialize)]
struct CoverageObject<'a> {
    service: Option<&'a str>,
    handler: Option<&'a str>,
    journals: u64,
    frontier_reached: u64,
    distinct_paths: usize,
}

impl Json {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let separator = if self.begun { "," } else { "{\"schema_version\":1,\n\"invocations\":[" };
        self.begun = true;
        out.write_all(separator.as_bytes())
    }
}

impl Render for Json {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)?;
        out.write_all(b"\n")?;
        write_invocation(invocation, ids, out)
    }

    fn finish(&mut self, report: &Report, _ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun {
            self.begin(out)?;
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
        out.write_all(b"}\n")
    }
}

/// One line an invocation.
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

const _: () = assert!(SCHEMA_VERSION == 1, "Json::begin writes the version out");
