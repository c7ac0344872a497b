//! What the tests of hard input share: running the binary, and journals made by hand.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod many;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, LargeBinaryArray, LargeStringArray, RecordBatch, UInt32Array};
use arrow_schema::{Field, Schema};
use rehearsal::journal::InvocationId;

/// The binary that `REHEARSE_RELEASED` names, as it is released (`.ci/run` builds it), else the one that is tested.
pub fn binary() -> PathBuf {
    let released = std::env::var_os("REHEARSE_RELEASED").map(PathBuf::from);
    released.unwrap_or_else(|| env!("CARGO_BIN_EXE_rehearse").into())
}

/// How one run of the binary ended.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The run as one text, with the temporary directory out of it.
    pub fn transcript(&self, directory: &Path) -> String {
        let text = format!("{}--- stderr ---\n{}--- exit status {} ---", self.stdout, self.stderr, self.status);
        text.replace(&format!("{}/", directory.display()), "").replace(&directory.display().to_string(), ".")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// By id: verdict and reason.
    pub fn verdicts(&self) -> Vec<(String, String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let json = self.json();
        let invocations = json["invocations"].as_array().unwrap().iter();
        invocations.map(|one| (text(&one["id"]), text(&one["verdict"]), text(&one["reason"]))).collect()
    }
}

/// A run may not take longer than this: nothing may wait for input that never comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn rehearse(arguments: &[&str]) -> Run {
    rehearse_with(arguments, b"")
}

pub fn rehearse_with(arguments: &[&str], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // Whoever does not want it does not read it.
        let _ = input.write_all(&stdin);
    });
    let reading = |stream: Box<dyn Read + Send>| {
        let mut stream = stream;
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).expect("output is UTF-8")
        })
    };
    let stdout = reading(Box::new(child.stdout.take().unwrap()));
    let stderr = reading(Box::new(child.stderr.take().unwrap()));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                let _ = child.kill();
                panic!("rehearse {} hangs", arguments.join(" "));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    writer.join().unwrap();
    let run = Run {
        status: status.code().unwrap_or_else(|| panic!("rehearse {} ended with {status}", arguments.join(" "))),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    };
    assert!(!run.stderr.contains("panicked"), "rehearse {}: {}", arguments.join(" "), run.stderr);
    run
}

/// `check`, as one JSON document.
pub fn check(recorded: &Path, candidate: &Path) -> Run {
    rehearse(&["check", text(recorded), "--against", text(candidate), "--format", "json"])
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A directory that goes away with its test.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
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
        // Put together by hand: a payload may have 64 MiB.
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
