//! Invocations that cannot be resumed are killed and restarted from what a candidate replays; a deployment is pointed at
//! other code; plans that no longer fit the cluster are refused or skipped.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::shop::{Code, serve};
use super::{command, count, read, rehearse, rows, send};
use crate::provisioning;
use crate::server::Server;

pub fn stage(server: &Server) {
    anew(server);
    repointed(server);
    overtaken(server);
    failing(server);
    interrupted(server);
    by_hand(server);
}

/// Invocations that are stuck on a new deployment; the deployment, and their ids.
fn stuck(server: &Server, numbers: std::ops::Range<u64>) -> (String, Vec<String>) {
    let deployment = server.register(&serve(&Code::new(&["declined"])));
    let expected = numbers.end - numbers.start;
    let ids = send(server, "Order", "process", numbers, 0);
    let failing = format!("pinned_deployment_id = '{deployment}' and last_failure is not null");
    server.until("all are stuck", || (count(server, &failing) == expected).then_some(()));
    (deployment, ids.into_values().collect())
}

/// Stuck invocations, and a plan for them.
struct Planned {
    deployment: String,
    ids: Vec<String>,
    plan: PathBuf,
    /// The folder of the plan and its log.
    folder: tempfile::TempDir,
}

/// Stuck invocations, and a plan to resume them on code with these flaws.
fn planned(server: &Server, numbers: std::ops::Range<u64>, flaws: &[&'static str]) -> Planned {
    let (deployment, ids) = stuck(server, numbers);
    let candidate = serve(&Code::new(flaws));
    server.register(&candidate);
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let plan_name = plan.to_str().unwrap();
    let audit = ["audit", &server.url(), "--against", &candidate, "--deployment", &deployment, "--plan", plan_name];
    rehearse(&audit).expect(0);
    Planned { deployment, ids, plan, folder }
}

fn anew(server: &Server) {
    let (deployment, ids) = stuck(server, 2000..2006);
    let renamed = serve(&Code::new(&["charge-v2"]));
    let dp_renamed = server.register(&renamed);
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let (admin, plan_name) = (server.url(), plan.to_str().unwrap());
    let audit = ["audit", &admin, "--against", &renamed, "--deployment", &deployment, "--plan", plan_name];
    rehearse(&audit).expect(1);
    assert_eq!(read(&plan)["summary"], json!({"resume": 0, "restart": 0, "leave": 6}));
    assert!(read(&plan)["actions"][0]["reason"].as_str().unwrap().contains("--allow-restart"), "{}", read(&plan));
    rehearse(&[&audit[..], &["--allow-restart"]].concat()).expect(1);
    let actions = read(&plan)["actions"].as_array().unwrap().clone();
    for action in &actions {
        // These are the input, the state write, and the run of the price with its result.
        assert_eq!(
            action["do"],
            json!({"action": "restart", "candidate": 0, "from": 3, "commands": 3, "kill_first": true})
        );
        assert!(action["reason"].as_str().unwrap().contains("it is killed first"), "{action}");
    }
    rehearse(&["apply", plan_name, "--admin", &admin, "--yes"]).expect(0);
    for id in &ids {
        let of = format!("restarted_from = '{id}'");
        server.until("the new one completes", || {
            let new = rows(server, &of);
            assert_eq!(new.len(), 1);
            let new = new.values().next().unwrap();
            (new["completion_result"] == "success" && new["pinned_deployment_id"] == dp_renamed.as_str()).then_some(())
        });
    }
    // They have ended, so a second plan finds nothing to resume.
    rehearse(&["audit", &admin, "--deployment", &deployment]).expect(0);
}

fn repointed(server: &Server) {
    let (deployment, ids) = stuck(server, 2100..2110);
    let in_flight = send(server, "Order", "wait", 2100..2104, 0);
    server.until("they wait", || {
        (count(server, &format!("pinned_deployment_id = '{deployment}' and status = 'suspended'")) == 4).then_some(())
    });
    let (bad, good) = (serve(&Code::new(&["charge-v2"])), serve(&Code::new(&[])));
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let (admin, plan_name) = (server.url(), plan.to_str().unwrap());
    let refused = |candidate: &str| {
        rehearse(&["audit", &admin, "--against", candidate, "--deployment", &deployment, "--plan", plan_name]);
        rehearse(&["apply", plan_name, "--admin", &admin, "--yes", "--repoint", &deployment])
    };
    let run = refused(&bad).expect(1);
    assert!(run.stdout.contains("10 of the 14 invocations in flight on it would not replay"), "{}", run.stdout);
    assert!(ids.iter().all(|id| run.stdout.contains(id.as_str())), "each is named: {}", run.stdout);
    let run = refused(&good).expect(0);
    assert!(run.stdout.contains("all 14 in flight on it replay there"), "{}", run.stdout);
    for id in &ids {
        let done = format!("id = '{id}' and completion_result = 'success' and pinned_deployment_id = '{deployment}'");
        server.until("it completes where it was", || (count(server, &done) == 1).then_some(()));
    }
    for id in in_flight.values() {
        server.block_on(server.admin.patch(&["invocations", id, "kill"]).send()).unwrap();
    }
}

/// Between plan and apply, one was killed, one was cancelled, and one was moved by someone else.
fn overtaken(server: &Server) {
    let (deployment, ids) = stuck(server, 2200..2204);
    let fix = serve(&Code::new(&[]));
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let (admin, plan_name) = (server.url(), plan.to_str().unwrap());
    // The candidate is not registered yet.
    rehearse(&["audit", &admin, "--against", &fix, "--deployment", &deployment, "--plan", plan_name]).expect(0);
    let unregistered = rehearse(&["apply", plan_name, "--admin", &admin, "--yes"]).expect(2);
    assert!(unregistered.stderr.contains("--register"), "{}", unregistered.stderr);
    let elsewhere = server.register(&serve(&Code::new(&[])));
    for (id, act) in [(&ids[0], "kill"), (&ids[1], "cancel"), (&ids[2], "pause")] {
        let request = match act {
            // The admin API cancels under the same path as the other actions.
            "cancel" => server.admin.patch(&["invocations", id, "cancel"]),
            other => server.admin.patch(&["invocations", id, other]),
        };
        server.block_on(request.send()).unwrap();
    }
    server.until("it is paused", || {
        (count(server, &format!("id = '{}' and status = 'paused'", ids[2])) == 1).then_some(())
    });
    let resume = server.admin.patch(&["invocations", &ids[2], "resume"]).with("deployment", &elsewhere);
    server.block_on(resume.send()).unwrap();
    let run = rehearse(&["apply", plan_name, "--admin", &admin, "--yes", "--register", "-v"]).expect(0);
    let said = |id: &str| run.stdout.lines().find(|line| line.contains(id)).unwrap_or_default().to_owned();
    assert!(said(&ids[0]).starts_with("moved"), "{}", run.stdout);
    assert!(said(&ids[2]).starts_with("moved"), "{}", run.stdout);
    assert!(said(&ids[3]).starts_with("completed"), "{}", run.stdout);
    assert!(["completed", "moved"].iter().any(|outcome| said(&ids[1]).starts_with(outcome)), "{}", run.stdout);
    let registered: Vec<Value> = server.query(&format!("select id from sys_deployment where endpoint like '{fix}%'"));
    assert_eq!(registered.len(), 1, "--register registered it");

    // A new plan that replaces an old one has a log of its own. A plan that is half carried out is not replaced.
    let log = folder.path().join("plan.json.log");
    let half = "{\"at\":\"2026-11-24T22:00:57Z\",\"event\":\"will\",\"invocation\":\"inv_1\",\"act\":\"kill\"}\n";
    let whole = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{whole}{half}")).unwrap();
    let run = rehearse(&["audit", &admin, "--against", &fix, "--plan", plan_name]).expect(2);
    assert!(run.stderr.contains("half carried out"), "{}", run.stderr);
    std::fs::write(&log, whole).unwrap();

    // The log of another plan is refused, and so is a file that is not a plan.
    let other = folder.path().join("other.json");
    std::fs::write(&other, std::fs::read_to_string(&plan).unwrap().replace("\"resume\": 4", "\"resume\": 5")).unwrap();
    std::fs::copy(folder.path().join("plan.json.log"), folder.path().join("other.json.log")).unwrap();
    let run = rehearse(&["apply", other.to_str().unwrap(), "--admin", &admin, "--yes"]).expect(2);
    assert!(run.stderr.contains("the log of another plan"), "{}", run.stderr);
    std::fs::write(&other, "{\"schema_version\": 7}").unwrap();
    let run = rehearse(&["apply", other.to_str().unwrap(), "--admin", &admin, "--yes"]).expect(2);
    assert!(run.stderr.contains("schema version 7"), "{}", run.stderr);
    let evil = std::fs::read_to_string(&plan).unwrap().replace(&ids[3], "../deployments/dp_1");
    std::fs::write(&other, evil).unwrap();
    let run = rehearse(&["apply", other.to_str().unwrap(), "--admin", &admin, "--yes"]).expect(2);
    assert!(run.stderr.contains("not an invocation id"), "{}", run.stderr);
}

/// A candidate that replays everything but fails afterwards: `apply` stops at the first failure.
fn failing(server: &Server) {
    let (planned, admin) = (planned(server, 2300..2305, &["declined"]), server.url());
    let plan_name = planned.plan.to_str().unwrap();
    let apply = ["apply", plan_name, "--admin", &admin, "--yes", "--parallel", "1"];
    let run = rehearse(&apply).expect(1);
    assert!(run.stdout.contains("1 failed, 4 not begun"), "{}", run.stdout);
    assert!(run.stdout.contains("RT0007 at command 3 (charge): card 2300 declined"), "{}", run.stdout);
    let run = rehearse(&[&apply[..], &["--max-failures", "9"]].concat()).expect(1);
    assert!(run.stdout.contains("5 failed"), "{}", run.stdout);
}

/// Ctrl-C lets the actions under way end, leaves nothing paused, and the next run does the rest.
fn interrupted(server: &Server) {
    let (Planned { deployment, ids, plan, folder }, admin) = (planned(server, 2400..2460, &[]), server.url());
    let plan_name = plan.to_str().unwrap();
    let apply = ["apply", plan_name, "--admin", &admin, "--yes", "--parallel", "2"];
    let child = command(&apply).start();
    let log = folder.path().join("plan.json.log");
    server.until("some are done", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.matches("\"ended\"").count() > 3).then_some(())
    });
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("interrupted") && said.contains("not begun"), "{said}");
    let paused = format!("pinned_deployment_id = '{deployment}' and status = 'paused'");
    assert_eq!(count(server, &paused), 0, "nothing stays paused");
    rehearse(&apply).expect(0);
    for id in &ids {
        let done = format!("id = '{id}' and completion_result = 'success'");
        server.until("it completes", || (count(server, &done) == 1).then_some(()));
    }
}

/// The commands in the plan, run by Restate's own command line, do what `apply` does.
fn by_hand(server: &Server) {
    let Planned { ids, plan, folder, .. } = planned(server, 2500..2503, &[]);
    let plan = read(&plan);
    let lines = plan["actions"].as_array().unwrap().iter().flat_map(|action| action["cli"].as_array().unwrap());
    let script: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
    let programs = provisioning::restate_cli();
    let output = std::process::Command::new("sh")
        .args(["-ec", &script.join("\n")])
        .env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()))
        .env("RESTATE_ADMIN_URL", server.url())
        .env("RESTATE_CLI_CONFIG_HOME", folder.path())
        .env("DO_NOT_TRACK", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for id in &ids {
        let done = format!("id = '{id}' and completion_result = 'success'");
        server.until("it completes", || (count(server, &done) == 1).then_some(()));
    }
}
