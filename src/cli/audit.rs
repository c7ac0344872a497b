//! `rehearse audit`: the flags, and what is printed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::access::AccessFlags;
use super::failure::{Failure, Status};
use super::flags::{Common, Redact, Select};
use super::interrupt::Interrupt;
use super::live::{LiveFlags, WARNING, block_on};
use super::output::{Output, OutputFile, progress, warn_of};
use crate::admin::ClusterSelection;
use crate::check::live::Live;
use crate::operate::{
    AuditConclusion, AuditJudging, AuditReport, AuditScope, ClusterAudit, JudgingProgress, Matrix, PlanCandidate,
    RestartSearch, find_candidate, judge_audit, set_log_aside, write_plan,
};
use crate::render::{AuditDetail, write_audit, write_audit_json};

const AFTER_HELP: &str = "\
Examples:
  rehearse audit http://localhost:9070
  Failing on the active deployment: does the fix unblock them?
    rehearse audit http://localhost:9070 --against http://fix:9080 --plan fix.json
  Failing on a deployment that drains, while new invocations run elsewhere: the fix, rebased on the old code?
    rehearse audit http://localhost:9070 --deployment dp_1old… --against http://old-with-fix:9080 --against http://new:9080

Exit status:
  0  nothing is stuck; or, with --against, every stuck invocation would resume on a candidate
  1  something is stuck; or, with --against, no candidate replays some of it
  2  the job could not be done: bad input, unreachable, usage
  3  with --against: whether a candidate replays some of it could not be decided";

/// Stuck invocations of a cluster, grouped by cause; what each candidate would unblock
///
/// Stuck is what backs off, is paused, or ended as failed with a mismatch. With --against, each of them, and what is in
/// flight beside them on the same deployments (or those of --deployment), is checked on each candidate. Nothing is
/// changed on the cluster: --plan writes down what to do, and `rehearse apply` does it.
#[derive(Debug, Args)]
#[command(after_help = format!("{AFTER_HELP}\n\n{WARNING}"))]
pub struct Audit {
    /// The admin API of the cluster
    #[arg(value_name = "ADMIN-URL")]
    admin: String,
    /// A candidate: its URL or ARN, or the id of a registered deployment; the first that replays an invocation is planned for it
    #[arg(long, value_name = "CANDIDATE")]
    against: Vec<String>,
    /// Write a plan of what to do about each stuck invocation to this file
    #[arg(long, value_name = "FILE", requires = "against")]
    plan: Option<PathBuf>,
    /// Plan to restart what cannot be resumed, from as much of its journal as a candidate replays
    #[arg(long, requires = "plan")]
    allow_restart: bool,
    /// Check only what is stuck, not what is in flight beside it
    #[arg(long, requires = "against")]
    stuck_only: bool,
    /// Only invocations that meet this SQL condition on sys_invocation, which is sent to the server unchanged
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = AuditFormat::Human)]
    format: AuditFormat,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    live: LiveFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuditFormat {
    /// Causes and candidates, for people
    Human,
    /// One document (schemas/audit.v1.json)
    Json,
}

impl Audit {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        if let Some(file) = &self.plan {
            set_log_aside(file).map_err(|error| Failure::Usage(error.to_string()))?;
        }
        let mut output = Output::open(self.output.output.as_deref(), common.color)?;
        let interrupt = Interrupt::watch();
        let work = async {
            tokio::select! {
                report = self.audit() => report,
                _ = interrupt.wait() => Err(Failure::InterruptedBefore("all was checked; nothing was changed")),
            }
        };
        let mut report = block_on(work)??;
        if let Some(file) = &self.plan {
            let plan = report.plan(self.allow_restart);
            write_plan(&plan, file).map_err(|error| Failure::Usage(error.to_string()))?;
            tracing::info!(plan = %file.display(), "written");
        }
        if self.redact.redact {
            report.audit.redact();
        }
        let detail = if common.verbose > 0 { AuditDetail::Full } else { AuditDetail::Brief };
        output.write(|out| match self.format {
            AuditFormat::Human => write_audit(&report, detail, out),
            AuditFormat::Json => write_audit_json(&report, out),
        })?;
        if let (Some(file), AuditFormat::Human) = (&self.plan, self.format) {
            let file = file.display().to_string();
            output.write(|out| {
                writeln!(
                    out,
                    "next:  rehearse apply {} --admin {}",
                    crate::render::brief(&file),
                    report.audit.admin_url
                )
            })?;
        }
        output.finish()?;
        Ok(match report.conclusion() {
            AuditConclusion::Free => Status::Compatible,
            AuditConclusion::Stuck => Status::Mismatch,
            AuditConclusion::Undecided => Status::Undecided,
        })
    }

    async fn audit(&self) -> Result<AuditReport, Failure> {
        let admin = self.access.connect(&self.admin).await?;
        let selected = ClusterSelection { selection: self.select.selection(), condition: self.condition.clone() };
        let audit = ClusterAudit::take(&admin, &selected).await?;
        tracing::info!(stuck = audit.stuck.len(), causes = audit.causes.len(), "read");
        let mut lives = Vec::new();
        let mut candidates = Vec::new();
        for against in &self.against {
            let (live, candidate) = self.candidate(against, &audit).await?;
            lives.push(live);
            candidates.push(candidate);
        }
        let matrix = Matrix::new(lives.len());
        let mut report = AuditReport { audit, candidates, matrix };
        if !lives.is_empty() {
            let scope = if self.stuck_only { AuditScope::StuckOnly } else { AuditScope::WithInFlight };
            let search = if self.plan.is_some() { RestartSearch::Wanted } else { RestartSearch::Unwanted };
            let bar = progress(0);
            let judging = AuditJudging { selected: &selected, scope, search };
            let progress = |progress| match progress {
                JudgingProgress::Started(total) => bar.set_length(total),
                JudgingProgress::Judged => bar.inc(1),
            };
            judge_audit(&admin, &lives, judging, &mut report, progress).await?;
            bar.finish_and_clear();
        }
        Ok(report)
    }

    /// Discovers a candidate, and finds it among the registered deployments.
    async fn candidate(&self, against: &str, audit: &ClusterAudit) -> Result<(Live, PlanCandidate), Failure> {
        let Some(found) = find_candidate(against, &audit.registered) else {
            return Err(Failure::Usage(format!(
                "--against {against}: neither URL nor ARN, nor a deployment that is registered there"
            )));
        };
        let live = self.live.discover(&found.url, self.live.options(self.redact.redaction())).await?;
        if found.deployment.is_none() {
            warn_of(&format!(
                "{} is not a registered deployment: register it before applying a plan, or apply with --register \
                 (new invocations of its services go to it from then on)",
                found.url
            ));
        }
        let sdk = live.manifest().server.clone();
        Ok((live, PlanCandidate { url: found.url, deployment: found.deployment, sdk }))
    }
}
