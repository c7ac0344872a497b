//! `rehearse audit`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::access::AccessFlags;
use super::interrupt::Interrupt;
use super::live::{LiveFlags, WARNING, block_on};
use super::output::{Output, OutputFile, progress, warn, warn_of};
use super::{Common, Failure, Redact, Select, Status};
use crate::admin::{Admin, Chosen};
use crate::check::live::Live;
use crate::operate::log::{Log, beside};
use crate::operate::plan::{Plan, PlanCandidate, Setting};
use crate::operate::{
    Audit as Audited, AuditReport, CHUNK, Judged, JudgedOn, Matrix, Prefixes, endpoint, in_flight, judge_on,
    same_endpoint,
};
use crate::record::fetch;
use crate::render::{Detail, write_audit, write_audit_json};
use crate::transport::Deployment;

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
    /// Write down what to do about each stuck invocation
    #[arg(long, value_name = "FILE", requires = "against")]
    plan: Option<PathBuf>,
    /// Plan to start anew, from as much of its journal as a candidate replays, what can not be resumed
    #[arg(long, requires = "plan")]
    allow_restart: bool,
    /// Check only what is stuck, not what is in flight beside it
    #[arg(long, requires = "against")]
    stuck_only: bool,
    /// Only invocations for which this holds: SQL on columns of sys_invocation, sent as it is
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
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
enum Format {
    /// Causes and candidates, for people
    Human,
    /// One document (schemas/audit.v1.json)
    Json,
}

impl Audit {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        if let Some(file) = &self.plan {
            set_log_aside(file)?;
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
            let plan = plan(&report, self.allow_restart);
            write_plan(&plan, file)?;
            tracing::info!(plan = %file.display(), "written");
        }
        if self.redact.redact {
            report.audit.redact();
        }
        let detail = if common.verbose > 0 { Detail::Full } else { Detail::Brief };
        output.write(|out| match self.format {
            Format::Human => write_audit(&report, detail, out),
            Format::Json => write_audit_json(&report, out),
        })?;
        if let (Some(file), Format::Human) = (&self.plan, self.format) {
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
        Ok(self.status(&report))
    }

    fn status(&self, report: &AuditReport) -> Status {
        let [helped, not, unknown] = report.help();
        match (self.against.is_empty(), report.audit.stuck.is_empty()) {
            (_, true) => Status::Compatible,
            (true, false) => Status::Mismatch,
            (false, false) if not > 0 => Status::Mismatch,
            (false, false) if unknown > 0 || helped == 0 => Status::Undecided,
            (false, false) => Status::Compatible,
        }
    }

