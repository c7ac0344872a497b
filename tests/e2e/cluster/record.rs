//! A recording has every journal of a running cluster, whole, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restate_sdk::prelude::*;
use serde_json::{Value, json};

use super::faulty_proxy::{Fault, Proxy};
use crate::server::Server;
use crate::support::folders::{scratch, text};
use crate::support::runner::{Rehearse, Run, rehearse};
use crate::support::rust_services as services;

const HOSTILE: [&str; 6] =
    ["plain", "O'Brien", "'; drop table x; --", "a\nb\r\tc", "\u{1b}[31mred\u{7}", "\" 🙂 <script>\\ %41"];

/// Journals that grow step by step.
struct Grow;

#[object]
impl Grow {
    #[handler]
    async fn steps(&self, ctx: ObjectContext<'_>, steps: u64) -> HandlerResult<()> {
        for step in 0..steps {
            ctx.set("step", step);
            // Slow enough that a reader can reach the end of the journal.
            ctx.run(|| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            })
            .name("step")
            .await?;
        }
        ctx.awakeable::<String>().1.await?;
        Ok(())
    }
}

fn serve_grow() -> String {
    services::serve_endpoint(|| Endpoint::builder().bind(Grow).build())
}

/// Kind and bytes of each entry of each journal, as the server has them.
fn on_server(server: &Server, condition: &str) -> BTreeMap<String, Vec<(u64, String)>> {
    let rows = server.query(&format!("select id, index, entry_type, raw from sys_journal where {condition}"));
    let mut journals: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for row in rows {
        let entry = format!("{} {}", row["entry_type"].as_str().unwrap(), row["raw"].as_str().unwrap_or_default());
        journals
            .entry(row["id"].as_str().unwrap().to_owned())
            .or_default()
            .push((row["index"].as_u64().unwrap(), entry));
    }
    journals.values_mut().for_each(|entries| entries.sort());
    journals
}

/// The same of a recorded file, which arrow-rs reads here and not our own reader.
fn in_file(path: &Path) -> BTreeMap<String, Vec<(u64, String)>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::UInt32Type;
    let file = std::fs::File::open(path).unwrap();
    let mut journals: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for batch in arrow_ipc::reader::StreamReader::try_new_buffered(file, None).unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str, to: arrow_schema::DataType| {
            arrow_cast::cast(batch.column_by_name(name).unwrap(), &to).unwrap()
        };
        let (ids, types) =
            (column("id", arrow_schema::DataType::Utf8), column("entry_type", arrow_schema::DataType::Utf8));
        let raw = column("raw", arrow_schema::DataType::LargeBinary);
        let indexes = column("index", arrow_schema::DataType::UInt32);
        for row in 0..batch.num_rows() {
            let bytes = hex_simd::encode_to_string(raw.as_binary::<i64>().value(row), hex_simd::AsciiCase::Lower);
            let entry = format!("{} {bytes}", types.as_string::<i32>().value(row));
            let journal = journals.entry(ids.as_string::<i32>().value(row).to_owned()).or_default();
            journal.push((u64::from(indexes.as_primitive::<UInt32Type>().value(row)), entry));
        }
    }
    journals.values_mut().for_each(|entries| entries.sort());
    journals
}

/// Panics with the first few journals that differ.
fn assert_same(file: &Path, server: &Server) {
    let (recorded, there) = (in_file(file), on_server(server, "true"));
    let ids: std::collections::BTreeSet<_> = recorded.keys().chain(there.keys()).collect();
    let differing: Vec<String> = ids
        .into_iter()
        .filter(|id| recorded.get(*id) != there.get(*id))
        .map(|id| format!("{id}: {:?} is {:?}", recorded.get(id), there.get(id)))
        .collect();
    let some = differing.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {} journals differ:\n{some}", differing.len(), there.len());
}

fn record(url: &str, file: &Path, flags: &[&str]) -> Run {
    rehearse(&[&["record", url, "-o", text(file)], flags].concat())
}

fn start_record(url: &str, file: &Path, flags: &[&str]) -> Child {
    Rehearse::new([&["record", url, "-o", text(file)], flags].concat()).start()
}

/// Starts invocations, and waits until each is suspended at an awakeable.
fn fill(server: &Server, invocations: usize) {
    server.block_on(async {
        for at in 0..invocations {
            let key = format!("{}{}", HOSTILE[at % HOSTILE.len()], at / HOSTILE.len());
            server.sending(&["Order", &key, "process"], &json!({"item": "book", "qty": 2})).await.unwrap();
        }
    });
    server.until("all wait", || {
        let waiting = server.query("select count(1) as n from sys_invocation where status = 'suspended'");
        (waiting[0]["n"].as_u64() >= Some(invocations as u64)).then_some(())
    });
}

