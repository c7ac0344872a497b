//! (a) Comparison in memory, one thread, beside `CoreVM` and beside one memcmp of the same bytes.

use std::hint::black_box;
use std::time::Duration;

use rehearsal::check::{Checked, check_journal, check_journals};
use rehearsal::diff::{Replayed, Stop, replay_entries};
use rehearsal::journal::{EntryBuffer, InvocationInfo};
use rehearsal::report::Verdict;
use rehearsal::rules::Redaction;

use crate::generate::{Edit, Make};
use crate::machine;
use crate::timing::{Table, alternate, median, ratio};

/// Many rounds through a corpus: what the other side drove out of the caches is brought once.
const LEAST: Duration = Duration::from_millis(20);
const ROUNDS: usize = 21;

/// Journals of one make, one after the other in two buffers.
struct Corpus {
    recorded: EntryBuffer,
    replayed: EntryBuffer,
    /// Where each journal ends, on both sides.
    ends: Vec<usize>,
}

impl Corpus {
    fn new(make: Make) -> Self {
        // About eight megabytes a side: beyond the second-level cache, and a few journals at least.
        let journals = (8_000_000 / (make.commands * (make.payload + 40))).clamp(3, 65_536);
        let mut corpus = Self { recorded: EntryBuffer::default(), replayed: EntryBuffer::default(), ends: Vec::new() };
        for number in 0..journals as u64 {
            make.with(Edit::None).write(number, &mut corpus.recorded);
            make.write(number, &mut corpus.replayed);
            corpus.ends.push(corpus.recorded.view().len());
        }
        corpus
    }

    fn entries(&self) -> usize {
        self.recorded.view().len()
    }

    /// The verdict alone, which knows whether times differ.
    fn replay(&self) -> [usize; Verdict::ALL.len()] {
        let mut verdicts = [0; Verdict::ALL.len()];
        let (recorded, replayed) = (self.recorded.view(), self.replayed.view());
        let mut from = 0;
        for to in &self.ends {
            let lockstep = replay_entries(recorded.range(from..*to), replayed.range(from..*to)).expect("generated");
            assert!(lockstep.timing_differs);
            let verdict = if lockstep.stop == Stop::Frontier { Verdict::Compatible } else { Verdict::Mismatch };
            verdicts[verdict as usize] += 1;
            from = *to;
        }
        verdicts
    }

    /// All of them in one go, as they lie next to each other.
    fn check(&self) -> [usize; Verdict::ALL.len()] {
        let info = InvocationInfo::default();
        let mut verdicts = [0; Verdict::ALL.len()];
        let (recorded, replayed) = (self.recorded.view(), self.replayed.view());
        check_journals(recorded, replayed, &self.ends, &info, Redaction::Shown, |checked| match checked {
            Checked::Same(journals) => verdicts[Verdict::Compatible as usize] += journals.len(),
            Checked::Judged(_, judgement) => {
                verdicts[judgement.verdict as usize] += 1;
                black_box(judgement);
            }
        });
        verdicts
    }

    /// One after the other, each by itself.
    fn check_each(&self) -> [usize; Verdict::ALL.len()] {
        let info = InvocationInfo::default();
        let mut verdicts = [0; Verdict::ALL.len()];
        let (recorded, replayed) = (self.recorded.view(), self.replayed.view());
        let mut from = 0;
        for to in &self.ends {
            let replays = [Replayed::Entries(replayed.range(from..*to))];
            let judgement = check_journal(recorded.range(from..*to), &replays, &info, Redaction::Shown);
            verdicts[judgement.verdict as usize] += 1;
            black_box(judgement);
            from = *to;
        }
        verdicts
    }
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
                edited(table, make.with(Edit::Timing), &name("times differ"), Some(asked), Corpus::replay);
                edited(table, make.with(Edit::Timing), &name("times differ, notes built"), None, Corpus::check_each);
                let mismatch = make.with(Edit::Mismatch);
                edited(table, mismatch, &name("one mismatch each, findings built"), Some(2.0), Corpus::check_each);
            }
        }
    }
}

fn equal(table: &mut Table, make: Make, name: &dyn Fn(&str) -> String) {
    let corpus = Corpus::new(make);
    assert_eq!(corpus.check(), corpus.check_each());
    assert_eq!(corpus.check()[Verdict::Compatible as usize], corpus.ends.len());
    let per_entry = |seconds: &[f64]| median(seconds.to_vec()) * 1e9 / corpus.entries() as f64;
    let mut check = || {
        black_box(corpus.check());
    };
    let (recorded, replayed) = (corpus.recorded.view(), corpus.replayed.view());
    let mut limit = || {
        black_box(black_box(recorded).identical(black_box(&replayed)));
    };
    let [ours, limit] = alternate(ROUNDS, LEAST, [&mut check, &mut limit]);
    let detail = format!("{:.2} ns an entry, memcmp {:.2}", per_entry(&ours), per_entry(&limit));
    let asked = if make.payload == 64 { 70.0 } else { 80.0 };
    table.at_least(name("of one memcmp"), asked, 100.0 * ratio(&limit, &ours), " %", detail);
    if make.payload == 64 << 10 {
        return;
    }
    let asked = if make.payload == 64 { 80.0 } else { 12.0 };
    edited(table, make, &name("sides equal"), Some(asked), Corpus::check);
    edited(table, make, &name("sides equal, each journal by itself"), Some(asked), Corpus::check_each);
}

fn edited(
    table: &mut Table,
    make: Make,
    name: &str,
    asked: Option<f64>,
    judge: fn(&Corpus) -> [usize; Verdict::ALL.len()],
) {
    let corpus = Corpus::new(make);
    let mut from = 0;
    let journals: Vec<_> = corpus
        .ends
        .iter()
        .map(|to| {
            let range = std::mem::replace(&mut from, *to)..*to;
            let recorded = machine::frames_of(corpus.recorded.view().range(range.clone()));
            (recorded, machine::operations_of(corpus.replayed.view().range(range)))
        })
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