    async fn audit(&self) -> Result<AuditReport, Failure> {
        let admin = self.access.connect(&self.admin).await?;
        let chosen = Chosen { selection: self.select.selection(), condition: self.condition.clone() };
        let audit = Audited::take(&admin, &chosen).await?;
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
            self.check(&admin, &chosen, &lives, &mut report).await?;
        }
        Ok(report)
    }

    /// Discovers a candidate, and finds it among the registered deployments.
    async fn candidate(&self, against: &str, audit: &Audited) -> Result<(Live, PlanCandidate), Failure> {
        let by_id = audit.registered.iter().find(|deployment| deployment.id == against);
        let url = match by_id {
            Some(deployment) => endpoint(deployment),
            None if Deployment::is_named_by(against) => against,
            None => {
                return Err(Failure::Usage(format!(
                    "--against {against}: neither URL nor ARN, nor a deployment that is registered there"
                )));
            }
        };
        let live = self.live.discover(url, self.live.options(self.redact.redaction())).await?;
        // Several may share an endpoint: the latest stands for it.
        let same = audit.registered.iter().filter(|deployment| same_endpoint(endpoint(deployment), url));
        let registered = by_id.or_else(|| same.max_by(|one, other| one.created_at.cmp(&other.created_at)));
        let candidate = PlanCandidate {
            url: url.to_owned(),
            deployment: registered.map(|deployment| deployment.id.clone()),
            sdk: live.manifest().server.clone(),
        };
        if candidate.deployment.is_none() {
            warn_of(&format!(
                "{url} is no registered deployment: register it before applying a plan, or apply with --register \
                 (new invocations of its services go to it from then on)"
            ));
        }
        Ok((live, candidate))
    }

    /// Checks what is stuck, and what is in flight beside it, on each candidate.
    async fn check(
        &self,
        admin: &Admin,
        chosen: &Chosen,
        lives: &[Live],
        report: &mut AuditReport,
    ) -> Result<(), Failure> {
        let stuck: BTreeMap<String, usize> =
            report.audit.stuck.iter().enumerate().map(|(at, stuck)| (stuck.id.clone(), at)).collect();
        let mut todo: Vec<String> = stuck.keys().cloned().collect();
        if !self.stuck_only {
            let selected = &chosen.selection.deployments;
            let pinned = report.audit.stuck.iter().filter_map(|stuck| stuck.deployment().map(str::to_owned));
            let deployments: BTreeSet<String> =
                if selected.is_empty() { pinned.collect() } else { selected.iter().cloned().collect() };
            let deployments: Vec<String> = deployments.into_iter().collect();
            todo.extend(in_flight(admin, &deployments, chosen, |id| stuck.contains_key(id)).await?);
        }
        let bar = progress((todo.len() * lives.len()) as u64);
        for chunk in todo.chunks(CHUNK) {
            let (corpus, ids) = fetch(admin, chunk).await?;
            warn(&corpus.problems);
            let (audit, matrix) = (&mut report.audit, &mut report.matrix);
            let wanted: BTreeSet<&str> = chunk
                .iter()
                .filter(|id| stuck.get(*id).is_some_and(|at| audit.stuck[*at].why_no_restart().is_none()))
                .map(String::as_str)
                .collect();
            let prefixes = |id: &str| {
                if self.plan.is_some() && wanted.contains(id) { Prefixes::Wanted } else { Prefixes::Unwanted }
            };
            let mut seen = BTreeSet::new();
            judge_on(lives, (&corpus, &ids), prefixes, |one| {
                bar.inc(1);
                seen.insert(one.id.clone());
                match stuck.get(&one.id) {
                    Some(at) => take_stuck(&mut audit.stuck[*at], matrix, &one),
                    None => {
                        let (service, handler) = one.handler.clone();
                        let of = (one.deployment.clone(), service, handler);
                        matrix.add_in_flight(of, one.candidate, &Judged::from(&one.judgement));
                    }
                }
            })
            .await;
            for id in chunk.iter().filter(|id| stuck.contains_key(*id) && !seen.contains(*id)) {
                for candidate in 0..lives.len() {
                    matrix.add_stuck(id, candidate, Judged::inconclusive("its journal is not there any more"), None);
                }
            }
        }
        for stuck in &report.audit.stuck {
            if let Some(reason) = stuck.why_no_restart() {
                report.matrix.refuse_restart(&stuck.id, reason);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// What was judged is what a plan rests on: it may be more than what the audit saw at first.
fn take_stuck(stuck: &mut crate::operate::Stuck, matrix: &mut Matrix, one: &JudgedOn) {
    if one.entries > 0 {
        stuck.journal_size = one.entries;
        stuck.commands = one.judgement.commands as u64;
    }
    matrix.add_stuck(&one.id, one.candidate, Judged::from(&one.judgement), one.prefix);
}

fn plan(report: &AuditReport, allow_restart: bool) -> Plan {
    let audit = &report.audit;
    let setting = Setting {
        admin_url: &audit.admin_url,
        server_version: &audit.server_version,
        now: &audit.taken_at,
        candidates: report.candidates.clone(),
        allow_restart,
    };
    let causes = audit.causes_by_place();
    Plan::new(setting, &audit.stuck, &|at| causes[at].id.clone(), &report.matrix)
}

/// A plan that is half carried out is not overwritten: what was begun would be forgotten.
fn set_log_aside(file: &Path) -> Result<(), Failure> {
    let log = beside(file);
    let history = Log::look_at(&log)?;
    if history.is_unfinished() {
        return Err(Failure::Usage(format!(
            "{} is half carried out, as {} says: apply it again, or write the new plan to another file",
            file.display(),
            log.display()
        )));
    }
    if history.is_empty() {
        return Ok(());
    }
    let mut old = log.clone().into_os_string();
    old.push(".old");
    std::fs::rename(&log, &old).map_err(|source| Failure::Output { to: log.display().to_string(), source })
}

/// Whole or not at all: what is half written must not be applied.
fn write_plan(plan: &Plan, file: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::Output { to: file.display().to_string(), source };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    serde_json::to_writer_pretty(&mut temporary, plan).map_err(|error| failed(error.into()))?;
    writeln!(temporary).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}
