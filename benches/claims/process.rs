//! Figure (b): the time of whole processes, from Arrow files to verdicts, and their memory for figure (d).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rehearsal::check::{Options, check};
use rehearsal::report::{Report, Verdict};
use rehearsal::source::{Input, open};

use crate::files::Content;
use crate::timing::{Table, median, ratio};
use crate::{peer, scale};

const COMMANDS: &[usize] = &[5, 10, 20, 40];

/// A directory for generated files, which is deleted when it is dropped.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("rehearse-bench").tempdir_in(std::env::temp_dir()).unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

pub fn run(table: &mut Table) {
    for (payload, size, journals, sorted, server) in
        [(64, "64 B", 60_000, 25.0, 8.0), (1024, "1 KiB", 20_000, 10.0, 8.0), (64 << 10, "64 KiB", 600, 4.0, 4.0)]
    {
        let journals = journals * scale();
        for (form, asked) in [("sorted", sorted), ("server", server)] {
            let files = Files::new();
            let paths = [files.path("recorded"), files.path("candidate")];
            let content = Content { journals, payload, commands: COMMANDS, candidate: false };
            content.write_both(form, &paths);
            beside_peer(table, &format!("(b) {}, {size}", described(form)), asked, &paths);
        }
    }
}

fn described(form: &str) -> &str {
    if form == "sorted" { "sorted, large batches" } else { "as the server sends" }
}

/// Writes the files of one form, and keeps them.
pub fn write(form: &str, payload: usize, journals: usize, directory: &Path) {
    let content = Content { journals, payload, commands: COMMANDS, candidate: false };
    content.write_both(form, &[directory.join("recorded"), directory.join("candidate")]);
}

fn beside_peer(table: &mut Table, name: &str, asked: f64, paths: &[PathBuf; 2]) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut peak = [0, 0];
    // The first round warms the page cache.
    for round in 0..8 {
        let (time, mine) = child("check", paths);
        let (their_time, other) = child("peer", paths);
        assert_eq!(mine[..2], other[..2], "compatible and mismatch counts");
        if round > 0 {
            ours.push(time.as_secs_f64());
            theirs.push(their_time.as_secs_f64());
        }
        peak = [mine[2], other[2]];
    }
    let detail = format!(
        "{:.0} ms and {} MiB, peer {:.0} ms and {} MiB",
        median(ours.clone()) * 1e3,
        peak[0] >> 10,
        median(theirs.clone()) * 1e3,
        peak[1] >> 10
    );
    table.at_least(name, asked, ratio(&theirs, &ours), " times", detail);
}

/// Runs this program again as a checker. Returns the time from start to exit and the numbers that it printed:
/// compatible journals, mismatches, and peak memory in KiB.
pub fn child(mode: &str, paths: &[PathBuf; 2]) -> (Duration, Vec<u64>) {
    let from = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap()).arg(mode).args(paths).output().unwrap();
    let time = from.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers = String::from_utf8(output.stdout).unwrap();
    (time, numbers.split_whitespace().map(|number| number.parse().unwrap()).collect())
}

/// The work of the child process.
pub fn be_child(mode: &str, recorded: &Path, candidate: &Path) {
    let (compatible, mismatch) = match mode {
        "peer" => peer::check(recorded, candidate),
        _ => checked(recorded, candidate),
    };
    println!("{compatible} {mismatch} {}", peak_kib());
}

/// Checks two files, and returns how many journals are compatible and how many are not.
pub fn checked(recorded: &Path, candidate: &Path) -> (u64, u64) {
    let (recorded, candidate, ids) =
        open(&[Input::Path(recorded.to_owned())], &[Input::Path(candidate.to_owned())]).unwrap();
    let mut report = Report::default();
    check(&recorded, &candidate, &ids, &Options::default(), |invocation| {
        report.add(&invocation);
        true
    });
    (report.summary.of(Verdict::Compatible), report.summary.of(Verdict::Mismatch))
}

/// The peak memory of this process in KiB, which Linux calls `VmHWM`.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
