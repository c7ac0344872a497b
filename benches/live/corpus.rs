//! A corpus: one recorded journal under many ids.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rehearsal::journal::{InvocationId, Journal};
use rehearsal::replay::{Attempt, Sdk, Tripwire};
use rehearsal::source::arrow::{ArrowWriter, RowRef};
use rehearsal::source::{Input, Journals, open};

pub struct Corpus {
    pub journals: Vec<Journal>,
    folder: tempfile::TempDir,
}

impl Corpus {
    /// A corpus of `count` copies of the journal of a scenario.
    pub fn of(fixtures: &str, scenario: &str, count: usize) -> Self {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixtures).join(scenario).join("recorded.jsonl");
        let (corpus, _, ids) = open(&[Input::Path(recorded)], &[]).unwrap();
        let (_, _, journal) = Journals::new(&corpus, &ids).next().unwrap();
        let journal = journal.unwrap();
        let journals = (0..count as u64).map(|number| {
            let partition_key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1;
            Journal {
                id: InvocationId::from_numbers(partition_key, u128::from(number) << 64 | 0xF1),
                ..journal.clone()
            }
        });
        let corpus = Self { journals: journals.collect(), folder: tempfile::tempdir().unwrap() };
        corpus.write();
        corpus
    }

    /// Number of recorded commands of each journal.
    pub fn commands(&self) -> usize {
        self.journals[0].entries.view().command_count()
    }

    /// Writes the corpus to an Arrow file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("journals.arrow")
    }

    /// The body of the request for the first journal.
    pub fn body_file(&self) -> PathBuf {
        self.folder.path().join("body")
    }

    fn write(&self) {
        let mut writer = ArrowWriter::with_info(BufWriter::new(File::create(self.file()).unwrap())).unwrap();
        for journal in &self.journals {
            let (entries, info) = (journal.entries.view(), journal.info.columns());
            for at in 0..entries.len() {
                let (id, entry_type) = (journal.id.as_str(), entries.kind(at).entry_type());
                let row = RowRef { id, index: at as u32, entry_type: &entry_type, raw: entries.raw(at), version: 2 };
                writer.push(row, Some(info.each_ref().map(String::as_str))).unwrap();
            }
        }
        writer.finish().unwrap().flush().unwrap();
        std::fs::write(self.body_file(), body(&self.journals[0])).unwrap();
    }
}

/// The body of the first request that `rehearse` sends for a journal.
pub fn body(journal: &Journal) -> Vec<u8> {
    tripwire(journal).request()
}

pub fn tripwire(journal: &Journal) -> Tripwire<'_> {
    Tripwire::new(journal.entries.view(), Attempt::at(journal).unwrap(), None, Sdk::TypeScript)
}
