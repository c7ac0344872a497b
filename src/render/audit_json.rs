//! An audit as one JSON document, for `rehearse audit --format json`. The schema is `schemas/audit.v1.json`.

use std::io::{self, Write};

use serde::Serialize;

use super::write_json;
use crate::operate::{
    AuditReport, CandidateVerdict, DeploymentSurvey, FailureCause, HelpCounts, MatrixRow, PlanCandidate, StuckCause,
};
use crate::report::Verdict;

/// Increased when a field changes its meaning or goes away, not when one is added.
pub const AUDIT_SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct AuditDocument<'a> {
    schema_version: u32,
    admin_url: &'a str,
    server_version: &'a str,
    taken_at: &'a str,
    summary: AuditSummaryObject,
    candidates: &'a [PlanCandidate],
    causes: &'a [StuckCause],
    matrix: Vec<MatrixRow>,
    deployments: Vec<DeploymentSurveyObject<'a>>,
    invocations: Vec<StuckObject<'a>>,
}

#[derive(Serialize)]
struct AuditSummaryObject {
    stuck: u64,
    causes: u64,
    /// Some candidate replays them, and they can be resumed.
    would_resume: u64,
    would_not: u64,
    undecided: u64,
}

#[derive(Serialize)]
struct DeploymentSurveyObject<'a> {
    #[serde(flatten)]
    deployment: &'a DeploymentSurvey,
    removable: bool,
}

#[derive(Serialize)]
struct StuckObject<'a> {
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
    verdicts: Vec<CandidateVerdictObject<'a>>,
}

#[derive(Serialize)]
struct CandidateVerdictObject<'a> {
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
    let help = if report.candidates.is_empty() { HelpCounts::default() } else { report.help() };
    let HelpCounts { would_resume, would_not, undecided } = help;
    let document = AuditDocument {
        schema_version: AUDIT_SCHEMA_VERSION,
        admin_url: &audit.admin_url,
        server_version: &audit.server_version,
        taken_at: &audit.taken_at,
        summary: AuditSummaryObject {
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
            .map(|deployment| DeploymentSurveyObject { deployment, removable: deployment.removable() })
            .collect(),
        invocations: audit
            .stuck
            .iter()
            .zip(audit.causes_by_place())
            .map(|(stuck, cause)| StuckObject {
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

fn verdict_object(judged: &CandidateVerdict) -> CandidateVerdictObject<'_> {
    CandidateVerdictObject {
        verdict: judged.verdict,
        rule: judged.rule.map(|(rule, _)| rule),
        command_index: judged.rule.map(|(_, at)| at),
        reason: judged.reason.as_deref(),
    }
}
