//! Bad input, broken in every way a file can be: a message names file, row and invocation, one bad journal leaves the
//! others checked, the exit status is the contract's, and nothing panics or hangs.

mod arrow;
#[cfg(unix)]
mod inputs;
mod rows;

use crate::support::handmade::small_journals;
use crate::support::runner::Run;

/// Asserts that the sound journals of a file are compatible, and that each broken one says what is wrong.
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

/// Six journals as lines, with the second row of the second journal replaced.
fn with_line(line: &str) -> String {
    let rows = small_journals(1..=6);
    rows.iter().enumerate().map(|(at, row)| if at == 5 { format!("{line}\n") } else { row.json() + "\n" }).collect()
}

impl Run {
    /// The run as one text, without the path of the temporary folder.
    #[cfg(unix)]
    fn transcript(&self, folder: &std::path::Path) -> String {
        let text = format!("{}--- stderr ---\n{}--- exit status {} ---", self.stdout, self.stderr, self.status);
        text.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), ".")
    }
}
