//! The reports of a check (`--format` and `--report`): several formats in one run, each to its own output.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;

use super::failure::Failure;
use super::flags::Color;
use super::output::Output;
use crate::render::{
    Accept, GitHub, GitLab, Html, Human, JUnit, Json, JsonLines, Markdown, Render, Sarif, SourceFiles,
};
use crate::report::{Invocation, Report};
use crate::source::Ids;

/// The format of a check's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: invocations grouped by cause, with one of each group in full
    Human,
    /// One JSON document (schemas/report.v1.json)
    Json,
    /// JSON lines: one per invocation, written as soon as its verdict is known
    Jsonl,
    /// JUnit XML: one test case per invocation, one suite per handler
    Junit,
    /// SARIF 2.1.0, for code scanning: one result per cause
    Sarif,
    /// Annotations for a GitHub Actions step, and the step's summary if $GITHUB_STEP_SUMMARY is set
    Github,
    /// A GitLab code quality report
    Gitlab,
    /// For a comment on a pull request; limited in length
    Markdown,
    /// One self-contained page for a browser
    Html,
    /// The findings that fail the run, as [[accept]] tables for rehearse.toml
    Accept,
}

/// A report to write, given as `FORMAT=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTo {
    format: ReportFormat,
    file: PathBuf,
}

impl std::str::FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, for example junit=rehearse.xml")?;
        if file.is_empty() {
            return Err("the file name after = is missing".to_owned());
        }
        let format = ReportFormat::from_str(format, false).map_err(|_| {
            let known: Vec<String> = ReportFormat::value_variants()
                .iter()
                .filter_map(|format| format.to_possible_value().map(|value| value.get_name().to_owned()))
                .collect();
            format!("there is no format {format:?} (there are {})", known.join(", "))
        })?;
        Ok(Self { format, file: file.into() })
    }
}

/// The settings of renderers.
pub struct RenderSettings {
    pub verbose: bool,
    pub sources: SourceFiles,
    pub accept: Accept,
}

impl RenderSettings {
    fn renderer(&self, format: ReportFormat) -> Box<dyn Render> {
        let sources = || self.sources.clone();
        match format {
            ReportFormat::Human => Box::new(Human { verbose: self.verbose }),
            ReportFormat::Json => Box::new(Json::default()),
            ReportFormat::Jsonl => Box::new(JsonLines),
            ReportFormat::Junit => Box::new(JUnit::default()),
            ReportFormat::Sarif => Box::new(Sarif { sources: sources() }),
            ReportFormat::Github => Box::new(GitHub { sources: sources() }),
            ReportFormat::Gitlab => Box::new(GitLab { sources: sources() }),
            ReportFormat::Markdown => Box::new(Markdown),
            ReportFormat::Html => Box::new(Html::default()),
            ReportFormat::Accept => Box::new(self.accept.clone()),
        }
    }
}

/// The reports of one run, each with its renderer and its output.
pub struct Reports {
    sinks: Vec<(Box<dyn Render>, Output)>,
}

impl Reports {
    /// Opens every output. `step_summary` is the file to which GitHub Actions expects a step's summary to be appended.
    pub fn open(
        format: ReportFormat,
        output: Option<PathBuf>,
        reports: &[ReportTo],
        step_summary: Option<PathBuf>,
        settings: &RenderSettings,
        color: Color,
    ) -> Result<Self, Failure> {
        let stdout = PathBuf::from("-");
        let mut files = BTreeSet::from([output.as_ref().unwrap_or(&stdout)]);
        for file in reports.iter().map(|report| &report.file) {
            if !files.insert(file) {
                let file = if *file == stdout { "standard output".into() } else { file.display().to_string() };
                return Err(Failure::Usage(format!("two reports cannot both go to {file}")));
            }
        }
        let mut sinks = vec![(settings.renderer(format), Output::open(output.as_deref(), color)?)];
        for ReportTo { format, file } in reports {
            sinks.push((settings.renderer(*format), Output::open(Some(file), color)?));
        }
        let on_github =
            format == ReportFormat::Github || reports.iter().any(|report| report.format == ReportFormat::Github);
        if let (true, Some(summary)) = (on_github, step_summary) {
            sinks.push((Box::new(Markdown), Output::append(&summary)?));
        }
        Ok(Self { sinks })
    }

    /// Whether one of these formats shows timelines.
    pub fn need_timelines(format: ReportFormat, reports: &[ReportTo]) -> bool {
        format == ReportFormat::Html || reports.iter().any(|report| report.format == ReportFormat::Html)
    }

    pub fn invocation(&mut self, invocation: &Invocation, ids: &Ids) -> Result<(), Failure> {
        self.sinks
            .iter_mut()
            .try_for_each(|(render, output)| output.write(|out| render.invocation(invocation, ids, out)))
    }

    pub fn finish(self, report: &Report, ids: &Ids) -> Result<(), Failure> {
        for (mut render, mut output) in self.sinks {
            output.write(|out| render.finish(report, ids, out))?;
            output.finish()?;
        }
        Ok(())
    }
}
