//! The suite of live candidates: journals that an SDK recorded on a real server are checked on deployments built with
//! that SDK. Verdict, first rule and index must be the server's, and not one `ctx.run` closure may run.

pub mod recordings;
mod table;

use std::collections::BTreeMap;

use prost::Message as _;
use rehearsal::journal::{CommandKind, EntryKind};
use rehearsal::protocol::{MessageType, Start, put_frame};
use rehearsal::transport::Invoke;
use serde_json::Value;

use super::folders::{scratch, text};
use super::runner::{Rehearse, Run};
use recordings::Fixture;
use table::Row;

/// Deployments of an SDK, one for each variant.
pub trait Candidate {
    /// The URL or ARN of a variant.
    fn address(&self, variant: &str) -> String;

    /// Runs the binary in the environment that this candidate needs.
    fn rehearse(&self, arguments: &[&str]) -> Run {
        Rehearse::new(arguments).patience(std::time::Duration::from_secs(300)).run()
    }

    /// Sends an attempt to the base, as the server does with a new invocation.
    fn attempt(&self, invoke: &Invoke<'_>, body: Vec<u8>);

    /// Every closure that has run so far, one a line.
    fn closures(&self) -> String;
}

/// Checks every fixture of an SDK on its variant.
pub fn check(sdk: &str, candidate: &impl Candidate, at_least: usize) {
    let fixtures = recordings::of_sdk(sdk);
    assert!(fixtures.len() >= at_least, "{sdk}: only {} fixtures", fixtures.len());
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (variant, fixtures) in recordings::by_variant(&fixtures) {
        let checked = invocations(candidate, &variant, &fixtures);
        for fixture in fixtures {
            let found = checked.get(&fixture.id);
            let complaint = found.map_or(Some("it was not checked".to_owned()), |found| fixture.complaint(found));
            rows.push(Row::new(fixture, complaint.is_none()));
            wrong.extend(complaint.map(|complaint| format!("{}: {complaint}", fixture.name)));
        }
    }
    let process = fixtures.iter().find(|fixture| fixture.name == "clean/process").expect("every SDK has it");
    let traced = against_own_trace(candidate, process);
    assert_eq!(traced["summary"]["compatible"], 1, "{sdk}: checked against its own trace: {traced}");
    let closures = candidate.closures();
    assert!(closures.is_empty(), "{sdk}: closures ran: {closures}");
    // The same closures do leave a trace when they run.
    execute(candidate, process);
    assert!(!candidate.closures().is_empty(), "{sdk}: closures run unnoticed, so an empty list proves nothing");
    // This comes before the table, which has only numbers.
    eprintln!("{sdk}: {} of {} wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    table::compare(sdk, &rows);
    wrong.retain(|complaint| !is_lost_on_lambda(sdk, complaint));
    assert!(wrong.is_empty());
}

/// Whether only the explanation is missing because a Lambda function gives a whole answer or none: where parallel branches
/// wait for more than their results, the answer to a trace is lost, and the report has only what the SDK says. The verdict
/// and its index stand.
fn is_lost_on_lambda(sdk: &str, complaint: &str) -> bool {
    const LOST: [&str; 3] = [
        "command-reordered/refund-swap-parallel-calls: first rule ",
        "command-added/refund-third-run: first rule ",
        "command-added/refund-third-run-and-ledger-key: first rule ",
    ];
    sdk == "lambda" && LOST.iter().any(|lost| complaint.starts_with(lost))
}

fn checking<'a>(fixtures: &[&'a Fixture], address: &'a str) -> Vec<&'a str> {
    let recorded = fixtures.iter().map(|fixture| text(&fixture.recorded));
    ["check"].into_iter().chain(recorded).chain(["--against", address]).collect()
}

/// The invocations of a check on a variant, by id.
fn invocations(candidate: &impl Candidate, variant: &str, fixtures: &[&Fixture]) -> BTreeMap<String, Value> {
    let address = candidate.address(variant);
    let mut arguments = checking(fixtures, &address);
    arguments.extend(["--format", "jsonl", "--concurrency", "4"]);
    let run = candidate.rehearse(&arguments);
    let invocations = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    invocations.map(|invocation| (invocation["id"].as_str().unwrap().to_owned(), invocation)).collect()
}

/// The report of a check on a variant, with these flags.
pub fn report(candidate: &impl Candidate, variant: &str, fixtures: &[&Fixture], flags: &[&str]) -> Value {
    let address = candidate.address(variant);
    let mut arguments = checking(fixtures, &address);
    arguments.extend(["--format", "json"]);
    arguments.extend(flags);
    candidate.rehearse(&arguments).json()
}

/// Traces a fixture on the base; the report of the fixture checked offline against that trace.
fn against_own_trace(candidate: &impl Candidate, fixture: &Fixture) -> Value {
    let folder = scratch();
    let traces = folder.path().join("traces.jsonl");
    let recorded = text(&fixture.recorded);
    let run = candidate.rehearse(&["trace", recorded, "--against", &candidate.address("base"), "-o", text(&traces)]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    candidate.rehearse(&["check", recorded, "--against", text(&traces), "--format", "json"]).json()
}

/// Lets the handler of a fixture run from its Input on, as the server does with a new invocation: its closures run, which
/// shows that a closure that runs is noticed.
fn execute(candidate: &impl Candidate, fixture: &Fixture) {
    let (id, service, handler, key, input) = fixture.invocation();
    let start =
        Start { id: id.wire().unwrap().to_vec(), debug_id: id.to_string(), known_entries: 1, key, ..Start::default() };
    let mut body = Vec::new();
    put_frame(&mut body, MessageType::START, &start.encode_to_vec());
    put_frame(&mut body, MessageType::of(EntryKind::Command(CommandKind::Input)), &input);
    candidate.attempt(&Invoke { id: id.as_str(), service: &service, key: None, handler: &handler, version: 6 }, body);
}

/// Sends an attempt to an endpoint over HTTP.
pub fn attempt_over_http(url: &str, invoke: &Invoke<'_>, body: Vec<u8>) {
    use rehearsal::transport::{Endpoint, Transport};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(url, Transport::default()).unwrap();
        endpoint.attempt(invoke, body.into(), rehearsal::replay::Listen::ForCommands).await.unwrap();
    });
}
