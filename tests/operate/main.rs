//! The operator's day on a real Restate server: a thousand stuck invocations, from the audit to the last resume; killed
//! in the middle, cut off, restarted.
//!
//! One server, one stage after the other: each registers deployments of its own, and looks at what is pinned to those.
//! `REHEARSE_OPERATE=killed,faults` runs just these.

mod faults;
mod killed;
mod proxy;
mod restarts;
#[allow(dead_code, reason = "shared with the suite of the cluster")]
#[path = "../cluster/server.rs"]
mod server;
#[path = "../common/serving.rs"]
mod serving;
mod shop;
mod thousand;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use server::Server;

#[test]
fn an_operators_day() {
    let settings = [
        ("RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL", "3s"),
        ("RESTATE_DEFAULT_RETRY_POLICY__EXPONENTIATION_FACTOR", "5"),
    ];
    let Some(mut server) = Server::start_with("operate", &settings) else { return };
    let wanted =
        |stage: &str| std::env::var("REHEARSE_OPERATE").map_or(true, |only| only.split(',').any(|one| one == stage));
    if wanted("thousand") {
        thousand::stage(&server);
    }
    if wanted("killed") {
        killed::stage(&server);
    }
    if wanted("restarts") {
        restarts::stage(&server);
    }
    if wanted("faults") {
        faults::stage(&mut server);
    }
}

/// A run of the binary.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The run, if it ended as it should.
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn rehearse(arguments: &[&str]) -> Run {
    let output = command(arguments).output().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Names that want to be something else.
pub fn key(prefix: &str, n: u64) -> String {
    let tail = ["", "'; drop table x; --", "\n\u{1b}[31m\"", "🙂\\", "<b>&amp;</b>", "$(reboot)", "a/b c"];
    format!("{prefix}{n}{}", tail[n as usize % tail.len()])
}

/// Sends so many invocations of a handler; their ids, by `n`.
pub fn send(
    server: &Server,
    service: &str,
    handler: &str,
    numbers: std::ops::Range<u64>,
    delay: u64,
) -> BTreeMap<u64, String> {
    server.block_on(async {
        stream::iter(numbers)
            .map(|n| async move {
                let key = key(handler, n);
                let parameter = json!({"n": n, "delay": delay});
                (n, server.sending(&[service, &key, handler], &parameter).await.unwrap())
            })
            .buffer_unordered(16)
            .collect()
            .await
    })
}

/// How many invocations fulfil a condition.
pub fn count(server: &Server, condition: &str) -> u64 {
    server.query(&format!("select count(1) as n from sys_invocation where {condition}"))[0]["n"].as_u64().unwrap()
}

/// Rows of sys_invocation, by id.
pub fn rows(server: &Server, condition: &str) -> BTreeMap<String, Value> {
    let columns = "id, status, pinned_deployment_id, modified_at, journal_size, completion_result, restarted_from";
    let rows = server.query(&format!("select {columns} from sys_invocation where {condition}"));
    rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
}

/// That a document is what its schema says.
pub fn valid(schema: &str, document: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(schema);
    let schema = jsonschema::validator_for(&read(&path)).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
