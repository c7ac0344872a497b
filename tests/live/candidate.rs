//! Real deployments: installed, started, asked, and looked at for closures that ran.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prost::Message as _;
use rehearsal::candidate::{Endpoint, Invoke, Transport};
use rehearsal::journal::{CommandKind, EntryKind};
use rehearsal::protocol::{MessageType, Start, put_frame};
use rehearsal::replay::Listen;
use serde_json::Value;

use crate::fixtures::Fixture;
use crate::in_process;

pub enum Provisioned {
    Ready,
    Missing(String),
}

fn folder(sdk: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sdks").join(sdk)
}

/// Runs the SDK's provision.sh, which exits with 3 where a runtime is missing.
pub fn provision(sdk: &str, arguments: &[&str]) -> Provisioned {
    let output = Command::new(folder(sdk).join("provision.sh")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Provisioned::Ready,
        Some(3) => Provisioned::Missing(said),
        status => panic!("{sdk} could not be provisioned ({status:?}): {said}"),
    }
}

/// Where variants are served.
pub enum Candidate {
    /// By a program of its own: each under its name.
    Program { child: Child, url: String, log: PathBuf, _folder: tempfile::TempDir },
    /// By this process: each at an address of its own.
    InProcess,
}

impl Candidate {
    /// Starts what serves all variants of an SDK; `arguments` go to serve.sh behind the port.
    pub fn start(sdk: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("closures");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(self::folder(sdk).join("serve.sh"))
            .arg(port.to_string())
            .args(arguments)
            .env("CLOSURE_LOG", &log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let exited = child.try_wait().unwrap();
            assert!(exited.is_none(), "{sdk}: the candidate ended: {exited:?}");
            assert!(Instant::now() < deadline, "{sdk}: the candidate does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self::Program { child, url: format!("http://127.0.0.1:{port}"), log, _folder: folder }
    }

    fn url(&self, variant: &str) -> String {
        match self {
            Self::Program { url, .. } => format!("{url}/{variant}"),
            Self::InProcess => in_process::serve(variant),
        }
    }

    /// Checks fixtures on a variant; results by invocation id.
    pub fn check(&self, variant: &str, fixtures: &[&Fixture]) -> BTreeMap<String, Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .arg("check")
            .args(fixtures.iter().map(|fixture| &fixture.recorded))
            .args(["--against", &self.url(variant), "--format", "jsonl", "--concurrency", "4"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("panicked"), "{variant}: {errors}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|invocation| (invocation["id"].as_str().unwrap().to_owned(), invocation))
            .collect()
    }

    /// The whole report on a variant, with these flags.
    pub fn report(&self, variant: &str, fixtures: &[&Fixture], flags: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .arg("check")
            .args(fixtures.iter().map(|fixture| &fixture.recorded))
            .args(["--against", &self.url(variant), "--format", "json"])
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Lets the handler of a fixture run from its Input on, as the server does with a new invocation: its closures run, and
    /// so shows that they are noted when they do.
    pub fn execute(&self, fixture: &Fixture) {
        let (id, service, handler, key, input) = fixture.invocation();
        let start = Start {
            id: id.wire().unwrap().to_vec(),
            debug_id: id.to_string(),
            known_entries: 1,
            key,
            ..Start::default()
        };
        let mut body = Vec::new();
        put_frame(&mut body, MessageType::START, &start.encode_to_vec());
        put_frame(&mut body, MessageType::of(EntryKind::Command(CommandKind::Input)), &input);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endpoint = Endpoint::new(&self.url("base"), Transport::default()).unwrap();
            let invoke = Invoke { id: id.as_str(), service: &service, handler: &handler, version: 6 };
            endpoint.attempt(&invoke, body.into(), Listen::ForCommands).await.unwrap();
        });
    }

    /// Every closure that ran while it was checked.
    pub fn closures(&self) -> String {
        match self {
            Self::Program { log, .. } => fs::read_to_string(log).unwrap_or_default(),
            Self::InProcess => in_process::closures(),
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if let Self::Program { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
