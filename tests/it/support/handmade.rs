//! Journals made by hand: rows, the messages in them, and files of rows as JSON lines and as Arrow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, LargeBinaryArray, LargeStringArray, RecordBatch, UInt32Array};
use arrow_schema::{Field, Schema};
use rehearsal::journal::InvocationId;

use super::folders::{root, text};
use super::runner::{Run, rehearse};

/// Runs `check` on two files; the report is one JSON document.
pub fn check(recorded: &Path, candidate: &Path) -> Run {
    rehearse(&["check", text(recorded), "--against", text(candidate), "--format", "json"])
}

pub fn fixtures() -> PathBuf {
    root().join("fixtures")
}

/// A row of `sys_journal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub index: u32,
    pub entry_type: String,
    pub raw: Vec<u8>,
    pub version: u32,
}

impl Row {
    pub fn new(id: &str, index: u32, entry_type: &str, raw: Vec<u8>) -> Self {
        Self { id: id.to_owned(), index, entry_type: entry_type.to_owned(), raw, version: 2 }
    }

    pub fn json(&self) -> String {
        let raw = hex_simd::encode_to_string(&self.raw, hex_simd::AsciiCase::Lower);
        let head = serde_json::json!({
            "id": self.id, "index": self.index, "entry_type": self.entry_type, "version": self.version,
        });
        // Put together by hand, because a payload may be 64 MiB long.
        let head = head.to_string();
        [&head[..head.len() - 1], ",\"raw\":\"", &raw, "\"}"].concat()
    }
}

pub fn lines(rows: &[Row]) -> String {
    rows.iter().map(|row| row.json() + "\n").collect()
}

/// The rows of a file of JSON lines.
pub fn rows_of(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let string = |name: &str| row[name].as_str().unwrap().to_owned();
            Row {
                id: string("id"),
                index: row["index"].as_u64().unwrap() as u32,
                entry_type: string("entry_type"),
                raw: hex_simd::decode_to_vec(string("raw")).unwrap(),
                version: row["version"].as_u64().unwrap() as u32,
            }
        })
        .collect()
}

/// An id in Restate's form.
pub fn id(number: u64) -> String {
    InvocationId::from_numbers(number << 32, number.into()).as_str().to_owned()
}

/// A length-delimited protobuf field.
pub fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(bytes.len() + 8);
    prost::encoding::encode_varint(u64::from(tag << 3 | 2), &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend_from_slice(bytes);
    field
}

pub fn input(payload: &[u8]) -> Vec<u8> {
    field(14, &field(1, payload))
}

pub fn set_state(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(3, &field(1, value))].concat()
}

pub fn run(name: &[u8], completion: u8) -> Vec<u8> {
    [vec![11 << 3, completion], field(12, name)].concat()
}

pub fn call(service: &[u8], handler: &[u8], key: &[u8], parameter: &[u8]) -> Vec<u8> {
    [field(1, service), field(2, handler), field(3, parameter), field(5, key)].concat()
}

/// Input, two state writes, a run.
pub fn small_journal(id: &str) -> Vec<Row> {
    vec![
        Row::new(id, 0, "Command: Input", input(b"{\"amount\":10}")),
        Row::new(id, 1, "Command: SetState", set_state(b"cart", b"{\"qty\":2}")),
        Row::new(id, 2, "Command: SetState", set_state(b"total", b"20")),
        Row::new(id, 3, "Command: Run", run(b"price", 1)),
    ]
}

/// The journals with these numbers, as rows.
pub fn small_journals(numbers: impl IntoIterator<Item = u64>) -> Vec<Row> {
    numbers.into_iter().flat_map(|number| small_journal(&id(number))).collect()
}

/// Rows as an Arrow batch of plain columns.
pub fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(LargeStringArray::from_iter_values(rows.iter().map(|row| &row.id)))),
        ("index", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.index)))),
        ("entry_type", Arc::new(LargeStringArray::from_iter_values(rows.iter().map(|row| &row.entry_type)))),
        ("raw", Arc::new(LargeBinaryArray::from_iter_values(rows.iter().map(|row| &row.raw)))),
        ("version", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.version)))),
    ];
    of_columns(columns)
}

pub fn of_columns(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Batches as an Arrow stream.
pub fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    stream_with(batches, arrow_ipc::writer::IpcWriteOptions::default())
}

pub fn stream_with(batches: &[RecordBatch], options: arrow_ipc::writer::IpcWriteOptions) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}