#[test]
fn a_recording_is_what_the_server_has() {
    let Some(server) = Server::start("cluster") else { return };
    server.register(&services::serve("base"));
    fill(&server, 60);
    let directory = scratch();
    let file = directory.path().join("all.arrow");
    let run = record(&server.url(), &file, &[]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert_same(&file, &server);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");

    // A check straight from the cluster gives the same report as one of the file, whatever the names.
    let flags = ["--against", &services::serve("qty"), "--format", "json", "--service", "Order", "--no-trace"];
    let from_file = rehearse(&[&["check", text(&file)], &flags[..]].concat());
    let from_cluster = rehearse(&[&["check", &server.url()], &flags[..]].concat());
    assert_eq!(from_file.status, 1, "{}", from_file.stderr);
    assert!(from_file.stdout == from_cluster.stdout, "the two differ");
    assert_eq!(from_file.json()["summary"]["mismatch"], 60);
    let base = rehearse(&["check", &server.url(), "--against", &services::serve("base"), "--format", "json"]);
    assert_eq!(base.status, 0, "{}", base.stderr);
    let traced = rehearse(&["trace", &server.url(), "--against", &services::serve("base"), "--limit", "3"]);
    assert_eq!((traced.status, traced.stdout.lines().count()), (0, 3), "{}", traced.stderr);

    for key in HOSTILE {
        let sql = format!("target_service_key = '{}0'", key.replace('\'', "''"));
        let shown = rehearse(&["show", &server.url(), "--where", &sql, "--format", "json"]);
        assert_eq!((shown.status, shown.stdout.lines().count()), (0, 1), "{key:?}: {}", shown.stderr);
        let journal: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(journal["target"], format!("Order/{key}0/process"));
    }
    let shown = rehearse(&["show", &server.url(), "--service", "Order"]);
    assert!(!shown.stdout.contains('\u{1b}') && !shown.stdout.contains('\u{7}'), "{:?}", shown.stdout);

    // Each flag is a condition of the query, and its value is quoted.
    let count = |flags: &[&str]| {
        let run = rehearse(&[&["show", &server.url(), "--format", "json"], flags].concat());
        assert!(run.status == 0 || run.stdout.is_empty(), "{flags:?}: {}", run.stderr);
        run.stdout.lines().count()
    };
    let dp = server.query("select id from sys_deployment")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        count(&["--service", "Order", "--deployment", &dp, "--handler", "process", "--status", "suspended"]),
        60
    );
    for (flag, value) in [
        ("--service", "Order' or '1'='1"),
        ("--handler", "process') or (1=1"),
        ("--status", "x'; select 1; --"),
        ("--deployment", "dp_'\n"),
        ("--invocation", "inv_nope"),
        ("--invocation", "' or 1=1 --"),
    ] {
        assert_eq!(count(&[flag, value]), 0, "{flag} {value}");
    }
    assert_eq!(count(&["--service", "Order", "--service", "Stock", "--limit", "7"]), 7);
    assert_eq!(count(&["--where", "target_service_name = 'Order' -- all of them"]), 60);
    let refused = rehearse(&["show", &server.url(), "--where", "nope = 1"]);
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("refuses the query") && refused.stderr.contains("No field named nope"),
        "{}",
        refused.stderr
    );
    let files = rehearse(&["show", text(&file), "--where", "1 = 1"]);
    assert_eq!(files.status, 2);
    assert!(files.stderr.contains("--where is for a cluster"), "{}", files.stderr);
}

/// A recording that is killed at any moment leaves no file that looks whole, and the next run continues it.
#[test]
fn a_killed_recording_is_gone_on_with() {
    let Some(server) = Server::start("cluster") else { return };
    server.register(&services::serve("base"));
    fill(&server, 120);
    let directory = scratch();
    let file = directory.path().join("all.arrow");
    let once = directory.path().join("once.arrow");
    assert_eq!(record(&server.url(), &once, &[]).status, 0);
    let slow = Proxy::start(&server.url(), |_| Fault::Slow(256));
    let answered = || slow.answered.load(Ordering::Relaxed);
    let flags = ["--query-rows", "100", "--query-pause", "5", "-v"];
    let before = answered();
    assert_eq!(record(&slow.url, &directory.path().join("slow.arrow"), &flags).status, 0);
    let whole = answered() - before;
    let (mut killed, mut resumed) = (0, 0);
    let mut seed = 20_261_124u64;
    let state = directory.path().join("all.arrow.part.json");
    while killed < 20 || !state.exists() {
        let before = answered();
        let mut child = start_record(&slow.url, &file, &flags);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let until = before + (seed >> 33) % whole;
        while answered() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            assert_same(&file, &server);
            std::fs::remove_file(&file).unwrap();
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        assert!(!file.exists(), "it looks whole");
        let part = directory.path().join("all.arrow.part");
        if part.metadata().is_ok_and(|part| part.len() > 0) {
            let run = rehearse(&["check", text(&part), "--against", text(&once)]);
            assert_ne!(run.status, 0, "a part passes for the whole: {}", run.stderr);
            resumed += 1;
        }
    }
    assert!(resumed > 3, "only {resumed} of them had begun to write");
    let other = record(&slow.url, &file, &["--service", "Order"]);
    assert!(other.status == 2 && other.stderr.contains("unfinished recording"), "{}", other.stderr);
    let before = answered();
    let run = record(&slow.url, &file, &flags);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("were there from before"), "{}", run.stderr);
    let again = answered() - before;
    assert!(again < whole, "{again} of {whole} bytes were read again");
    assert_same(&file, &server);
    assert_eq!(rehearse(&["check", text(&file), "--against", text(&once)]).status, 0);
}

