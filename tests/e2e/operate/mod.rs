//! The operator's day on a real Restate server: a thousand stuck invocations, from the audit to the last resume, with
//! `apply` killed, cut off and restarted.
//!
//! One server for all stages, one stage after the other: each registers deployments of its own and looks only at what is
//! pinned to them. `REHEARSE_OPERATE=killed,faults` runs only these stages.

mod counting_proxy;
mod faults;
mod killed;
mod restarts;
mod shop;
mod thousand;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::folders::root;
use crate::support::runner::{Rehearse, Run};

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

impl Run {
    /// The run, which must have ended with this status.
    #[track_caller]
    fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A run that may take as long as a thousand invocations do.
fn command(arguments: &[&str]) -> Rehearse {
    Rehearse::new(arguments).patience(Duration::from_secs(600))
}

fn rehearse(arguments: &[&str]) -> Run {
    command(arguments).run()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A key that contains hostile text.
fn key(prefix: &str, n: u64) -> String {
    let tail = ["", "'; drop table x; --", "\n\u{1b}[31m\"", "🙂\\", "<b>&amp;</b>", "$(reboot)", "a/b c"];
    format!("{prefix}{n}{}", tail[n as usize % tail.len()])
}

/// Sends invocations of a handler; their ids, by `n`.
fn send(
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

/// The number of invocations that meet a condition.
fn count(server: &Server, condition: &str) -> u64 {
    server.query(&format!("select count(1) as n from sys_invocation where {condition}"))[0]["n"].as_u64().unwrap()
}

/// Rows of sys_invocation, by id.
fn rows(server: &Server, condition: &str) -> BTreeMap<String, Value> {
    let columns = "id, status, pinned_deployment_id, modified_at, journal_size, completion_result, restarted_from";
    let rows = server.query(&format!("select {columns} from sys_invocation where {condition}"));
    rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
}

/// Panics where a document does not fit its schema.
fn valid(schema: &str, document: &Value) {
    let path = root().join("schemas").join(schema);
    let schema = jsonschema::validator_for(&read(&path)).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
