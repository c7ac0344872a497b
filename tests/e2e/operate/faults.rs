//! An admin API that refuses, is slow or cuts answers off, and a server that restarts, cause a clear error or a delay, and
//! no wrong verdict.

use std::time::Duration;

use serde_json::Value;

use super::counting_proxy::Proxy;
use super::shop::{Code, serve};
use super::{count, read, rehearse, send};
use crate::server::Server;

pub fn stage(server: &mut Server) {
    let deployment = server.register(&serve(&Code::new(&["declined"])));
    let ids = send(server, "Order", "process", 3000..3150, 0);
    let failing = format!("pinned_deployment_id = '{deployment}' and last_failure is not null");
    server.until("all are stuck", || (count(server, &failing) == 150).then_some(()));
    let fix = serve(&Code::new(&[]));
    server.register(&fix);
    let proxy = Proxy::start(&server.url());
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let plan_name = plan.to_str().unwrap();
    let audit = || {
        let arguments = ["audit", &proxy.url, "--against", &fix, "--deployment", &deployment, "--plan", plan_name];
        rehearse(&[&arguments[..], &["--format", "json"]].concat())
    };
    let found = |report: &Value| {
        let verdicts: Vec<Value> =
            report["invocations"].as_array().unwrap().iter().map(|one| one["verdicts"].clone()).collect();
        (report["summary"].clone(), report["causes"][0]["id"].clone(), verdicts)
    };

    proxy.refuse(true);
    let refused = audit().expect(2);
    assert!(refused.stderr.contains("error: "), "{}", refused.stderr);
    proxy.refuse(false);
    let whole = found(&audit().expect(0).json());
    assert_eq!(whole.0["would_resume"], 150);

    proxy.delay(Duration::from_millis(150));
    assert_eq!(found(&audit().expect(0).json()), whole, "a slow server says the same");
    proxy.delay(Duration::ZERO);

    proxy.cut_after(20_000);
    let cut = std::thread::scope(|scope| {
        let running = scope.spawn(audit);
        std::thread::sleep(Duration::from_secs(2));
        proxy.cut_after(0);
        running.join().unwrap()
    });
    assert_eq!(found(&cut.expect(0).json()), whole, "what was cut off is asked for again");

    // The server stays away: the error comes in time, and no plan is written.
    std::fs::remove_file(&plan).unwrap();
    let impatient = || {
        let arguments = ["audit", &proxy.url, "--against", &fix, "--plan", plan_name];
        rehearse(&[&arguments[..], &["--retry-for", "1", "--admin-timeout", "2"]].concat())
    };
    proxy.cut_after(20_000);
    let run = impatient().expect(2);
    assert!(run.stderr.contains("cut off") && run.stdout.is_empty(), "{}", run.stderr);
    proxy.cut_after(0);
    proxy.delay(Duration::from_secs(30));
    let run = impatient().expect(2);
    assert!(run.stderr.contains("nothing comes from the server for 2 s"), "{}", run.stderr);
    proxy.delay(Duration::ZERO);
    assert!(!plan.exists(), "no plan without an audit");

    // The server restarts during an audit, which the proxy slows down.
    proxy.delay(Duration::from_millis(200));
    let restarted = std::thread::scope(|scope| {
        let running = scope.spawn(audit);
        std::thread::sleep(Duration::from_millis(900));
        server.restart();
        proxy.delay(Duration::ZERO);
        running.join().unwrap()
    });
    assert_eq!(found(&restarted.expect(0).json()), whole, "a server that restarts loses nothing that is durable");
    assert_eq!(read(&plan)["summary"]["resume"], 150);

    // The server restarts while a plan is applied.
    let url = proxy.url.clone();
    let applied = std::thread::scope(|scope| {
        let running = scope.spawn(|| rehearse(&["apply", plan_name, "--admin", &url, "--yes", "--parallel", "2"]));
        std::thread::sleep(Duration::from_secs(2));
        server.restart();
        running.join().unwrap()
    });
    assert!(applied.status == 0, "{}\n{}", applied.stdout, applied.stderr);
    for id in ids.values() {
        let done = format!("id = '{id}' and completion_result = 'success'");
        server.until("it completes", || (count(server, &done) == 1).then_some(()));
        let resumes = proxy.answered().remove(&format!("/invocations/{id}/resume")).unwrap_or_default();
        assert_eq!(resumes.iter().filter(|status| **status < 300).count(), 1, "{id}: {resumes:?}");
    }
}
