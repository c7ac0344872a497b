//! `apply` is killed at random moments: it does nothing twice and forgets nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal::admin::any_of;
use serde_json::json;

use super::counting_proxy::Proxy;
use super::shop::{Code, serve};
use super::{command, count, read, rehearse, rows, send};
use crate::quiet;
use crate::server::Server;

const KILLS: u64 = 20;

pub fn stage(server: &Server) {
    // The code has to change before the first of them wakes up.
    let quiet = quiet::alone();
    let code = Code::new(&["declined"]);
    let deployment = server.register(&serve(&code));
    let closing = send(server, "Bill", "close", 1000..1060, 5000);
    let declined = send(server, "Order", "process", 1000..1200, 0);
    let pinned = format!("pinned_deployment_id = '{deployment}'");
    let summed = format!(
        "select count(1) as n from sys_journal j join sys_invocation i on i.id = j.id where j.entry_type = 'Command: Sleep' and i.{pinned}"
    );
    server.until("all sums are made", || (server.query(&summed)[0]["n"] == 60).then_some(()));
    code.set(&["declined", "sum-v2"]);
    server.until("all are stuck", || {
        let failed = count(server, &format!("{pinned} and completion_failure like '[570%'"));
        let declined = count(server, &format!("{pinned} and last_failure is not null"));
        (failed == 60 && declined == 200).then_some(())
    });
    drop(quiet);
    let _others = quiet::beside_others();
    let fix = serve(&Code::new(&["sum-v2"]));
    server.register(&fix);

    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let plan_name = plan.to_str().unwrap();
    let arguments = ["audit", &server.url(), "--against", &fix, "--deployment", &deployment, "--plan", plan_name];
    rehearse(&[&arguments[..], &["--allow-restart", "--stuck-only"]].concat()).expect(1);
    assert_eq!(read(&plan)["summary"], json!({"resume": 200, "restart": 60, "leave": 0}));

    let proxy = Proxy::start(&server.url());
    let apply = ["apply", plan_name, "--admin", &proxy.url, "--yes", "--parallel", "3"];
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    for kill in 0..KILLS {
        let mut child = command(&apply)
            .with(|command| {
                command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            })
            .start();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A number of actions and not a time, so that `apply` is under way on fast machines and on slow ones.
        let enough = acts(&proxy) + (random >> 33) % 16;
        while acts(&proxy) < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis((random >> 40) % 50));
        assert!(child.try_wait().unwrap().is_none(), "it was done before it was killed {kill} times");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = rehearse(&apply).expect(0);
    let summed: u64 = last
        .stdout
        .lines()
        .last()
        .unwrap_or_default()
        .split(", ")
        .filter_map(|part| part.split(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(summed, 260, "{}", last.stdout);
    let completed = format!("completion_result = 'success' and {}", any_of("id", declined.values()));
    server.until("all complete", || (count(server, &completed) == 200).then_some(()));

    // The server was asked for each action, and did it, exactly once.
    let done: BTreeMap<String, usize> = proxy
        .answered()
        .into_iter()
        .map(|(path, statuses)| (path, statuses.iter().filter(|status| **status < 300).count()))
        .collect();
    let how_often = |id: &str, act: &str| done.get(&format!("/invocations/{id}/{act}")).copied().unwrap_or(0);
    for id in declined.values() {
        assert_eq!(how_often(id, "resume"), 1, "{id}");
        assert_eq!(how_often(id, "kill") + how_often(id, "restart-as-new"), 0, "{id}");
    }
    let new = any_of("restarted_from", closing.values());
    let restarted = rows(server, &new);
    for id in closing.values() {
        assert_eq!(how_often(id, "restart-as-new"), 1, "{id}");
        let children: Vec<_> = restarted.values().filter(|row| row["restarted_from"] == id.as_str()).collect();
        assert_eq!(children.len(), 1, "{children:?}");
    }
    server.until("what was started anew completes", || {
        (count(server, &format!("{new} and completion_result = 'success'")) == 60).then_some(())
    });
}

/// How often the server was asked to change an invocation.
fn acts(proxy: &Proxy) -> u64 {
    let answered = proxy.answered();
    answered
        .iter()
        .filter(|(path, _)| path.starts_with("/invocations/"))
        .map(|(_, statuses)| statuses.len() as u64)
        .sum()
}
