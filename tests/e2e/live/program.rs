//! A program that serves every variant of an SDK's services, started by the SDK's serve.sh.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rehearsal::transport::Invoke;

use crate::provisioning;
use crate::support::live::{Candidate, attempt_over_http};
use crate::support::runner::{Rehearse, Run, with_all_features};

/// It ends when this is dropped.
pub struct Program {
    child: Child,
    port: u16,
    reached: Reached,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

/// How the variants are reached.
#[derive(Clone, Copy)]
pub enum Reached {
    /// Each under a path of one URL.
    ByUrl,
    /// Each as a function, through the API that invokes Lambda functions.
    ByArn,
}

const REGION: &str = "eu-central-1";

impl Program {
    /// Starts the program. `arguments` are those of serve.sh after the port.
    pub fn start(sdk: &str, arguments: &[&str], reached: Reached) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("closures");
        let said = folder.path().join("stderr");
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = Command::new(provisioning::folder(sdk).join("serve.sh"))
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
                    return Self { child, port, reached, log, _folder: folder };
                }
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                assert!(Instant::now() < deadline, "{sdk}: the candidate does not listen");
                std::thread::sleep(Duration::from_millis(50));
            };
            // Another process can take the port between the moment it is found free and the moment the program listens.
            let said = fs::read_to_string(&said).unwrap_or_default();
            let taken = said.to_lowercase().contains("in use") && Instant::now() < deadline;
            assert!(taken, "{sdk}: the candidate ended: {exited}: {said}");
        }
    }
}

impl Candidate for Program {
    fn address(&self, variant: &str) -> String {
        match self.reached {
            Reached::ByUrl => format!("http://127.0.0.1:{}/{variant}", self.port),
            Reached::ByArn => {
                format!("arn:aws:lambda:{REGION}:123456789012:function:{}:1", variant.replace('+', "_and_"))
            }
        }
    }

    fn rehearse(&self, arguments: &[&str]) -> Run {
        let run = match self.reached {
            Reached::ByUrl => Rehearse::new(arguments),
            Reached::ByArn => {
                let binary = with_all_features().expect("the test looked for it");
                Rehearse::of(&binary, arguments).with(|command| {
                    command.env("AWS_ENDPOINT_URL_LAMBDA", format!("http://127.0.0.1:{}", self.port));
                    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
                })
            }
        };
        run.patience(Duration::from_secs(300)).run()
    }

    fn attempt(&self, invoke: &Invoke<'_>, body: Vec<u8>) {
        match self.reached {
            Reached::ByUrl => attempt_over_http(&self.address("base"), invoke, body),
            Reached::ByArn => invoke_function(self.port, invoke, &body),
        }
    }

    fn closures(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls the base's function as Restate does.
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
