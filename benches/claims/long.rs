//! (e) One long journal.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{EntryBuffer, InvocationInfo};
use rehearsal::report::Verdict;
use rehearsal::rules::Redaction;

use crate::generate::{Edit, Make};
use crate::machine;
use crate::timing::{Table, alternate, median, ratio};

/// Both sides of journals of one make, one behind the other.
struct Sides {
    recorded: EntryBuffer,
    replayed: EntryBuffer,
    ends: Vec<usize>,
}

impl Sides {
    fn new(make: Make, journals: u64) -> Self {
        let (mut recorded, mut replayed) = (EntryBuffer::default(), EntryBuffer::default());
        let mut ends = Vec::new();
        for number in 1..=journals {
            make.with(Edit::None).write(number, &mut recorded);
            make.write(number, &mut replayed);
            ends.push(recorded.len());
        }
        Self { recorded, replayed, ends }
    }

    /// Whether all replay, and how many findings there are.
    fn check(&self) -> (bool, usize) {
        let (mut compatible, mut findings, mut from) = (true, 0, 0);
        for to in &self.ends {
            let replays = [Replayed::Entries(self.replayed.view().range(from..*to))];
            let recorded = self.recorded.view().range(from..*to);
            let judgement = check_journal(recorded, &replays, &InvocationInfo::default(), Redaction::Shown);
            compatible &= judgement.verdict == Verdict::Compatible;
            findings += judgement.findings.len();
            from = *to;
        }
        (compatible, findings)
    }
}

pub fn run(table: &mut Table) {
    // Wake-up times differ, so that every entry is looked at and none is passed over as part of equal bytes.
    growth(table, "steps", Make::new(1_000, 64).with(Edit::Timing), Make::new(100_000, 64).with(Edit::Timing));
    let parallel = |commands| Make { parallel_runs: true, ..Make::new(commands, 64) };
    growth(table, "parallel runs", parallel(1_000), parallel(10_000));

    let sides = Sides::new(parallel(10_000), 1);
    let frames = machine::frames_of(sides.recorded.view());
    let operations = machine::operations_of(sides.replayed.view());
    let from = Instant::now();
    assert!(machine::replay_parallel(frames, operations));
    let theirs = from.elapsed();
    table.shown("(e) CoreVM on 10,000 parallel runs", theirs.as_secs_f64() * 1e3, " ms", String::new());

    let make = Make { edits: 1_000, ..Make::new(100_000, 64).with(Edit::Mismatch) };
    let sides = Sides::new(make, 1);
    let from = Instant::now();
    let (compatible, findings) = sides.check();
    let time = from.elapsed().as_secs_f64();
    assert!(!compatible);
    table.at_most("(e) 100,000 commands, 1,000 scattered edits", 2.0, time, " s", format!("{findings} findings"));
}

/// One long journal beside as many short ones as make up its commands: what differs is how long a journal is, and neither
/// how much memory is read nor how often the same is seen again.
fn growth(table: &mut Table, what: &str, small: Make, large: Make) {
    let journals = large.commands / small.commands;
    let (small_sides, large_sides) = (Sides::new(small, journals as u64), Sides::new(large, 1));
    let mut on_small = || {
        black_box(small_sides.check());
    };
    let mut on_large = || {
        black_box(large_sides.check());
    };
    let [small_times, large_times] = alternate(11, Duration::from_millis(20), [&mut on_small, &mut on_large]);
    let per_entry = |times: &[f64], sides: &Sides| -> Vec<f64> {
        times.iter().map(|time| time * 1e9 / sides.recorded.len() as f64).collect()
    };
    let (few, many) = (per_entry(&small_times, &small_sides), per_entry(&large_times, &large_sides));
    let name = format!("(e) {} commands beside {journals} times {}, {what}", large.commands, small.commands);
    let detail = format!("{:.1} ns an entry, {:.1}", median(many.clone()), median(few.clone()));
    table.at_most(name, 1.3, ratio(&many, &few), " times", detail);
}
