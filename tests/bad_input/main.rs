//! Bad input: every file that can be broken is broken here. A message names file, row and invocation; one bad journal
//! leaves the others checked; the exit status is the contract's; nothing panics or waits for ever.

mod arrow;
#[path = "../common/mod.rs"]
mod common;
mod inputs;
mod rows;

use common::*;

/// A run in which some journals of a file are broken: the sound ones are compatible, the others say why not.
#[track_caller]
fn assert_some_inconclusive(run: &Run, compatible: usize, inconclusive: &[(&str, &[&str])]) {
    let verdicts = run.verdicts();
    let sound = verdicts.iter().filter(|(_, verdict, _)| verdict == "compatible").count();
    assert_eq!(sound, compatible, "{verdicts:#?}\n{}", run.stderr);
    assert_eq!(verdicts.len(), compatible + inconclusive.len(), "{verdicts:#?}\n{}", run.stderr);
    for (id, says) in inconclusive {
        let Some((_, verdict, reason)) = verdicts.iter().find(|(own, ..)| own == id) else {
            panic!("{id} is missing: {verdicts:#?}")
        };
        assert_eq!(verdict, "inconclusive", "{id}");
        for part in *says {
            assert!(reason.contains(part), "{id}: {reason:?} does not say {part:?}");
        }
    }
    assert_eq!(run.status, if inconclusive.is_empty() { 0 } else { 3 }, "{}", run.stderr);
}

// --- Arrow ---

/// Six journals as lines, the second's second row replaced.
fn with_line(line: &str) -> String {
    let rows = small_journals(1..=6);
    rows.iter().enumerate().map(|(at, row)| if at == 5 { format!("{line}\n") } else { row.json() + "\n" }).collect()
}
