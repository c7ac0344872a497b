//! A generated file: journals as `rehearse` writes them, as the server sends them, or as rows of JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{LargeBinaryArray, LargeStringArray, RecordBatch, UInt32Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use rehearsal::journal::{EntryBuffer, InvocationId};
use rehearsal::source::arrow::{ArrowWriter, RowRef};

use crate::generate::{Edit, Make, Random};

/// A file that is written a few pages at a time, as `curl` writes a download (4 and 12 KiB in turn, according to
/// `strace`). The sizes of the writes decide in what pieces the page cache holds the file, which affects reading.
struct Download(BufWriter<File>);

const PAGES: usize = 8 << 10;

impl Download {
    fn to(path: &Path) -> Self {
        Self(BufWriter::with_capacity(PAGES, File::create(path).unwrap()))
    }
}

impl Write for Download {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = PAGES - self.0.buffer().len();
        self.0.write(&bytes[..bytes.len().min(if left == 0 { PAGES } else { left })])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Which journals a file holds.
#[derive(Clone, Copy)]
pub struct Content {
    pub journals: usize,
    pub payload: usize,
    /// The number of commands of a journal is one of these, at random.
    pub commands: &'static [usize],
    /// Whether one journal in a thousand has another value on this side.
    pub candidate: bool,
}

impl Content {
    fn write(&self, number: usize, out: &mut EntryBuffer) {
        out.clear();
        let commands = self.commands[Random::new(number as u64).below(self.commands.len())];
        let changed = self.candidate && number % 1000 == 7;
        let edit = if changed { Edit::Mismatch } else { Edit::None };
        Make::new(commands, self.payload).with(edit).write(number as u64, out);
    }

    /// Writes the recorded file and the candidate's.
    pub fn write_both(self, form: &str, paths: &[PathBuf; 2]) {
        for (path, candidate) in paths.iter().zip([false, true]) {
            let content = Self { candidate, ..self };
            match form {
                "sorted" => content.write_sorted(path),
                "server" => content.write_as_server(path),
                _ => content.write_json(path),
            }
            // Bytes that are still being written to disk would slow down the program under measurement.
            File::open(path).unwrap().sync_all().unwrap();
        }
    }

    /// Ids in the order of their bytes, in which servers store them, each with the number of its journal.
    fn ids(&self) -> Vec<(String, usize)> {
        let mut ids: Vec<(InvocationId, usize)> = (0..self.journals)
            .map(|number| {
                let mut random = Random::new(number as u64 ^ 0x1D5);
                let partition_key = random.next();
                let uuid = u128::from(random.next()) << 40 | u128::from(random.next() >> 32);
                (InvocationId::from_numbers(partition_key, uuid), number)
            })
            .collect();
        ids.sort_by_cached_key(|(id, _)| id.wire());
        ids.into_iter().map(|(id, number)| (id.to_string(), number)).collect()
    }

    /// Writes the rows sorted, in large batches.
    pub fn write_sorted(&self, path: &Path) {
        // `record` uses a buffer of this size, too.
        let file = BufWriter::with_capacity(256 << 10, File::create(path).unwrap());
        let mut writer = ArrowWriter::new(file).unwrap();
        let mut entries = EntryBuffer::default();
        for (id, number) in self.ids() {
            self.write(number, &mut entries);
            let entries = entries.view();
            for at in 0..entries.len() {
                let entry_type = entries.kind(at).entry_type();
                let row =
                    RowRef { id: &id, index: at as u32, entry_type: &entry_type, raw: entries.raw(at), version: 2 };
                writer.push(row, None).unwrap();
            }
        }
        writer.finish().unwrap().flush().unwrap();
    }

    /// Writes batches of 128 rows. Each partition sends its rows in the order of ids, and batches of different
    /// partitions are mixed. A partition sends some batches in a row, so about 3 % of the journals are split in two.
    pub fn write_as_server(&self, path: &Path) {
        const PARTITIONS: usize = 8;
        let mut writer = ServerWriter::new(path);
        let ids = self.ids();
        let mut partitions: Vec<Partition<'_>> =
            ids.chunks(ids.len().div_ceil(PARTITIONS)).map(|ids| Partition::new(self, ids)).collect();
        let mut random = Random::new(if self.candidate { 0x5E4D } else { 0x5E4E });
        while !partitions.is_empty() {
            let at = random.below(partitions.len());
            for _ in 0..4 + random.below(9) {
                partitions[at].fill(128);
                writer.batch(&mut partitions[at]);
            }
            if partitions[at].is_done() {
                partitions.remove(at);
            }
        }
        writer.writer.finish().unwrap();
    }

    pub fn write_json(&self, path: &Path) {
        let mut out = Download::to(path);
        let mut entries = EntryBuffer::default();
        for (id, number) in self.ids() {
            self.write(number, &mut entries);
            let entries = entries.view();
            for at in 0..entries.len() {
                let entry_type = entries.kind(at).entry_type();
                let raw = hex_simd::encode_to_string(entries.raw(at), hex_simd::AsciiCase::Lower);
                writeln!(out, r#"{{"id":"{id}","index":{at},"entry_type":"{entry_type}","raw":"{raw}","version":2}}"#)
                    .unwrap();
            }
        }
        out.flush().unwrap();
    }
}

/// The rows that one partition has still to send.
struct Partition<'a> {
    content: &'a Content,
    ids: std::slice::Iter<'a, (String, usize)>,
    id: &'a str,
    entries: EntryBuffer,
    next: usize,
    /// The columns id, index, entry type and raw.
    rows: Vec<(&'a str, u32, String, Vec<u8>)>,
}

impl<'a> Partition<'a> {
    fn new(content: &'a Content, ids: &'a [(String, usize)]) -> Self {
        Self { content, ids: ids.iter(), id: "", entries: EntryBuffer::default(), next: 0, rows: Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.ids.as_slice().is_empty() && self.next == self.entries.view().len()
    }

    fn fill(&mut self, rows: usize) {
        while self.rows.len() < rows {
            if self.next == self.entries.view().len() {
                let Some((id, number)) = self.ids.next() else { return };
                self.content.write(*number, &mut self.entries);
                (self.id, self.next) = (id, 0);
            }
            let (entries, at) = (self.entries.view(), self.next);
            self.rows.push((self.id, at as u32, entries.kind(at).entry_type(), entries.raw(at).to_vec()));
            self.next += 1;
        }
    }
}

struct ServerWriter {
    writer: StreamWriter<Download>,
    schema: Arc<Schema>,
}

impl ServerWriter {
    fn new(path: &Path) -> Self {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::LargeUtf8, false),
            Field::new("index", DataType::UInt32, false),
            Field::new("entry_type", DataType::LargeUtf8, false),
            Field::new("raw", DataType::LargeBinary, true),
            Field::new("version", DataType::UInt32, false),
        ]));
        Self { writer: StreamWriter::try_new(Download::to(path), &schema).unwrap(), schema }
    }

    fn batch(&mut self, partition: &mut Partition<'_>) {
        let rows = std::mem::take(&mut partition.rows);
        if rows.is_empty() {
            return;
        }
        let batch = RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                Arc::new(LargeStringArray::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
                Arc::new(LargeStringArray::from_iter_values(rows.iter().map(|row| &row.2))),
                Arc::new(LargeBinaryArray::from_iter_values(rows.iter().map(|row| &row.3))),
                Arc::new(UInt32Array::from_iter_values(rows.iter().map(|_| 2))),
            ],
        );
        self.writer.write(&batch.unwrap()).unwrap();
    }
}
