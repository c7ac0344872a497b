//! A thousand invocations are stuck for three causes on two deployments. The server agrees with audit, matrix, plan and
//! apply, invocation by invocation.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::shop::{Code, serve};
use super::{count, read, rehearse, rows, send, valid};
use crate::quiet;
use crate::server::Server;

/// Long enough to send everything and change the code before the first wakes up.
const SLEEP: u64 = 12_000;

pub fn stage(server: &Server) {
    // The code has to change before the first of them wakes up.
    let quiet = quiet::alone();
    let (one, two) = (Code::new(&["declined"]), Code::new(&["ledger-down"]));
    let dp_one = server.register(&serve(&one));
    let mut sleeping = send(server, "Order", "ship", 0..175, SLEEP);
    let declined = send(server, "Order", "process", 0..400, 0);
    let waiting = send(server, "Order", "wait", 0..20, 0);
    server.until("everything is pinned to the first", || {
        (count(server, &format!("pinned_deployment_id = '{dp_one}'")) == 595).then_some(())
    });
    let dp_two = server.register(&serve(&two));
    sleeping.extend(send(server, "Order", "ship", 175..350, SLEEP));
    let bills = send(server, "Bill", "settle", 0..250, 0);
    let labelled = "select count(1) as n from sys_journal where entry_type = 'Command: Sleep'";
    server.until("all labels are printed", || (server.query(labelled)[0]["n"] == 350).then_some(()));
    // The code changes behind the same deployment.
    one.set(&["declined", "label-v2"]);
    two.set(&["ledger-down", "label-v2"]);
    server.until("a thousand are stuck", || {
        let mismatches = count(server, "last_failure_error_code = 'RT0016' and target_handler_name = 'ship'");
        let declined = count(server, "last_failure is not null and target_handler_name = 'process'");
        let paused = count(server, "status = 'paused'");
        (mismatches == 350 && declined == 400 && paused == 250).then_some(())
    });
    drop(quiet);
    let _others = quiet::beside_others();
    // The fix writes other amounts for bills from 100 on, and the rebased fix for bills from 200 on.
    let (fix, rebased) = (serve(&Code::new(&["cents-from-100"])), serve(&Code::new(&["cents-from-200"])));
    let (dp_fix, dp_rebased) = (server.register(&fix), server.register(&rebased));

    let folder = tempfile::tempdir().unwrap();
    let plan_file = folder.path().join("plan.json");
    let plan_name = plan_file.to_str().unwrap();
    let admin = server.url();
    let begun = Instant::now();
    let plain = rehearse(&["audit", &admin]).expect(1);
    assert!(plain.stdout.contains("1,000 invocations stuck for 3 causes"), "{}", plain.stdout);
    assert!(!plain.stdout.contains('\u{1b}'), "hostile names are escaped");
    let audited = Instant::now();
    let arguments =
        ["audit", &admin, "--against", &fix, "--against", &rebased, "--plan", plan_name, "--format", "json"];
    let report = rehearse(&arguments).expect(1).json();
    eprintln!("audit of 1,000: {:?}; on two candidates: {:?}", audited - begun, audited.elapsed());
    valid("audit.v1.json", &report);

    // The three causes are three groups.
    let causes = report["causes"].as_array().unwrap();
    let facts: Vec<Value> =
        causes.iter().map(|cause| json!([cause["handler"], cause["count"], cause["code"]])).collect();
    assert_eq!(json!(facts), json!([["process", 400, "RT0007"], ["ship", 350, "RT0016"], ["settle", 250, "RT0007"]]));
    assert_eq!(causes[0]["deployments"], json!({&dp_one: 400}));
    assert_eq!(causes[1]["deployments"], json!({&dp_one: 175, &dp_two: 175}));
    assert_eq!(causes[2]["statuses"], json!({"paused": 250}));
    assert_eq!(causes[2]["step"]["name"], "book");
    assert_eq!(report["summary"]["would_resume"], 950);

    // The verdicts of each cause on each candidate.
    let cells = |at: usize, candidate: usize| {
        let cell = &report["matrix"][at]["cells"][candidate];
        json!([cell["compatible"], cell["mismatch"], cell["failed"], cell["inconclusive"], cell["rules"]])
    };
    for candidate in [0, 1] {
        assert_eq!(cells(0, candidate), json!([400, 0, 0, 0, {}]));
        assert_eq!(cells(1, candidate), json!([350, 0, 0, 0, {}]));
        assert_eq!(cells(3, candidate), json!([20, 0, 0, 0, {}]), "what is in flight beside them");
    }
    assert_eq!(cells(2, 0), json!([100, 150, 0, 0, {"state-value-changed": 150}]));
    assert_eq!(cells(2, 1), json!([200, 50, 0, 0, {"state-value-changed": 50}]));
    let in_flight = json!({"of": "in-flight", "deployment": dp_one, "service": "Order", "handler": "wait"});
    for (name, value) in in_flight.as_object().unwrap() {
        assert_eq!(&report["matrix"][3][name], value);
    }
    let deployments = report["deployments"].as_array().unwrap();
    let of = |id: &str| deployments.iter().find(|deployment| deployment["id"] == id).unwrap();
    assert_eq!(of(&dp_one)["in_flight"]["suspended"], 20);
    assert_eq!((&of(&dp_one)["removable"], &of(&dp_fix)["removable"]), (&json!(false), &json!(true)));
    assert_eq!(of(&dp_rebased)["latest_for"], json!(["Bill", "Order"]));

    selected(&admin);
    draining(&admin, &dp_two, &fix, &rebased);

    // The plan, and the invocations that it must not touch.
    let plan = read(&plan_file);
    valid("plan.v1.json", &plan);
    assert_eq!(plan["summary"], json!({"resume": 950, "restart": 0, "leave": 50}));
    let to: BTreeMap<&str, Option<usize>> = plan["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| {
            (action["invocation"].as_str().unwrap(), action["do"]["candidate"].as_u64().map(|at| at as usize))
        })
        .collect();
    for (n, id) in &bills {
        let expected = if *n < 100 {
            Some(0)
        } else if *n < 200 {
            Some(1)
        } else {
            None
        };
        assert_eq!(to[id.as_str()], expected, "bill {n}");
    }
    let untouched = "target_handler_name = 'wait' or status = 'paused'";
    let left: BTreeMap<String, Value> =
        rows(server, untouched).into_iter().filter(|(id, _)| to.get(id.as_str()).is_none_or(Option::is_none)).collect();
    assert_eq!(left.len(), 70);

    let shown = rehearse(&["apply", plan_name, "--admin", &admin, "--dry-run"]).expect(0);
    assert!(shown.stdout.contains(&format!("400 Order/process to resume on {dp_fix}")), "{}", shown.stdout);
    assert_eq!(count(server, "status = 'completed'"), 0, "a dry run does nothing");
    let unasked = rehearse(&["apply", plan_name, "--admin", &admin]).expect(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);

    let begun = Instant::now();
    let applied = rehearse(&["apply", plan_name, "--admin", &admin, "--yes", "--parallel", "16"]).expect(0);
    eprintln!("apply of 950: {:?}: {}", begun.elapsed(), applied.stdout);
    server.until("all that were resumed complete", || (count(server, "status = 'completed'") == 950).then_some(()));
    let after = rows(server, "true");
    for (id, candidate) in &to {
        let row = &after[*id];
        match candidate {
            Some(candidate) => {
                assert_eq!(row["completion_result"], "success", "{row}");
                assert_eq!(row["pinned_deployment_id"], [dp_fix.as_str(), &dp_rebased][*candidate], "{row}");
            }
            None => assert_eq!(row, &left[*id]),
        }
    }
    for id in waiting.values() {
        assert_eq!(after[id], left[id], "what is in flight and well is left alone");
    }
    let _ = (declined, sleeping);

    // The server agrees about those that were left: they mismatch on either candidate.
    for (n, id) in bills.range(240..) {
        for deployment in [&dp_fix, &dp_rebased] {
            let paused = || rows(server, &format!("id = '{id}' and status = 'paused'")).len() == 1;
            if !paused() {
                server.block_on(server.admin.patch(&["invocations", id, "pause"]).send()).unwrap();
                server.until("it is paused", || paused().then_some(()));
            }
            let resume = server.admin.patch(&["invocations", id, "resume"]).with("deployment", deployment);
            server.block_on(resume.send()).unwrap();
            let mismatch =
                format!("id = '{id}' and last_failure_error_code = 'RT0016' and pinned_deployment_id = '{deployment}'");
            server.until("the server finds the mismatch", || (count(server, &mismatch) == 1).then_some(()));
        }
        assert!(*n >= 240);
    }
    let again = rehearse(&["apply", plan_name, "--admin", &admin, "--yes"]).expect(0);
    assert!(again.stdout.contains("completed"), "a plan that is done is done: {}", again.stdout);
}

