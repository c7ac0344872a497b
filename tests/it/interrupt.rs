//! Ctrl-C, sent to the real program, ends it at once, and the report has what was done until then.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::runner::Rehearse;
use crate::support::stand_in::{Request, StandIn, journals, manifest, replayed};

fn start(arguments: &[&str]) -> Child {
    Rehearse::new(arguments).start()
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Exit status, standard output and standard error of a program that ends within seconds.
fn end(child: Child) -> (Option<i32>, String, String) {
    let started = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Answers this many attempts, and then no more.
fn hangs_after(attempts: usize) -> StandIn {
    StandIn::new(manifest(), move |request, stream| {
        if request.before < attempts {
            replayed(stream);
        } else {
            std::thread::sleep(Duration::from_secs(60));
        }
    })
}

#[test]
fn a_live_check() {
    for name in ["INT", "TERM"] {
        let (file, ids) = journals(50);
        // Chosen by id, because of three requests under way the first one may arrive last.
        let answered = ids[..5].to_vec();
        let stand_in = StandIn::new(manifest(), move |request, stream| {
            if answered.iter().any(|id| request.is_of(id)) {
                replayed(stream);
            } else {
                std::thread::sleep(Duration::from_secs(60));
            }
        });
        let against = ["--against", &stand_in.url(), "--http1.1", "--timeout", "60", "--concurrency", "3"];
        let child = start(&[&["check", file.path().to_str().unwrap(), "--format", "json"], &against[..]].concat());
        wait_until("it hangs", || stand_in.attempts() == 8);
        signal(&child, name);
        let (status, printed, said) = end(child);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("interrupted; what was done until then is reported"), "{said}");
        let report: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(report["summary"]["compatible"], 5, "{report}");
        assert_eq!(report["invocations"][0]["id"].as_str(), Some(&*ids[0]));
        assert!(report["gate"]["reasons"].to_string().contains("it was interrupted"), "{report}");
    }
}

/// Invocations that were done before an earlier one that hangs are reported as well.
#[test]
fn a_live_check_with_one_that_hangs() {
    let (file, ids) = journals(30);
    let first = ids[0].clone();
    let stand_in = StandIn::new(manifest(), move |request, stream| {
        if request.is_of(&first) { std::thread::sleep(Duration::from_secs(60)) } else { replayed(stream) }
    });
    let against = ["--against", &stand_in.url(), "--http1.1", "--timeout", "60", "--concurrency", "2"];
    let child = start(&[&["check", file.path().to_str().unwrap(), "--format", "jsonl"], &against[..]].concat());
    wait_until("all others are answered", || stand_in.attempts() == 30);
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "INT");
    let (status, printed, _) = end(child);
    assert_eq!((status, printed.lines().count()), (Some(2), 29), "{printed}");
}

#[test]
fn discovery() {
    let hangs = |_: &Request, _: &mut std::net::TcpStream| std::thread::sleep(Duration::from_secs(60));
    let stand_in = StandIn::of_both(hangs, |_, _| {}, "127.0.0.1:0".parse().unwrap());
    let (file, _) = journals(1);
    let child = start(&["check", file.path().to_str().unwrap(), "--against", &stand_in.url(), "--http1.1"]);
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "INT");
    let (status, _, said) = end(child);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("interrupted"), "{said}");
}

#[test]
fn tracing() {
    // Each takes three attempts: the verdict and two traces.
    let stand_in = hangs_after(3 * 3);
    let (file, _) = journals(50);
    let against = ["--against", &stand_in.url(), "--http1.1", "--timeout", "60", "--concurrency", "1"];
    let child = start(&[&["trace", file.path().to_str().unwrap()], &against[..]].concat());
    wait_until("it hangs", || stand_in.attempts() == 10);
    signal(&child, "INT");
    let (status, printed, said) = end(child);
    assert_eq!(status, Some(2), "{said}");
    assert_eq!(printed.lines().count(), 3, "{printed}");
}

/// An offline check whose output nobody reads, so that it still runs when the signal arrives.
#[cfg(target_os = "linux")]
fn stuck_offline_check(file: &tempfile::NamedTempFile) -> Child {
    let path = file.path().to_str().unwrap();
    let child = start(&["check", path, "--against", path, "--format", "jsonl"]);
    let stat = format!("/proc/{}/stat", child.id());
    let mut busy = (String::new(), Instant::now());
    wait_until("the pipe is full", || {
        // The program is blocked when its processor time stands still.
        let stat = std::fs::read_to_string(&stat).unwrap();
        let used = stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2).collect::<String>();
        if used != busy.0 {
            busy = (used, Instant::now());
        }
        busy.1.elapsed() > Duration::from_secs(1)
    });
    child
}

#[test]
#[cfg(target_os = "linux")]
fn an_offline_check() {
    let (file, ids) = journals(1000);
    let child = stuck_offline_check(&file);
    signal(&child, "INT");
    let (status, printed, said) = end(child);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("interrupted; what was done until then is reported"), "{said}");
    // The report is cut off between two invocations.
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((10..ids.len()).contains(&lines.len()), "{}", lines.len());
    assert_eq!(lines[9]["id"].as_str(), Some(&*ids[9]));
}

#[test]
#[cfg(target_os = "linux")]
fn the_second_time_it_ends_at_once() {
    let (file, _) = journals(1000);
    let mut child = stuck_offline_check(&file);
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "INT");
    wait_until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut printed = Vec::new();
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut printed).unwrap();
    assert!(!printed.is_empty());
}
