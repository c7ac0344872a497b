//! Figure (f): the time from spawn to exit of the real binary, on a few journals.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::files::Content;
use crate::process::Files;
use crate::timing::{Table, median};

const ROUNDS: usize = 41;

pub fn run(table: &mut Table) {
    let files = Files::new();
    let paths = [files.path("recorded"), files.path("candidate")];
    Content { journals: 10, payload: 64, commands: &[5, 10, 20], candidate: true }.write_both("sorted", &paths);
    let (mut checks, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [recorded, candidate] = paths.each_ref().map(|path| path.to_str().unwrap());
        checks.push(milliseconds(&["check", recorded, "--against", candidate], 1));
        nothing.push(milliseconds(&["--version"], 0));
    }
    let detail = format!("the same binary printing its version: {:.1} ms", median(nothing));
    table.at_most("(f) rehearse check of 10 journals, from cold", 10.0, median(checks), " ms", detail);
}

/// The time from spawn to exit, in milliseconds.
fn milliseconds(arguments: &[&str], status: i32) -> f64 {
    let from = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    let ended = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(ended.code(), Some(status));
    from.elapsed().as_secs_f64() * 1e3
}
