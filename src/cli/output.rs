//! Output: data goes to stdout or a file, everything else to stderr; colours go only to terminals, unless asked for.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::Failure;
use super::flags::{Color, Common};
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

/// The destination of a command's data: the named file, or stdout where none is named or the name is `-`.
pub struct Output {
    to: String,
    sink: Box<dyn Write + Send>,
}

impl Output {
    /// Opens the file, or stdout.
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

    /// Opens a file that others write to as well, and appends to it.
    pub fn append(file: &Path) -> Result<Self, Failure> {
        let to = file.display().to_string();
        let opened = File::options().append(true).create(true).open(file);
        let file = opened.map_err(|source| Failure::Output { to: to.clone(), source })?;
        Ok(Self { to, sink: Box::new(BufWriter::new(file)) })
    }

    /// Runs one step that writes, and adds the destination's name to its error.
    pub fn write(&mut self, step: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        step(&mut *self.sink).map_err(|source| Failure::Output { to: self.to.clone(), source })
    }

    /// Flushes what is still buffered.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.write(|sink| sink.flush())
    }
}

/// Prints the error that ended the run. Prints nothing where the reader of a pipe has gone away.
pub fn print_failure(failure: &Failure) {
    if let Failure::Output { source, .. } = failure
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return;
    }
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}error{RED:#}: {}", brief(&failure.to_string()));
}

/// Further problems are only counted.
const MOST_PROBLEMS: usize = 20;

/// Prints a warning for each problem with the input.
pub fn warn(problems: &[Problem]) {
    for problem in problems.iter().take(MOST_PROBLEMS) {
        warn_of(&problem.to_string());
    }
    if problems.len() > MOST_PROBLEMS {
        warn_of(&format!("and {} more problems", problems.len() - MOST_PROBLEMS));
    }
}

/// Prints one warning on stderr.
pub fn warn_of(what: &str) {
    // If stderr itself is gone, there is nowhere left to report that.
    let _ = writeln!(anstream::stderr(), "{YELLOW}warning{YELLOW:#}: {}", brief(what));
}

/// Prints on stderr what was done.
pub fn say(what: &str) {
    let _ = writeln!(anstream::stderr(), "{}", brief(what));
}

/// A progress bar for journals, shown where stderr is a terminal.
pub fn progress(total: u64) -> ProgressBar {
    bar(total, "{bar:30} {human_pos} of {human_len} journals, {eta} left {msg}")
}

/// A progress bar for journal entries of a cluster, which states the total later.
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

/// Sends logs to stderr; `-v` sets their level.
pub fn log_to_stderr(common: &Common) {
    // Logs of libraries stay off below -vv: where they matter, our own errors say the same.
    let filter = match common.verbose {
        0 => Targets::new().with_target("rehearsal", LevelFilter::WARN),
        1 => Targets::new().with_target("rehearsal", LevelFilter::INFO),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    let ansi = common.color == Color::Always || (common.color == Color::Auto && io::stderr().is_terminal());
    // A program that uses this crate as a library may have installed its own subscriber.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi).without_time();
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}

/// The flag `-o FILE`.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputFile {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
