//! Figure (a): comparison in memory on one thread, next to `CoreVM` and next to one memcmp of the same bytes.

use std::hint::black_box;
use std::time::Duration;

use rehearsal::check::{Checked, check_journals};
use rehearsal::diff::{Stop, replay_entries};
use rehearsal::journal::InvocationInfo;
use rehearsal::report::Verdict;
use rehearsal::rules::Redaction;

use crate::corpus::Corpus;
use crate::generate::{Edit, Make};
use crate::machine;
use crate::timing::{Table, alternate, median, ratio};

/// Each side goes through the corpus for at least this long, many times over, so that reloading the caches after the
/// other side does not count.
const LEAST: Duration = Duration::from_millis(20);
const ROUNDS: usize = 21;

/// Number of journals by verdict.
type Verdicts = [usize; Verdict::ALL.len()];

/// About eight megabytes per side, which is more than the second-level cache holds, and at least three journals.
fn corpus(make: Make) -> Corpus {
    Corpus::new(make, (8_000_000 / (make.commands * (make.payload + 40))).clamp(3, 65_536))
}

/// Computes the verdict alone, which includes whether times differ.
fn replay(corpus: &Corpus) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for (recorded, replayed) in corpus.journals() {
        let lockstep = replay_entries(recorded, replayed).expect("generated");
        assert!(lockstep.timing_differs);
        let verdict = if lockstep.stop == Stop::Frontier { Verdict::Compatible } else { Verdict::Mismatch };
        verdicts[verdict as usize] += 1;
    }
    verdicts
}

/// Checks all journals in one call, as adjacent journals.
fn check(corpus: &Corpus) -> Verdicts {
    let info = InvocationInfo::default();
    let mut verdicts = Verdicts::default();
    let (recorded, replayed) = (corpus.recorded.view(), corpus.replayed.view());
    check_journals(recorded, replayed, &corpus.ends, &info, Redaction::Shown, |checked| match checked {
        Checked::Same(journals) => verdicts[Verdict::Compatible as usize] += journals.len(),
        Checked::Judged(_, judgement) => {
            verdicts[judgement.verdict as usize] += 1;
            black_box(judgement);
        }
    });
    verdicts
}

fn check_each(corpus: &Corpus) -> Verdicts {
    let mut verdicts = Verdicts::default();
    corpus.check_each(|judgement| {
        verdicts[judgement.verdict as usize] += 1;
        black_box(judgement);
    });
    verdicts
}

pub fn run(table: &mut Table) {
    for payload in [64, 1024, 64 << 10] {
        for commands in [5, 20, 200, 2000] {
            let make = Make::new(commands, payload);
            let size = if payload < 1 << 10 { format!("{payload} B") } else { format!("{} KiB", payload >> 10) };
            let name = |what: &str| format!("(a) {what}, {commands} commands, {size}");
            equal(table, make, &name);
            if payload < 64 << 10 {
                let asked = if payload == 64 { 45.0 } else { 12.0 };
                edited(table, make.with(Edit::Timing), &name("times differ"), Some(asked), replay);
                edited(table, make.with(Edit::Timing), &name("times differ, notes built"), None, check_each);
                let mismatch = make.with(Edit::Mismatch);
                edited(table, mismatch, &name("one mismatch each, findings built"), Some(2.0), check_each);
            }
        }
    }
}

fn equal(table: &mut Table, make: Make, name: &dyn Fn(&str) -> String) {
    let corpus = corpus(make);
    assert_eq!(check(&corpus), check_each(&corpus));
    assert_eq!(check(&corpus)[Verdict::Compatible as usize], corpus.ends.len());
    let per_entry = |seconds: &[f64]| median(seconds.to_vec()) * 1e9 / corpus.entries() as f64;
    let mut ours = || {
        black_box(check(&corpus));
    };
    let (recorded, replayed) = (corpus.recorded.view(), corpus.replayed.view());
    let mut limit = || {
        black_box(black_box(recorded).identical(black_box(&replayed)));
    };
    let [ours, limit] = alternate(ROUNDS, LEAST, [&mut ours, &mut limit]);
    let detail = format!("{:.2} ns an entry, memcmp {:.2}", per_entry(&ours), per_entry(&limit));
    let asked = if make.payload == 64 { 70.0 } else { 80.0 };
    table.at_least(name("of one memcmp"), asked, 100.0 * ratio(&limit, &ours), " %", detail);
    if make.payload == 64 << 10 {
        return;
    }
    let asked = if make.payload == 64 { 80.0 } else { 12.0 };
    edited(table, make, &name("sides equal"), Some(asked), check);
    edited(table, make, &name("sides equal, each journal by itself"), Some(asked), check_each);
}

fn edited(table: &mut Table, make: Make, name: &str, asked: Option<f64>, judge: fn(&Corpus) -> Verdicts) {
    let corpus = corpus(make);
    let journals: Vec<_> = corpus
        .journals()
        .map(|(recorded, replayed)| (machine::frames_of(recorded), machine::operations_of(replayed)))
        .collect();
    let replays_to_the_end = make.edit != Edit::Mismatch;
    let mut peer = || {
        for (frames, operations) in &journals {
            assert_eq!(machine::replay(frames.clone(), operations.iter().cloned()), replays_to_the_end);
        }
    };
    let verdict = if replays_to_the_end { Verdict::Compatible } else { Verdict::Mismatch };
    assert_eq!(judge(&corpus)[verdict as usize], corpus.ends.len());
    let mut check = || {
        black_box(judge(&corpus));
    };
    let [ours, theirs] = alternate(ROUNDS, LEAST, [&mut check, &mut peer]);
    let per_entry = |seconds: &[f64]| median(seconds.to_vec()) * 1e9 / corpus.entries() as f64;
    let detail = format!("{:.1} ns an entry, CoreVM {:.0}", per_entry(&ours), per_entry(&theirs));
    match asked {
        Some(asked) => table.at_least(name, asked, ratio(&theirs, &ours), " times", detail),
        None => table.shown(name, ratio(&theirs, &ours), " times", detail),
    }
}
