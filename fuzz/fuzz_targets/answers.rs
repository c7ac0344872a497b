//! A fuzz target that uses its input as a candidate's answers to a replay and to a trace.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rehearsal::journal::Journal;

#[path = "../answers.rs"]
#[allow(dead_code, reason = "tests/it/fuzz.rs also writes input")]
mod answers;

static JOURNALS: LazyLock<Vec<Journal>> =
    LazyLock::new(|| answers::journals(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")));

fuzz_target!(|bytes: &[u8]| answers::answer(&JOURNALS, bytes));
