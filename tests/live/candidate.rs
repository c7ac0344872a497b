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

pub enum Provisioned {
    Ready,
    Missing(String),
}

fn folder(sdk: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sdks").join(sdk)
}

/// Runs the SDK's provision.sh, which exits with 3 where a runtime is missing.
pub fn provision(sdk: &str) -> Provisioned {
    let output = Command::new(folder(sdk).join("provision.sh")).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Provisioned::Ready,
        Some(3) => Provisioned::Missing(said),
        status => panic!("{sdk} could not be provisioned ({status:?}): {said}"),
    }
}

pub struct Candidate {
    child: Child,
    url: String,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Candidate {
    pub fn start(sdk: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("closures");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(self::folder(sdk).join("serve.sh"))
            .args([&port.to_string(), "base"])
            .env("CLOSURE_LOG", &log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut candidate = Self { child, url: format!("http://127.0.0.1:{port}"), log, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let exited = candidate.child.try_wait().unwrap();
            assert!(exited.is_none(), "{sdk}: the candidate ended: {exited:?}");
            assert!(Instant::now() < deadline, "{sdk}: the candidate does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        candidate
    }

    /// Checks fixtures on a variant; results by invocation id.
    pub fn check(&self, variant: &str, fixtures: &[&Fixture]) -> BTreeMap<String, Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .arg("check")
            .args(fixtures.iter().map(|fixture| &fixture.recorded))
            .args(["--against", &format!("{}/{variant}", self.url), "--format", "jsonl", "--concurrency", "4"])
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
            let endpoint = Endpoint::new(&format!("{}/base", self.url), Transport::default()).unwrap();
            let invoke = Invoke { id: id.as_str(), service: &service, handler: &handler, version: 6 };
            endpoint.attempt(&invoke, body.into(), Listen::ForCommands).await.unwrap();
        });
    }

    /// Every closure that ran while it was checked.
    pub fn closures(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
