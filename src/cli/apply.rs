//! `rehearse apply`

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::access::AccessFlags;
use super::live::{LiveFlags, block_on};
use super::output::{Output, progress, warn_of};
use super::{Common, Failure, Status};
use crate::admin::Admin;
use crate::check::live::Live;
use crate::operate::log::{Event, History, Log, Outcome, beside};
use crate::operate::plan::{Plan, Step, is_deployment_id};
use crate::operate::{Applier, ApplyOptions, Target, check_all, endpoint, register, repoint, same_endpoint};
use crate::render::{Tally, brief, write_actions, write_intent, write_tally, write_turn};
use crate::rules::Redaction;

const AFTER_HELP: &str = "\
Every action is written to PLAN.log before and after it is done. Killed at any moment, the same command takes up where it
was: nothing is done twice, and nothing is forgotten. The first Ctrl-C begins nothing new and ends what is under way.

Examples:
  rehearse apply fix.json --admin http://localhost:9070 --dry-run
  rehearse apply fix.json --admin http://localhost:9070
  rehearse apply fix.json --admin http://localhost:9070 --repoint dp_1old… --yes

Exit status:
  0  everything that was planned is done: it completed, made progress, or waits for something else
  1  something failed again on its new deployment; or --repoint was refused
  2  the job could not be done: bad plan, unreachable, usage, interrupted
  3  something was left, is unfinished, or was silent: run the same command again, or audit again";

