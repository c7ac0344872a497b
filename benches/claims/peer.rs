//! The peer of (b): the obvious program, made of arrow-rs's StreamReader, a map from ids to rows, `CoreVM` and rayon.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use prost::bytes::Bytes;
use rayon::prelude::*;
use rehearsal::journal::EntryKind;

use crate::machine::{Operation, frames, replay};

/// Checks two Arrow files, and returns how many journals are compatible and how many are not.
pub fn check(recorded: &Path, candidate: &Path) -> (u64, u64) {
    let (recorded, candidate) = rayon::join(|| Side::read(recorded), || Side::read(candidate));
    let mut ids: Vec<&str> = recorded.journals.keys().map(String::as_str).collect();
    ids.par_sort_unstable();
    let verdicts: Vec<bool> = ids
        .into_par_iter()
        .map(|id| {
            let rows = recorded.rows(id);
            let bytes = rows.iter().map(|row| recorded.raw(*row).len()).sum();
            let frames = frames(rows.len(), bytes, rows.iter().map(|row| (recorded.kind(*row), recorded.raw(*row))));
            let operations = candidate.rows(id).into_iter().filter_map(|row| match candidate.kind(row) {
                EntryKind::Command(kind) => Operation::decode(kind, Bytes::copy_from_slice(candidate.raw(row))),
                EntryKind::Notification(_) => None,
            });
            replay(frames, operations)
        })
        .collect();
    let compatible = verdicts.iter().filter(|compatible| **compatible).count() as u64;
    (compatible, verdicts.len() as u64 - compatible)
}

/// The batches of a file, and the rows of each journal.
struct Side {
    batches: Vec<Columns>,
    journals: HashMap<String, Vec<(u32, u32, u32)>>,
}

struct Columns {
    entry_type: ArrayRef,
    raw: ArrayRef,
}

impl Side {
    fn read(path: &Path) -> Self {
        let mut side = Self { batches: Vec::new(), journals: HashMap::new() };
        let reader = StreamReader::try_new(BufReader::new(File::open(path).unwrap()), None).unwrap();
        for batch in reader {
            side.take(&batch.unwrap());
        }
        side
    }

    fn take(&mut self, batch: &RecordBatch) {
        let column = |name: &str, to: DataType| cast(batch.column_by_name(name).unwrap(), &to).unwrap();
        let ids = column("id", DataType::LargeUtf8);
        let ids = ids.as_string::<i64>();
        let indexes = column("index", DataType::UInt32);
        let indexes = indexes.as_primitive::<UInt32Type>();
        let number = self.batches.len() as u32;
        let mut row = 0;
        while row < ids.len() {
            let id = ids.value(row);
            // Consecutive rows of one journal need only one look-up.
            let rows = match self.journals.get_mut(id) {
                Some(rows) => rows,
                None => self.journals.entry(id.to_owned()).or_default(),
            };
            while row < ids.len() && ids.value(row) == id {
                rows.push((indexes.value(row), number, row as u32));
                row += 1;
            }
        }
        self.batches.push(Columns {
            entry_type: column("entry_type", DataType::LargeUtf8),
            raw: column("raw", DataType::LargeBinary),
        });
    }

    fn rows(&self, id: &str) -> Vec<(u32, u32, u32)> {
        let mut rows = self.journals.get(id).cloned().unwrap_or_default();
        rows.sort_unstable();
        rows
    }

    fn kind(&self, (_, batch, row): (u32, u32, u32)) -> EntryKind {
        let text = self.batches[batch as usize].entry_type.as_string::<i64>().value(row as usize);
        EntryKind::from_entry_type(text).unwrap()
    }

    fn raw(&self, (_, batch, row): (u32, u32, u32)) -> &[u8] {
        self.batches[batch as usize].raw.as_binary::<i64>().value(row as usize)
    }
}
