//! The policy settings of a check: `rehearse.toml`, and the flags that override it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::Failure;
use crate::policy::gate::{RequirementOverrides, Requirements};
use crate::policy::{
    Acceptance, Coverage, Date, GateSettings, Policy, Traces, append_acceptances, default_expiry, parse,
};
use crate::render::Accept;
use crate::rules::Level;

/// The name of the policy file; the working directory and the folders above it are searched for it.
pub const FILE: &str = "rehearse.toml";

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateFlags {
    /// The policy file [default: rehearse.toml in the working directory or a folder above it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The least severe level of a finding that fails the run [default: error]
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,
    /// Report as usual, but end with status 0 whatever was found
    #[arg(long)]
    report_only: bool,
    /// End with status 3 unless the journals cover this much of the candidate: `handlers` for all of its handlers, or
    /// a percentage of them
    #[arg(long, value_name = "handlers|PERCENT")]
    require_coverage: Option<Coverage>,
    /// End with status 3 unless at least this many journals were checked [default: 1]
    #[arg(long, value_name = "N")]
    min_journals: Option<u64>,
    /// Inject a known divergence into each compatible trace, and report how many the check catches
    #[arg(long)]
    pub prove: bool,
    /// Accept the findings that fail the run: add them to the policy file, and end as if they had been there before
    #[arg(long, requires = "reason")]
    pub accept: bool,
    /// Why the findings are accepted
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who accepts them [default: the user who runs the command]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// The last day on which the acceptance is valid, or `never` [default: in 30 days]
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warn,
    Note,
}

/// `--expires`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    On(Date),
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse().map(Self::On).map_err(|_| "write a day such as 2026-12-31, or never".to_owned())
    }
}

/// The policy and the requirements of a run, from the flags and the policy file.
#[derive(Debug)]
pub struct PolicySettings {
    pub policy: Policy,
    pub requirements: Requirements,
    pub file_settings: GateSettings,
    pub accept: Accept,
    pub file: AcceptanceFile,
}

/// The policy file as the target of new acceptances.
#[derive(Debug)]
pub struct AcceptanceFile(PathBuf);

impl GateFlags {
    pub fn settings(&self, traces: Traces) -> Result<PolicySettings, Failure> {
        let today = today()?;
        let found = match &self.config {
            Some(file) => Some(file.clone()),
            None => find(),
        };
        let (policy, file_settings) = match &found {
            // --accept creates the file if it is missing.
            Some(file) if !self.accept || file.exists() => {
                let text = read(file)?;
                parse(&text, today, traces)
                    .map_err(|error| Failure::Policy { file: file.display().to_string(), reason: error.to_string() })?
            }
            _ => (Policy::standard(today, traces), GateSettings::default()),
        };
        let overrides = RequirementOverrides {
            fail_on: self.fail_on.map(|level| match level {
                FailOn::Error => Level::Error,
                FailOn::Warn => Level::Warn,
                FailOn::Note => Level::Note,
            }),
            report_only: self.report_only,
            min_journals: self.min_journals,
            coverage: self.require_coverage,
        };
        let requirements = Requirements::new(&file_settings, overrides);
        let accept = Accept {
            reason: self.reason.clone().unwrap_or_default(),
            author: self.author.clone().unwrap_or_else(current_user),
            expires: match self.expires {
                Some(Expiry::Never) => None,
                Some(Expiry::On(day)) => Some(day),
                None => default_expiry(today),
            },
        };
        let file = AcceptanceFile(found.unwrap_or_else(|| FILE.into()));
        Ok(PolicySettings { policy, requirements, file_settings, accept, file })
    }
}

impl AcceptanceFile {
    /// Adds acceptances to the file, and creates the file if it is missing. Returns its path.
    pub fn append(&self, acceptances: &[Acceptance]) -> Result<&Path, Failure> {
        let text = if self.0.exists() { read(&self.0)? } else { String::new() };
        let name = || self.0.display().to_string();
        let text = append_acceptances(&text, acceptances)
            .map_err(|error| Failure::Policy { file: name(), reason: error.to_string() })?;
        std::fs::write(&self.0, text).map_err(|source| Failure::Output { to: name(), source })?;
        Ok(&self.0)
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Policy { file: file.display().to_string(), reason: error.to_string() })
}

/// The policy file of the working directory, or of the nearest folder above it that has one.
fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

/// Today's date. `SOURCE_DATE_EPOCH` replaces the clock, so that runs can be reproduced.
fn today() -> Result<Date, Failure> {
    let now = match std::env::var_os("SOURCE_DATE_EPOCH") {
        None => Timestamp::now(),
        Some(epoch) => epoch
            .to_str()
            .and_then(|text| Timestamp::from_second(text.parse().ok()?).ok())
            .ok_or_else(|| Failure::Usage("SOURCE_DATE_EPOCH is not a number of seconds".to_owned()))?,
    };
    Ok(now.to_zoned(TimeZone::UTC).date())
}

/// The name of the user who runs the command, as CI systems and shells give it.
fn current_user() -> String {
    let named = |name: &str| std::env::var_os(name).map(OsString::into_string).and_then(Result::ok);
    let names = ["GIT_AUTHOR_NAME", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "USERNAME"];
    names.into_iter().filter_map(named).find(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
