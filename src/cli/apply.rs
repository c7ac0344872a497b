//! `rehearse apply`: the flags, the question, and what is printed while a plan is carried out.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::access::AccessFlags;
use super::failure::{Failure, Status};
use super::flags::Common;
use super::live::{LiveFlags, block_on};
use super::output::{Output, progress, warn_of};
use crate::admin::Admin;
use crate::check::live::Live;
use crate::operate::{
    ActionKind, ActionLog, ActionRunner, Applier, ApplyConclusion, ApplySummary, LogEvent, LogHistory, Plan,
    Registration, RepointOutcome, ResumeTarget, UnfinishedTurn, Watcher, is_deployment_id, locate_candidates, log_path,
    needed_candidates, read_plan, register_candidate, repoint, same_endpoint, went_as_planned,
};
use crate::render::{brief, write_actions, write_apply_summary, write_intent, write_repoint, write_turn};
use crate::rules::Redaction;

const AFTER_HELP: &str = "\
Every action is written to PLAN.log before and after it is done. If the run is killed, the same command continues where it
stopped: nothing is done twice, and nothing is forgotten. The first Ctrl-C starts no new action, and waits for those that
are under way.

Examples:
  rehearse apply fix.json --admin http://localhost:9070 --dry-run
  rehearse apply fix.json --admin http://localhost:9070
  rehearse apply fix.json --admin http://localhost:9070 --repoint dp_1old… --yes

Exit status:
  0  everything that was planned is done: it completed, made progress, or waits for something else
  1  something failed again on its new deployment; or --repoint was refused
  2  the job could not be done: bad plan, unreachable, usage, interrupted
  3  something was left, is unfinished, or was silent: run the same command again, or audit again";

/// Carry out a plan of `rehearse audit`
///
/// Pauses each invocation, waits until it is paused, resumes it on its candidate, and watches it until it has gone past
/// the last recorded command, or failed. What changed since the plan was made is checked again first.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Apply {
    /// The plan
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The admin API of the cluster
    #[arg(long, value_name = "ADMIN-URL")]
    admin: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Start no more actions after this many have failed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    max_failures: u64,
    /// Invocations under way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Seconds to watch an invocation after it was resumed
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    watch: u64,
    /// Register candidates that are not registered: new invocations of their services go to them from then on
    #[arg(long, conflicts_with = "repoint")]
    register: bool,
    /// Point this deployment at the candidate's URL, in place, if everything in flight on it replays there; then act on
    /// what is pinned to it
    #[arg(long, value_name = "ID")]
    repoint: Option<String>,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    live: LiveFlags,
}

