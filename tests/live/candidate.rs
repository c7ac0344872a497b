//! Real deployments: installed, started, asked, and looked at for closures that ran.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use rehearsal::journal::{CommandKind, EntryKind};
use rehearsal::protocol::{MessageType, Start, put_frame};
use rehearsal::replay::Listen;
use rehearsal::transport::{Endpoint, Invoke, Transport};
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
    Program { child: Child, port: u16, reached: Reached, log: PathBuf, _folder: tempfile::TempDir },
    /// By this process: each at an address of its own.
    InProcess,
}

/// How a program's variants are spoken to.
#[derive(Clone, Copy)]
pub enum Reached {
    ByUrl,
    /// Through the API that invokes Lambda functions.
    #[cfg_attr(not(feature = "lambda"), expect(dead_code, reason = "no function is reached without the feature"))]
    ByArn,
}

const REGION: &str = "eu-central-1";

impl Candidate {
    /// Starts what serves all variants of an SDK; `arguments` go to serve.sh behind the port.
    pub fn start(sdk: &str, arguments: &[&str], reached: Reached) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("closures");
        let said = folder.path().join("stderr");
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = Command::new(self::folder(sdk).join("serve.sh"))
                .arg(port.to_string())
                .args(arguments)
                .env("CLOSURE_LOG", &log)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(&said).unwrap())
                .spawn()
                .unwrap();
            let exited = loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self::Program { child, port, reached, log, _folder: folder };
                }
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                assert!(Instant::now() < deadline, "{sdk}: the candidate does not listen");
                std::thread::sleep(Duration::from_millis(50));
            };
            // Between being found free and being listened at, a port can be taken by anyone.
            let said = fs::read_to_string(&said).unwrap_or_default();
            let taken = said.to_lowercase().contains("in use") && Instant::now() < deadline;
            assert!(taken, "{sdk}: the candidate ended: {exited}: {said}");
        }
    }

    /// Its URL or ARN.
    fn name(&self, variant: &str) -> String {
        match self {
            Self::Program { port, reached: Reached::ByUrl, .. } => format!("http://127.0.0.1:{port}/{variant}"),
            Self::Program { reached: Reached::ByArn, .. } => {
                format!("arn:aws:lambda:{REGION}:123456789012:function:{}:1", variant.replace('+', "_and_"))
            }
            Self::InProcess => in_process::serve(variant),
        }
    }

    fn rehearse(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
        command.stdin(Stdio::null());
        if let Self::Program { port, reached: Reached::ByArn, .. } = self {
            command.env("AWS_ENDPOINT_URL_LAMBDA", format!("http://127.0.0.1:{port}"));
            command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
        }
        command
    }

    /// Checks fixtures on a variant; results by invocation id.
    pub fn check(&self, variant: &str, fixtures: &[&Fixture]) -> BTreeMap<String, Value> {
        let output = self
            .rehearse()
            .arg("check")
            .args(fixtures.iter().map(|fixture| &fixture.recorded))
            .args(["--against", &self.name(variant), "--format", "jsonl", "--concurrency", "4"])
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
        let output = self
            .rehearse()
            .arg("check")
            .args(fixtures.iter().map(|fixture| &fixture.recorded))
            .args(["--against", &self.name(variant), "--format", "json"])
            .args(flags)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Traces a fixture on the base, and checks it offline against that trace; the report.
    pub fn trace(&self, fixture: &Fixture) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let traces = folder.path().join("traces.jsonl");
        let mut trace = self.rehearse();
        trace.arg("trace").arg(&fixture.recorded).args(["--against", &self.name("base"), "-o"]).arg(&traces);
        let output = trace.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut check = self.rehearse();
        check.arg("check").arg(&fixture.recorded).arg("--against").arg(&traces).args(["--format", "json"]);
        serde_json::from_slice(&check.output().unwrap().stdout).unwrap()
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
        let invoke = Invoke { id: id.as_str(), service: &service, handler: &handler, version: 6 };
        if let Self::Program { port, reached: Reached::ByArn, .. } = self {
            return invoke_function(*port, &invoke, &body);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endpoint = Endpoint::new(&self.name("base"), Transport::default()).unwrap();
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

/// Calls the base's function by hand, as Restate does.
fn invoke_function(port: u16, invoke: &Invoke<'_>, body: &[u8]) {
    let headers: BTreeMap<String, String> = (invoke.headers().unwrap().iter())
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let event = serde_json::json!({
        "path": invoke.path(), "httpMethod": "POST", "headers": headers, "body": STANDARD.encode(body), "isBase64Encoded": true,
    });
    let event = event.to_string();
    let function = format!("arn%3Aaws%3Alambda%3A{REGION}%3A123456789012%3Afunction%3Abase");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nhost: lambda\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/{REGION}/lambda/aws4_request, Signature=none\r\n\
         content-length: {}\r\n\r\n{event}",
        event.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if let Self::Program { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
