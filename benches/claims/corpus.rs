//! A corpus: generated journals of one make, adjacent in one buffer per side.

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{Entries, EntryBuffer, InvocationInfo};
use rehearsal::report::Judgement;
use rehearsal::rules::Redaction;

use crate::generate::{Edit, Make};

pub struct Corpus {
    pub recorded: EntryBuffer,
    pub replayed: EntryBuffer,
    /// The index after the last entry of each journal, the same on both sides.
    pub ends: Vec<usize>,
}

impl Corpus {
    pub fn new(make: Make, journals: usize) -> Self {
        let mut corpus = Self { recorded: EntryBuffer::default(), replayed: EntryBuffer::default(), ends: Vec::new() };
        for number in 0..journals as u64 {
            make.with(Edit::None).write(number, &mut corpus.recorded);
            make.write(number, &mut corpus.replayed);
            corpus.ends.push(corpus.recorded.len());
        }
        corpus
    }

    pub fn entries(&self) -> usize {
        self.recorded.len()
    }

    /// Both sides of each journal.
    pub fn journals(&self) -> impl Iterator<Item = (Entries<'_>, Entries<'_>)> {
        let (recorded, replayed) = (self.recorded.view(), self.replayed.view());
        let from = std::iter::once(&0).chain(&self.ends);
        from.zip(&self.ends).map(move |(from, to)| (recorded.range(*from..*to), replayed.range(*from..*to)))
    }

    /// Checks the journals one after the other, each by itself.
    pub fn check_each(&self, mut sink: impl FnMut(Judgement)) {
        let info = InvocationInfo::default();
        for (recorded, replayed) in self.journals() {
            sink(check_journal(recorded, &[Replayed::Entries(replayed)], &info, Redaction::Shown));
        }
    }
}