/// Selection is part of the query to the server, and its values are quoted.
fn selected(admin: &str) {
    let stuck = |flags: &[&str]| {
        let run = rehearse(&[&["audit", admin, "--format", "json"], flags].concat());
        assert!(run.status < 2, "{}", run.stderr);
        run.json()["summary"]["stuck"].as_u64().unwrap()
    };
    assert_eq!(stuck(&["--handler", "ship", "--limit", "7"]), 7);
    assert_eq!(stuck(&["--status", "paused"]), 250);
    assert_eq!(stuck(&["--where", "target_service_key like '%drop table%' -- or so"]), 57 + 50 + 36);
    assert_eq!(stuck(&["--service", "Bill' or 'a' = 'a"]), 0);
    assert_eq!(stuck(&["--invocation", "no such id"]), 0);
    let refused = rehearse(&["audit", admin, "--where", "nope = 1"]).expect(2);
    assert!(refused.stderr.contains("No field named nope"), "{}", refused.stderr);
}

/// One command shows, for a deployment that drains, what the fix and the rebased fix would unblock.
fn draining(admin: &str, deployment: &str, fix: &str, rebased: &str) {
    let arguments = ["audit", admin, "--deployment", deployment, "--against", fix, "--against", rebased, "--redact"];
    let run = rehearse(&arguments).expect(1);
    for line in ["175 would resume", "100 would resume, 150 mismatch", "200 would resume, 50 mismatch"] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert!(!run.stdout.contains("ledger shard"), "messages are hidden: {}", run.stdout);
    // The command that it suggests shows why.
    let why = run.stdout.lines().find_map(|line| line.trim().strip_prefix("why: rehearse ")).unwrap();
    let run = rehearse(&why.split(' ').collect::<Vec<_>>()).expect(1);
    assert!(run.stdout.contains("state-value-changed at command 2"), "{}", run.stdout);
}