impl Apply {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let plan = read_plan(&self.plan).map_err(failure)?;
        if let Some(id) = &self.repoint
            && !is_deployment_id(id)
        {
            return Err(Failure::Usage(format!("--repoint {id:?} is not a deployment id")));
        }
        let output = Output::open(None, common.color)?;
        block_on(self.apply(plan, common, output))?
    }

    async fn apply(&self, mut plan: Plan, common: &Common, mut output: Output) -> Result<Status, Failure> {
        let fingerprint = plan.fingerprint();
        let path = log_path(&self.plan);
        if let Some(deployment) = &self.repoint {
            plan.keep_pinned_to(deployment);
        }
        let admin = self.access.connect(&self.admin).await?;
        if !same_endpoint(&plan.admin_url, &admin.url()) {
            warn_of(&format!("the plan was made for {}, and is applied to {}", plan.admin_url, admin.url()));
        }
        let history = ActionLog::look(&path, &fingerprint)?;
        let deployments = locate_candidates(&admin, &plan, &history, self.registration()).await.map_err(failure)?;
        let name =
            |candidate: usize| deployments[candidate].clone().unwrap_or_else(|| plan.candidates[candidate].url.clone());
        output.write(|out| write_intent(&plan, &name, out))?;
        if self.dry_run {
            output.write(|out| write_actions(&plan, out))?;
            output.finish()?;
            return Ok(Status::Compatible);
        }
        if plan.todo().next().is_none() && self.repoint.is_none() {
            output.write(|out| writeln!(out, "nothing is to be done"))?;
            output.finish()?;
            return Ok(Status::Compatible);
        }
        output.write(|out| out.flush())?;
        self.ask()?;

        let (log, history) = ActionLog::open(&path, &fingerprint)?;
        if history.is_empty() {
            let rehearse_version = env!("CARGO_PKG_VERSION").to_owned();
            log.write(LogEvent::Begun { plan: fingerprint, admin_url: admin.url(), rehearse_version }).await?;
        }
        let lives = self.discover(&plan).await?;
        if let Some(deployment) = &self.repoint
            && !self.repoint(&admin, deployment, &plan, &lives, &log, &mut output).await?
        {
            output.finish()?;
            return Ok(Status::Mismatch);
        }
        let targets = self.targets(&admin, &plan, lives, deployments, &log, &mut output).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = Watcher { admin: &admin, limit: Duration::from_secs(self.watch), stop: &stop };
        let runner = ActionRunner { targets, log: &log, watcher };
        let applier = Applier { runner, concurrency: self.parallel.into(), max_failures: self.max_failures };
        let listening = tokio::spawn(stop_on_interrupt(Arc::clone(&stop)));
        let summary = take_turns(&applier, &plan, &history, common, &mut output).await;
        listening.abort();
        let summary = summary?;
        let log_name = path.display().to_string();
        output.write(|out| write_apply_summary(&summary, &log_name, out).and_then(|()| out.flush()))?;
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped("interrupted; what was under way was ended, and is written down".to_owned()));
        }
        output.finish()?;
        Ok(match summary.conclusion() {
            ApplyConclusion::Done => Status::Compatible,
            ApplyConclusion::FailedAgain => Status::Mismatch,
            ApplyConclusion::NotDone => Status::Undecided,
        })
    }

    fn registration(&self) -> Registration {
        match (&self.repoint, self.register) {
            (Some(_), _) => Registration::Repointed,
            (None, true) => Registration::Allowed,
            (None, false) => Registration::Required,
        }
    }

    fn ask(&self) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Usage("nobody is there to be asked: give --yes, or --dry-run".to_owned()));
        }
        let _ = write!(io::stderr(), "Go on? [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::Stopped("nothing was done".to_owned())),
        }
    }

    async fn discover(&self, plan: &Plan) -> Result<Vec<Option<Live>>, Failure> {
        let needed = needed_candidates(plan, self.registration());
        let mut lives = Vec::new();
        for (at, candidate) in plan.candidates.iter().enumerate() {
            let options = self.live.options(Redaction::Shown);
            lives.push(match needed.contains(&at) {
                true => Some(self.live.discover(&candidate.url, options).await?),
                false => None,
            });
        }
        Ok(lives)
    }

    /// Points the deployment at the candidate; `false` if something in flight speaks against it.
    async fn repoint(
        &self,
        admin: &Admin,
        deployment: &str,
        plan: &Plan,
        lives: &[Option<Live>],
        log: &ActionLog,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        if plan.todo().any(|action| matches!(action.kind, ActionKind::Restart { .. })) {
            warn_of("invocations are started anew as well, by plan");
        }
        let bar = progress(0);
        let outcome = repoint(admin, deployment, plan, lives, log, || bar.inc(1)).await;
        bar.finish_and_clear();
        let outcome = outcome.map_err(failure)?;
        output.write(|out| write_repoint(deployment, &outcome, out))?;
        Ok(!matches!(outcome, RepointOutcome::Refused(_)))
    }

    /// The discovered candidates with their deployments; candidates that are not registered yet are registered.
    async fn targets(
        &self,
        admin: &Admin,
        plan: &Plan,
        lives: Vec<Option<Live>>,
        deployments: Vec<Option<String>>,
        log: &ActionLog,
        output: &mut Output,
    ) -> Result<Vec<Option<ResumeTarget>>, Failure> {
        let mut targets = Vec::new();
        for ((live, known), candidate) in lives.into_iter().zip(deployments).zip(&plan.candidates) {
            let Some(live) = live else {
                targets.push(None);
                continue;
            };
            let deployment = match self.repoint.clone().or(known) {
                Some(deployment) => deployment,
                None => {
                    let url = &candidate.url;
                    let deployment = register_candidate(admin, url, log).await.map_err(failure)?;
                    output.write(|out| writeln!(out, "registered {} as {}", brief(url), brief(&deployment)))?;
                    deployment
                }
            };
            targets.push(Some(ResumeTarget { live, deployment }));
        }
        Ok(targets)
    }
}

/// Takes the turns, and prints those that did not go as planned.
async fn take_turns(
    applier: &Applier<'_>,
    plan: &Plan,
    history: &LogHistory,
    common: &Common,
    output: &mut Output,
) -> Result<ApplySummary, Failure> {
    let bar = progress(plan.todo().count() as u64);
    let mut summary = ApplySummary::default();
    let mut written = Ok(());
    applier
        .run(plan, history, |action, turn| {
            bar.inc(1);
            summary.count(turn);
            let not_started = matches!(turn, Err(UnfinishedTurn::NotStarted(_)));
            if (common.verbose > 0 || !went_as_planned(turn)) && !not_started && written.is_ok() {
                written = bar.suspend(|| output.write(|out| write_turn(action, turn, out).and_then(|()| out.flush())));
            }
        })
        .await;
    bar.finish_and_clear();
    written?;
    Ok(summary)
}

/// The first Ctrl-C asks the run to stop. The second ends the process at once, which is safe since the log is on the disk
/// at any moment.
#[expect(clippy::exit, reason = "whoever interrupts twice wants out now")]
async fn stop_on_interrupt(stop: Arc<AtomicBool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(Status::Undone as i32);
        }
        warn_of("stopping: what is under way is ended, nothing new is begun; Ctrl-C again to leave at once");
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
