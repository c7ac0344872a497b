//! Where output goes: data to stdout or a file, everything else to stderr; colour only where it belongs.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Color, Common, Failure};
use crate::render::brief;
use crate::source::Problem;

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

impl Color {
    fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

/// Data: to a file where one is named, else (or where it is `-`) to stdout.
pub struct Output {
    to: String,
    sink: Box<dyn Write + Send>,
}

impl Output {
    pub fn open(file: Option<&Path>, color: Color) -> Result<Self, Failure> {
        match file.filter(|file| *file != Path::new("-")) {
            Some(path) => {
                let to = path.display().to_string();
                let file = File::create(path).map_err(|source| Failure::Output { to: to.clone(), source })?;
                let choice = if color == Color::Always { ColorChoice::Always } else { ColorChoice::Never };
                Ok(Self {
                    to,
                    sink: Box::new(AutoStream::new(Box::new(BufWriter::new(file)) as Box<dyn Write + Send>, choice)),
                })
            }
            None => {
                let choice = match color.choice() {
                    ColorChoice::Auto => AutoStream::choice(&io::stdout()),
                    choice => choice,
                };
                let buffered = Box::new(BufWriter::with_capacity(64 << 10, io::stdout())) as Box<dyn Write + Send>;
                Ok(Self { to: "standard output".to_owned(), sink: Box::new(AutoStream::new(buffered, choice)) })
            }
        }
    }

    /// At the end of a file that others write to as well.
    pub fn append(file: &Path) -> Result<Self, Failure> {
        let to = file.display().to_string();
        let opened = File::options().append(true).create(true).open(file);
        let file = opened.map_err(|source| Failure::Output { to: to.clone(), source })?;
        Ok(Self { to, sink: Box::new(BufWriter::new(file)) })
    }

    /// Runs a writing step and says where it failed.
    pub fn write(&mut self, step: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        step(&mut *self.sink).map_err(|source| Failure::Output { to: self.to.clone(), source })
    }

    pub fn finish(mut self) -> Result<(), Failure> {
        self.write(|sink| sink.flush())
    }
}

/// Says on stderr why there is no verdict. A reader that went away needs no telling.
pub fn complain(failure: &Failure) {
    if let Failure::Output { source, .. } = failure
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return;
    }
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}error{RED:#}: {}", brief(&failure.to_string()));
}

/// More of them than this are only counted.
const PROBLEMS: usize = 20;

/// Says on stderr what could not be read.
pub fn warn(problems: &[Problem]) {
    for problem in problems.iter().take(PROBLEMS) {
        warn_of(&problem.to_string());
    }
    if problems.len() > PROBLEMS {
        warn_of(&format!("and {} more that could not be read", problems.len() - PROBLEMS));
    }
}

pub fn warn_of(what: &str) {
    // Nobody is told when even stderr is gone.
    let _ = writeln!(anstream::stderr(), "{YELLOW}warning{YELLOW:#}: {}", brief(what));
}

/// Says on stderr what was done.
pub fn say(what: &str) {
    let _ = writeln!(anstream::stderr(), "{}", brief(what));
}

/// A bar on stderr, where that is a terminal.
pub fn progress(total: u64) -> ProgressBar {
    bar(total, "{bar:30} {human_pos} of {human_len} journals, {eta} left {msg}")
}

/// For what is read from a cluster, which says later how much that is.
pub fn entries_progress() -> ProgressBar {
    bar(0, "{bar:30} {human_pos} of {human_len} entries, {per_sec}, {eta} left {msg}")
}

fn bar(total: u64, template: &str) -> ProgressBar {
    let target =
        if io::stderr().is_terminal() { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Logs for `-v`, on stderr.
pub fn log_to_stderr(common: &Common) {
    // What libraries have to say is said again, as an error of ours, where it matters.
    let filter = match common.verbose {
        0 => Targets::new().with_target("rehearsal", LevelFilter::WARN),
        1 => Targets::new().with_target("rehearsal", LevelFilter::INFO),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    let ansi = common.color == Color::Always || (common.color == Color::Auto && io::stderr().is_terminal());
    // Another subscriber may be there already, when this is called as a library.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi).without_time();
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}

/// `-o FILE`.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputFile {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
