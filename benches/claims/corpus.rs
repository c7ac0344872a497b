//! Journals of one make, one behind the other in two buffers.

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{Entries, EntryBuffer, InvocationInfo};
use rehearsal::report::Judgement;
use rehearsal::rules::Redaction;

use crate::generate::{Edit, Make};

pub struct Corpus {
    pub recorded: EntryBuffer,
    pub replayed: EntryBuffer,
    /// Where each journal ends, on both sides.
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

    /// Both sides of each.
    pub fn journals(&self) -> impl Iterator<Item = (Entries<'_>, Entries<'_>)> {
        let (recorded, replayed) = (self.recorded.view(), self.replayed.view());
        let from = std::iter::once(&0).chain(&self.ends);
        from.zip(&self.ends).map(move |(from, to)| (recorded.range(*from..*to), replayed.range(*from..*to)))
    }

    /// One after the other, each by itself.
    pub fn check_each(&self, mut sink: impl FnMut(Judgement)) {
        let info = InvocationInfo::default();
        for (recorded, replayed) in self.journals() {
            sink(check_journal(recorded, &[Replayed::Entries(replayed)], &info, Redaction::Shown));
        }
    }
}