/// An interrupted recording says that the same command continues it, and that is so.
#[test]
fn an_interrupted_recording_says_how_to_go_on() {
    let Some(server) = Server::start("cluster") else { return };
    server.register(&services::serve("base"));
    fill(&server, 50);
    let directory = scratch();
    let slow = Proxy::start(&server.url(), |_| Fault::Slow(128));
    let before = on_server(&server, "true");
    for name in ["INT", "TERM"] {
        let file = directory.path().join(name);
        let child = start_record(&slow.url, &file, &["--query-rows", "100", "--query-pause", "5"]);
        let part = directory.path().join(format!("{name}.part.json"));
        server.until("some of it is recorded", || part.exists().then_some(()));
        let kill = format!("kill -{name} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("the same command goes on from here"), "{said}");
        assert!(!file.exists(), "it looks whole");
        assert_eq!(record(&slow.url, &file, &[]).status, 0);
        assert_eq!(in_file(&file), before);
    }
}

/// The server restarts during a recording.
#[test]
fn a_server_that_restarts_is_waited_for() {
    let Some(mut server) = Server::start("cluster") else { return };
    server.register(&services::serve("base"));
    fill(&server, 200);
    let before = on_server(&server, "true");
    let directory = scratch();
    let file = directory.path().join("all.arrow");
    let slow = Proxy::start(&server.url(), |_| Fault::Slow(32));
    let mut child = start_record(&slow.url, &file, &["--query-rows", "100", "--query-pause", "50"]);
    let part = directory.path().join("all.arrow.part.json");
    server.until("some of it is recorded", || part.exists().then_some(()));
    server.kill();
    assert!(child.try_wait().unwrap().is_none(), "it ended before the server did");
    server.restart();
    assert!(child.wait().unwrap().success());
    assert_eq!(in_file(&file), before);
}

/// A journal that grows while it is read is read again; one that never stops growing is inconclusive and not judged.
#[test]
fn a_growing_journal_is_never_half_read() {
    let Some(server) = Server::start("cluster").map(Arc::new) else { return };
    server.register(&serve_grow());
    for at in 0..20 {
        server.send(&["Grow", &format!("short-{at}"), "steps"], &json!(at * 3));
    }
    server.send(&["Grow", "endless", "steps"], &json!(100_000));
    // The endless journal grows by an entry before each piece of a request reaches the server.
    let growing = Arc::new(AtomicBool::new(false));
    // The proxy outlives the test, but the server must not.
    let (grows, upstream) = (Arc::clone(&growing), Arc::downgrade(&server));
    let proxy = Proxy::start_with(
        &server.url(),
        |_| Fault::None,
        move || {
            let size = || {
                let sql = "select journal_size from sys_invocation_status where target_service_key = 'endless'";
                upstream.upgrade().map_or(0, |server| server.query(sql)[0]["journal_size"].as_u64().unwrap())
            };
            let answered_so_far = size();
            while grows.load(Ordering::Relaxed) && size() <= answered_so_far {
                std::thread::sleep(Duration::from_millis(5));
            }
        },
    );
    let directory = scratch();
    for grows in [false, true] {
        growing.store(grows, Ordering::Relaxed);
        let file = directory.path().join(format!("{grows}.arrow"));
        let run = record(&proxy.url, &file, &[]);
        let mut kept_growing = false;
        let recorded = in_file(&file);
        let later = on_server(&server, "true");
        for (id, entries) in &recorded {
            let (last, whole) = entries.split_last().unwrap();
            let incomplete = last.1.starts_with("Incomplete: it kept growing");
            let whole = if incomplete { whole } else { &entries[..] };
            assert_eq!(whole, &later[id][..whole.len()], "{id} while it grows: {grows}");
            kept_growing |= incomplete;
            assert!(!incomplete || run.status == 3 && run.stderr.contains("hold still"), "{}", run.stderr);
        }
        let checked = rehearse(&["check", text(&file), "--against", text(&file), "--format", "json"]);
        let (verdicts, reasons) = checked
            .verdicts()
            .into_iter()
            .map(|(_, verdict, reason)| (verdict, reason))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        assert!(verdicts.iter().all(|verdict| verdict == "compatible" || verdict == "inconclusive"), "{verdicts:?}");
        assert!(reasons.iter().all(|reason| reason.is_empty() || reason.contains("kept growing")), "{reasons:?}");
        assert!(kept_growing || !grows, "nothing grew while it was read: {}", run.stderr);
    }
}
