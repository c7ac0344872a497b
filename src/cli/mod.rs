//! The command line: it turns flags into settings, and results into an exit status. Only this part reads the environment,
//! and knows of terminals and processes.

mod access;
mod apply;
mod audit;
mod check;
mod cluster;
mod completions;
mod explain;
mod init;
mod interrupt;
mod live;
mod output;
mod policy;
mod record;
mod reports;
mod show;
mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::access::is_url;
use self::cluster::ClusterFlags;
use crate::admin::AdminError;
use crate::check::Selection;
use crate::check::live::LiveError;
use crate::operate::LogError;
use crate::record::CopyError;
use crate::rules::Redaction;
use crate::source::{Input, SourceError};

const AFTER_HELP: &str = "\
Exit status:
  0  everything checked is compatible, or the policy lets it pass
  1  there is a mismatch, or the candidate failed
  2  the check could not be made: bad input, an unreachable server, or wrong usage
  3  undecided: nothing was checked, some journals are inconclusive, or too little was covered";

/// Rehearse a deployment before it meets your journals: will new code replay what is already in flight on Restate?
#[derive(Debug, Parser)]
#[command(name = "rehearse", version, after_help = AFTER_HELP, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
    #[command(flatten)]
    common: Common,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum CliCommand {
    Check(check::CheckCommand),
    Trace(trace::TraceCommand),
    Show(show::ShowCommand),
    Record(record::Record),
    Audit(audit::Audit),
    Apply(apply::Apply),
    Explain(explain::ExplainCommand),
    Init(init::InitCommand),
    Completions(completions::CompletionsCommand),
    Man(completions::ManCommand),
}

/// The flags of every command.
#[derive(Clone, Debug, Args)]
struct Common {
    /// When to colour the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Print more: every invocation, and progress messages; repeat for debug logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Worker threads [default: one per core]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Which invocations to take. Different conditions must all hold; repeated values of one condition are alternatives
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
struct Select {
    /// Only this invocation
    #[arg(long, value_name = "ID")]
    invocation: Vec<String>,
    /// Only invocations of this service
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// Only invocations of this handler
    #[arg(long, value_name = "NAME")]
    handler: Vec<String>,
    /// Only invocations pinned to this deployment
    #[arg(long, value_name = "ID")]
    deployment: Vec<String>,
    /// Only invocations with this status (running, paused, backing-off, suspended, completed, …)
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// At most this many invocations, in the order in which the server stores them
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Select {
    fn selection(&self) -> Selection {
        Selection {
            invocations: self.invocation.iter().cloned().collect(),
            services: self.service.clone(),
            handlers: self.handler.clone(),
            deployments: self.deployment.clone(),
            statuses: self.status.clone(),
            limit: self.limit,
        }
    }
}

#[derive(Clone, Copy, Debug, Args)]
struct Redact {
    /// Hide payload values, and show their sizes instead
    #[arg(long)]
    redact: bool,
}

impl Redact {
    fn redaction(self) -> Redaction {
        if self.redact { Redaction::Hidden } else { Redaction::Shown }
    }
}

/// The error that ends a run without a verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}")]
    Usage(String),
    #[error("{file}: {reason}")]
    Policy { file: String, reason: String },
    #[error("interrupted; what was done until then is reported")]
    Interrupted,
    #[error("interrupted before {0}")]
    InterruptedBefore(&'static str),
    #[error("could not write {to}: {source}")]
    Output { to: String, source: std::io::Error },
    #[error(transparent)]
    Live(Box<LiveError>),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Stopped(String),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("could not start {0} threads: {1}")]
    Threads(u16, rayon::ThreadPoolBuildError),
}

/// The exit status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Compatible = 0,
    Mismatch = 1,
    /// The job could not be done.
    Undone = 2,
    Undecided = 3,
}

/// Runs the command line, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap_or(Status::Undone as u8);
            // A closed pipe must not cause a panic.
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    output::log_to_stderr(&cli.common);
    // Every journal file stays open while it is read, and many systems allow only 1,024 open files by default.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!("could not raise the limit of open files: {error}");
    }
    let status = cli.run().unwrap_or_else(|failure| {
        output::print_failure(&failure);
        Status::Undone
    });
    ExitCode::from(status as u8)
}

impl Cli {
    fn run(&self) -> Result<Status, Failure> {
        if let Some(jobs) = self.common.jobs {
            let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs.into());
            threads.build_global().map_err(|error| Failure::Threads(jobs, error))?;
        }
        match &self.command {
            CliCommand::Check(check) => check.run(&self.common),
            CliCommand::Trace(trace) => trace.run(&self.common),
            CliCommand::Show(show) => show.run(&self.common),
            CliCommand::Audit(audit) => audit.run(&self.common),
            CliCommand::Apply(apply) => apply.run(&self.common),
            CliCommand::Record(record) => record.run(&self.common),
            CliCommand::Explain(explain) => explain.run(&self.common),
            CliCommand::Init(init) => init.run(),
            CliCommand::Completions(completions) => completions.run(),
            CliCommand::Man(man) => man.run(),
        }
    }
}

/// The inputs for the journals named on the command line. The journals of a cluster are fetched here.
fn journals(names: &[OsString], cluster: &ClusterFlags, select: &Select) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    let urls = names.iter().filter_map(|name| name.to_str()).filter(|name| is_url(name)).count();
    if urls == 0 {
        cluster.reading.check_without_cluster()?;
    }
    for name in names {
        match name.to_str().filter(|name| is_url(name)) {
            Some(url) => inputs.push(Input::Copied(cluster.fetch(url, select)?)),
            None => add_input(&mut inputs, name)?,
        }
    }
    Ok(inputs)
}

/// The inputs for the traces named on the command line.
fn traces(names: &[OsString]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for name in names {
        add_input(&mut inputs, name)?;
    }
    Ok(inputs)
}

fn add_input(inputs: &mut Vec<Input>, name: &OsString) -> Result<(), Failure> {
    if name.to_string_lossy().starts_with("arn:") {
        return Err(Failure::Usage(format!(
            "{} is a deployment, and deployments are given to --against",
            name.display()
        )));
    }
    let input = if name == "-" { Input::Stdin } else { Input::Path(name.into()) };
    if input == Input::Stdin && inputs.contains(&input) {
        return Err(Failure::Usage("standard input can be read only once".to_owned()));
    }
    inputs.push(input);
    Ok(())
}