/// Carry a plan of `rehearse audit` out
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
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Begin nothing new once so many have failed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    max_failures: u64,
    /// Invocations under way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Seconds to watch an invocation after it was resumed
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    watch: u64,
    /// Register candidates that are not: new invocations of their services go to them from then on
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
        let text = std::fs::read(&self.plan)
            .map_err(|error| Failure::Usage(format!("could not read {}: {error}", self.plan.display())))?;
        let plan = Plan::read(&text).map_err(|error| Failure::Usage(format!("{}: {error}", self.plan.display())))?;
        if let Some(id) = &self.repoint
            && !is_deployment_id(id)
        {
            return Err(Failure::Usage(format!("--repoint {id:?} is no deployment id")));
        }
        let output = Output::open(None, common.color)?;
        block_on(self.apply(plan, common, output))?
    }

    async fn apply(&self, plan: Plan, common: &Common, mut output: Output) -> Result<Status, Failure> {
        let fingerprint = plan.fingerprint();
        let path = beside(&self.plan);
        let plan = self.in_question(plan);
        let admin = self.access.connect(&self.admin).await?;
        if !same_endpoint(&plan.admin_url, &admin.url()) {
            warn_of(&format!("the plan was made for {}, and is applied to {}", plan.admin_url, admin.url()));
        }
        let deployments = self.deployments(&admin, &plan, &Log::look(&path, &fingerprint)?).await?;
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

        let (log, history) = Log::open(&path, &fingerprint)?;
        if history.is_empty() {
            let rehearse_version = env!("CARGO_PKG_VERSION").to_owned();
            log.write(Event::Begun { plan: fingerprint, admin_url: admin.url(), rehearse_version }).await?;
        }
        let mut lives = self.discover(&plan).await?;
        if let Some(deployment) = &self.repoint
            && !self.repoint(&admin, &plan, (deployment, &lives), &log, &mut output).await?
        {
            output.finish()?;
            return Ok(Status::Mismatch);
        }
        let mut targets = Vec::new();
        for (at, live) in lives.iter_mut().enumerate() {
            let Some(live) = live.take() else {
                targets.push(None);
                continue;
            };
            let url = &plan.candidates[at].url;
            let deployment = match (&self.repoint, &deployments[at]) {
                (Some(repointed), _) => repointed.clone(),
                (None, Some(known)) => known.clone(),
                (None, None) => {
                    log.write(Event::WillRegister { url: url.clone() }).await?;
                    let deployment = register(&admin, url).await?;
                    log.write(Event::Registered { url: url.clone(), deployment: deployment.clone() }).await?;
                    output.write(|out| writeln!(out, "registered {} as {}", brief(url), brief(&deployment)))?;
                    deployment
                }
            };
            targets.push(Some(Target { live, deployment }));
        }
        let tally = self.take_turns(&plan, (&admin, targets), (&log, &history), common, &mut output).await?;
        let log_name = path.display().to_string();
        output.write(|out| write_tally(&tally, &log_name, out))?;
        output.finish()?;
        Ok(status(&tally))
    }

    /// With --repoint, only what is pinned to that deployment.
    fn in_question(&self, mut plan: Plan) -> Plan {
        if let Some(deployment) = &self.repoint {
            plan.actions.retain(|action| action.pinned_deployment.as_deref() == Some(deployment.as_str()));
        }
        plan
    }

    /// Where each candidate is registered; those that nothing goes to may be nowhere.
    async fn deployments(&self, admin: &Admin, plan: &Plan, history: &History) -> Result<Vec<Option<String>>, Failure> {
        let registered = admin.deployments().await?;
        let wanted: BTreeSet<usize> = plan.todo().filter_map(|action| action.step.candidate()).collect();
        let mut found = Vec::new();
        for (at, candidate) in plan.candidates.iter().enumerate() {
            let known = candidate.deployment.as_ref().or_else(|| history.registered.get(&candidate.url));
            let there = registered.iter().find(|deployment| match known {
                Some(id) => deployment.id == *id,
                None => same_endpoint(endpoint(deployment), &candidate.url),
            });
            let url = &candidate.url;
            match (there, known) {
                _ if !wanted.contains(&at) || self.repoint.is_some() => found.push(known.cloned()),
                (Some(deployment), _) if same_endpoint(endpoint(deployment), url) => {
                    found.push(Some(deployment.id.clone()));
                }
                (Some(deployment), _) => {
                    return Err(Failure::Usage(format!(
                        "{} is at {} by now, and the plan was made with what is at {url}: audit again",
                        deployment.id,
                        endpoint(deployment)
                    )));
                }
                (None, Some(id)) => {
                    return Err(Failure::Usage(format!("{id} is not registered any more: audit again")));
                }
                (None, None) if self.register => found.push(None),
                (None, None) => {
                    return Err(Failure::Usage(format!(
                        "{url} is no registered deployment: `restate deployments register {}`, or apply with --register; \
                         new invocations of its services go to it from then on",
                        crate::operate::plan::quoted(url)
                    )));
                }
            }
        }
        Ok(found)
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

    /// The candidates that something goes to.
    async fn discover(&self, plan: &Plan) -> Result<Vec<Option<Live>>, Failure> {
        let wanted: BTreeSet<usize> = plan.todo().filter_map(|action| action.step.candidate()).collect();
        let mut lives = Vec::new();
        for (at, candidate) in plan.candidates.iter().enumerate() {
            lives.push(if wanted.contains(&at) || (self.repoint.is_some() && plan.candidates.len() == 1) {
                Some(self.live.discover(&candidate.url, self.live.options(Redaction::Shown)).await?)
            } else {
                None
            });
        }
        Ok(lives)
    }

    /// Whether the deployment was pointed at the candidate.
    async fn repoint(
        &self,
        admin: &Admin,
        plan: &Plan,
        (deployment, lives): (&str, &[Option<Live>]),
        log: &Log,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let mut there = lives.iter().enumerate().filter_map(|(at, live)| Some((at, live.as_ref()?)));
        let (Some((at, live)), None) = (there.next(), there.next()) else {
            return Err(Failure::Usage(format!(
                "--repoint needs one candidate, and the plan has {} for what is pinned to {deployment}",
                if lives.iter().flatten().next().is_none() { "none" } else { "several" }
            )));
        };
        if plan.todo().any(|action| matches!(action.step, Step::Restart { .. })) {
            warn_of("invocations are started anew as well, by plan");
        }
        let url = &plan.candidates[at].url;
        let registered = admin.deployments().await?;
        let Some(known) = registered.iter().find(|known| known.id == deployment) else {
            return Err(Failure::Usage(format!("{deployment} is not registered")));
        };
        if same_endpoint(endpoint(known), url) {
            return Ok(true);
        }
        let bar = progress(0);
        let found = check_all(admin, deployment, live, || bar.inc(1)).await?;
        bar.finish_and_clear();
        if !found.against.is_empty() {
            output.write(|out| {
                writeln!(
                    out,
                    "{deployment} is left as it is: {} of the {} invocations in flight on it would not replay on {}:",
                    found.against.len(),
                    found.checked,
                    brief(url)
                )?;
                found.against.iter().try_for_each(|(id, why)| writeln!(out, "  {}  {}", brief(id), brief(why)))
            })?;
            return Ok(false);
        }
        log.write(Event::WillRepoint { deployment: deployment.to_owned(), url: url.clone() }).await?;
        repoint(admin, deployment, url).await?;
        log.write(Event::Repointed { deployment: deployment.to_owned(), url: url.clone() }).await?;
        output.write(|out| {
            writeln!(out, "{deployment} is at {} now; all {} in flight on it replay there", brief(url), found.checked)
        })?;
        Ok(true)
    }

    async fn take_turns(
        &self,
        plan: &Plan,
        (admin, targets): (&Admin, Vec<Option<Target>>),
        (log, history): (&Log, &History),
        common: &Common,
        output: &mut Output,
    ) -> Result<Tally, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let listening = tokio::spawn(stop_on_interrupt(stop.clone()));
        let options = ApplyOptions {
            concurrency: self.parallel.into(),
            max_failures: self.max_failures,
            watch: Duration::from_secs(self.watch),
        };
        let applier = Applier { admin, targets, log, options, stop: &stop };
        let bar = progress(plan.todo().count() as u64);
        let mut tally = Tally::default();
        let mut written = Ok(());
        applier
            .run(plan, history, |action, turn| {
                bar.inc(1);
                tally.count(turn);
                let fine = matches!(turn, Ok((Outcome::Completed | Outcome::Progressed | Outcome::Waiting, _)));
                let not_begun = matches!(turn, Err(crate::operate::Unfinished::NotBegun(_)));
                if (common.verbose > 0 || !fine) && !not_begun && written.is_ok() {
                    written =
                        bar.suspend(|| output.write(|out| write_turn(action, turn, out).and_then(|()| out.flush())));
                }
            })
            .await;
        bar.finish_and_clear();
        listening.abort();
        written?;
        if stop.load(Ordering::Relaxed) {
            let log_name = beside(&self.plan).display().to_string();
            output.write(|out| write_tally(&tally, &log_name, out).and_then(|()| out.flush()))?;
            return Err(Failure::Stopped("interrupted; what was under way was ended, and is written down".to_owned()));
        }
        Ok(tally)
    }
}

/// The first Ctrl-C asks to stop; the second is heeded at once, since all is written down at any moment.
async fn stop_on_interrupt(stop: Arc<AtomicBool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(Status::Undone as i32);
        }
        warn_of("stopping: what is under way is ended, nothing new is begun; Ctrl-C again to leave at once");
    }
}

fn status(tally: &Tally) -> Status {
    if tally.of(Outcome::Failed) > 0 {
        Status::Mismatch
    } else if tally.is_done() && tally.of(Outcome::Left) == 0 {
        Status::Compatible
    } else {
        Status::Undecided
    }
}
