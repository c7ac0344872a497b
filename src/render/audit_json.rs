//! `rehearse audit --format json`: one document. The schema is `schemas/audit.v1.json`.

use std::io::{self, Write};

use serde::Serialize;

use super::write_json;
use crate::operate::plan::PlanCandidate;
use crate::operate::{AuditReport, Cause, FailureCause, Judged, Row, Surveyed};
use crate::report::Verdict;

/// Raised when a field changes its meaning or goes away; not when one is added.
pub const AUDIT_SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    admin_url: &'a str,
    server_version: &'a str,
    taken_at: &'a str,
    summary: Summary,
    candidates: &'a [PlanCandidate],
    causes: &'a [Cause],
    matrix: Vec<Row>,
    deployments: Vec<DeploymentObject<'a>>,
    invocations: Vec<InvocationObject<'a>>,
}

#[derive(Serialize)]
struct Summary {
    stuck: u64,
    causes: u64,
    /// Some candidate replays them, and they can be resumed.
    would_resume: u64,
    would_not: u64,
    undecided: u64,
}

#[derive(Serialize)]
struct DeploymentObject<'a> {
    #[serde(flatten)]
    deployment: &'a Surveyed,
    removable: bool,
}

#[derive(Serialize)]
struct InvocationObject<'a> {
    id: &'a str,
    target: Option<String>,
    status: &'static str,
    /// The id of its cause.
    cause: &'a str,
    failure: &'a FailureCause,
    since: Option<&'a str>,
    deployment: Option<&'a str>,
    commands: u64,
    /// By candidate.
    verdicts: Vec<VerdictObject<'a>>,
}

#[derive(Serialize)]
struct VerdictObject<'a> {
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub fn write_audit_json(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let audit = &report.audit;
    let [would_resume, would_not, undecided] = if report.candidates.is_empty() { [0; 3] } else { report.help() };
    let document = Document {
        schema_version: AUDIT_SCHEMA_VERSION,
        admin_url: &audit.admin_url,
        server_version: &audit.server_version,
        taken_at: &audit.taken_at,
        summary: Summary {
            stuck: audit.stuck.len() as u64,
            causes: audit.causes.len() as u64,
            would_resume,
            would_not,
            undecided,
        },
        candidates: &report.candidates,
        causes: &audit.causes,
        matrix: if report.candidates.is_empty() { Vec::new() } else { report.rows() },
        deployments: audit
            .deployments
            .iter()
            .map(|deployment| DeploymentObject { deployment, removable: deployment.removable() })
            .collect(),
        invocations: audit
            .stuck
            .iter()
            .zip(audit.causes_by_place())
            .map(|(stuck, cause)| InvocationObject {
                id: &stuck.id,
                target: stuck.info.target(),
                status: stuck.status.name(),
                cause: &cause.id,
                failure: &stuck.cause,
                since: stuck.since.as_deref(),
                deployment: stuck.deployment(),
                commands: stuck.commands,
                verdicts: report
                    .matrix
                    .of(&stuck.id)
                    .map_or(&[][..], |checked| &checked.verdicts)
                    .iter()
                    .map(verdict_object)
                    .collect(),
            })
            .collect(),
    };
    write_json(out, &document)?;
    writeln!(out)
}

fn verdict_object(judged: &Judged) -> VerdictObject<'_> {
    VerdictObject {
        verdict: judged.verdict,
        rule: judged.rule.map(|(rule, _)| rule),
        command_index: judged.rule.map(|(_, at)| at),
        reason: judged.reason.as_deref(),
    }
}
