//! The one runner: every test that starts the `rehearse` binary starts it through [`Rehearse`].

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use super::folders::root;

/// A run that takes longer hangs: it waits for input that never comes. Loaded machines take a minute for the largest.
const PATIENCE: Duration = Duration::from_secs(300);

/// The binary that `REHEARSE_RELEASED` names, as it is released (`.ci/run` builds it), else the one under test.
pub fn released() -> PathBuf {
    let released = std::env::var_os("REHEARSE_RELEASED").map(PathBuf::from);
    released.unwrap_or_else(|| env!("CARGO_BIN_EXE_rehearse").into())
}

/// A binary with all features: the one under test where it was built with them, else the one that `REHEARSE_RELEASED`
/// names. Tests that need a feature are left out where there is neither, which is a failure in CI.
pub fn with_all_features() -> Option<PathBuf> {
    static LEFT_OUT: Once = Once::new();
    if cfg!(all(feature = "lambda", feature = "json-schema")) {
        return Some(env!("CARGO_BIN_EXE_rehearse").into());
    }
    let released = std::env::var_os("REHEARSE_RELEASED").map(PathBuf::from);
    if released.is_none() {
        assert!(std::env::var_os("CI").is_none(), "REHEARSE_RELEASED names no binary with all features");
        // Not eprintln!, which the test harness keeps to itself where a test passes.
        LEFT_OUT.call_once(|| {
            let _ = writeln!(
                std::io::stderr().lock(),
                "left out: what features are needed for (Lambda, input-rejected). `cargo test --features full` runs it."
            );
        });
    }
    released
}

/// A run of the binary before it starts. It runs in the root of the repository, with nothing on standard input.
pub struct Rehearse {
    command: Command,
    patience: Duration,
}

impl Rehearse {
    /// The binary under test with these arguments.
    pub fn new(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_rehearse")), arguments)
    }

    /// Another build of the binary, such as [`released`].
    pub fn of(program: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(root())
            .env("COLUMNS", "100")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, patience: PATIENCE }
    }

    /// Sets the environment, another folder, or whatever else a test needs.
    pub fn with(mut self, set: impl FnOnce(&mut Command)) -> Self {
        set(&mut self.command);
        self
    }

    /// Panics if the run takes longer than this.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts the binary, for a test that stops it before it ends.
    pub fn start(mut self) -> Child {
        self.command.spawn().unwrap()
    }

    /// Runs the binary to its end.
    pub fn run(self) -> Run {
        self.run_on(b"")
    }

    /// Runs the binary to its end with these bytes on standard input.
    pub fn run_on(mut self, stdin: &[u8]) -> Run {
        let mut child = self.command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        let writer = std::thread::spawn(move || {
            // A run that does not want its input closes it early.
            let _ = input.write_all(&bytes);
        });
        let stdout = read_aside(child.stdout.take().unwrap());
        let stderr = read_aside(child.stderr.take().unwrap());
        let started = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > self.patience => {
                    let _ = child.kill();
                    panic!("{:?} did not end within {:?}", self.command, self.patience);
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        writer.join().unwrap();
        let run = Run {
            status: status.code().unwrap_or_else(|| panic!("{:?} ended with {status}", self.command)),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        };
        assert!(!run.stderr.contains("panicked"), "{:?}: {}", self.command, run.stderr);
        run
    }
}

/// Reads a stream to its end on a thread of its own, so that the binary never waits for a full pipe.
fn read_aside(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).expect("output is UTF-8")
    })
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// Id, verdict and reason of each invocation of a JSON report.
    pub fn verdicts(&self) -> Vec<(String, String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let json = self.json();
        let invocations = json["invocations"].as_array().unwrap().iter();
        invocations.map(|one| (text(&one["id"]), text(&one["verdict"]), text(&one["reason"]))).collect()
    }
}

/// Runs the binary under test with these arguments.
pub fn rehearse(arguments: &[&str]) -> Run {
    Rehearse::new(arguments).run()
}
