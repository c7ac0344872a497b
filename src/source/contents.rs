//! Side contents: all that was read of the inputs of one side, recorded or candidate.

use std::sync::Arc;

use super::arrow::{DecodedRow, FileIndex, IpcError, NormalizedRows, OpenedArrow, RowHead, Truncation, decode_file};
use super::json::{JsonItem, JsonRow, ListEnd, read_rows};
use super::problem::{Lost, Problem, SourceError};
use super::readable::Readable;
use super::spill::SpillPool;
use super::storage::{Storage, StorageReader};
use crate::journal::{EntryKind, InvocationInfo, Trace};

/// What files are read as. It matters only for the readable form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Recorded,
    Candidate,
}

/// A file whose rows have not been assembled into journals yet.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    pub index: FileIndex,
}

/// A candidate's steps, for an invocation or for a pattern of targets.
#[derive(Debug)]
pub struct NamedTrace {
    pub id: Option<String>,
    pub target: Option<String>,
    pub trace: Trace,
}

/// All that was read of the inputs of one side.
#[derive(Debug)]
pub struct SideContents {
    role: Role,
    /// Where rows go that cannot be read in place.
    pool: Arc<SpillPool>,
    pub files: Vec<SourceFile>,
    /// Rows that tell of an invocation, but have no entry.
    pub info: Vec<(String, InvocationInfo)>,
    pub traces: Vec<NamedTrace>,
    pub problems: Vec<Problem>,
}

impl SideContents {
    pub fn new(role: Role, pool: &Arc<SpillPool>) -> Self {
        let pool = Arc::clone(pool);
        Self { role, pool, files: Vec::new(), info: Vec::new(), traces: Vec::new(), problems: Vec::new() }
    }

    pub fn pool(&self) -> &Arc<SpillPool> {
        &self.pool
    }

    /// Takes an Arrow file, in place if it can be read in place.
    pub fn take_arrow(&mut self, name: &str, storage: Storage) -> Result<(), SourceError> {
        let failed = |error: IpcError| SourceError::Format { path: name.to_owned(), reason: error.to_string() };
        let index = match FileIndex::open(storage).map_err(failed)? {
            OpenedArrow::Indexed(index) => *index,
            OpenedArrow::OtherSchema(storage) => return self.take_other_schema(name, &storage),
        };
        if let Some(truncation) = &index.truncation {
            self.problems.push(Problem::truncated(name, index.rows(), index.last_id(), &truncation.to_string()));
        }
        self.files.push(SourceFile { name: name.to_owned(), index });
        Ok(())
    }

    fn take_other_schema(&mut self, name: &str, storage: &Storage) -> Result<(), SourceError> {
        let mut normalized = NormalizedRows::new(&self.pool);
        let mut last = None;
        let mut rows = 0;
        let decoded = decode_file(storage, |batch| {
            batch.each(|row, info| {
                rows += 1;
                match row {
                    Ok(DecodedRow::Entry(row)) => {
                        if last.as_deref() != Some(row.id) {
                            last = Some(row.id.to_owned());
                        }
                        let known = normalized.wants_info(row.id).then(info);
                        let taken = self.take_entry(row.head(), known, &mut normalized, |out| {
                            out.extend_from_slice(row.raw);
                            Ok(())
                        });
                        if let Err(reason) = taken {
                            self.problems.push(Problem::row(name, rows, Some(row.id.to_owned()), reason));
                        }
                    }
                    Ok(DecodedRow::Invocation(id)) => self.info.push((id.to_owned(), info())),
                    Err(bad) => self.problems.push(Problem::row(name, rows, bad.id.map(str::to_owned), bad.reason)),
                }
            })
        });
        let truncation = match decoded {
            Ok(truncation) => truncation,
            Err(error) if rows == 0 => {
                return Err(SourceError::Format { path: name.to_owned(), reason: error.to_string() });
            }
            Err(error) => Some(Truncation::Broken(error)),
        };
        if let Some(truncation) = truncation {
            self.problems.push(Problem::truncated(name, rows, last, &truncation.to_string()));
        }
        self.take_normalized(name, normalized)
    }

    /// Normalizes a row. What its file has no columns for is kept in `info`.
    fn take_entry(
        &mut self,
        row: RowHead<'_>,
        info: Option<InvocationInfo>,
        normalized: &mut NormalizedRows,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        let left = normalized.push(row, info, append)?;
        self.info.extend(left.map(|info| (row.id.to_owned(), info)));
        Ok(())
    }

    pub fn take_json(&mut self, name: &str, storage: &Storage) -> Result<(), SourceError> {
        let mut normalized = NormalizedRows::new(&self.pool);
        let before = self.problems.len();
        let mut taken = 0u64;
        let mut last = String::new();
        let mut torn_last = false;
        let mut first_bad = None;
        let end = read_rows(StorageReader::new(storage), |number, item| match item {
            JsonItem::Bad { reason, text } => {
                torn_last = true;
                first_bad.get_or_insert_with(|| reason.clone());
                let mut problem = Problem::row(name, number, find_id(text), format!("it is no JSON row: {reason}"));
                if text.windows(5).filter(|window| *window == b"\"id\":").count() > 1 {
                    problem.lost = Lost::Rows;
                }
                self.problems.push(problem);
            }
            JsonItem::Row(row, text) => {
                taken += 1;
                torn_last = false;
                if let Err(reason) = self.take_row(row, text, &mut normalized) {
                    self.problems.push(Problem::row(name, number, row.id.as_deref().map(str::to_owned), reason));
                }
                last.clear();
                last.push_str(row.id.as_deref().unwrap_or_default());
            }
        })
        .map_err(|source| SourceError::Io { path: name.to_owned(), source })?;
        if let (0, Some(reason)) = (taken, first_bad) {
            self.problems.truncate(before);
            return Err(SourceError::Foreign {
                path: name.to_owned(),
                reason: format!("it is neither Arrow IPC nor JSON rows ({reason})"),
            });
        }
        if end == ListEnd::Missing {
            match self.problems.last_mut() {
                // The row that was cut off says which journal it belongs to.
                Some(problem) if torn_last && problem.invocation.is_some() => problem.lost = Lost::Rows,
                _ => {
                    let last = Some(last).filter(|last| !last.is_empty());
                    self.problems.push(Problem::truncated(name, taken, last, &Truncation::CutOff.to_string()));
                }
            }
        }
        self.take_normalized(name, normalized)
    }

    fn take_row(&mut self, row: &JsonRow<'_>, text: &[u8], normalized: &mut NormalizedRows) -> Result<(), String> {
        if row.entries.is_some() {
            return self.take_readable(text, normalized);
        }
        let id = row.id.as_deref().ok_or("it has no id")?;
        let (Some(index), Some(entry_type)) = (row.index, row.entry_type.as_deref()) else {
            if row.index.is_none() && row.entry_type.is_none() && row.raw.is_none() {
                self.info.push((id.to_owned(), row.info()));
                return Ok(());
            }
            return Err(format!("it has no {}", if row.index.is_none() { "index" } else { "entry_type" }));
        };
        let raw = row.raw.as_ref().ok_or("it has no raw")?.as_bytes();
        let index = u32::try_from(index.0).map_err(|_| format!("index {} is too large", index.0))?;
        let version = row.version.map_or(2, |version| u32::try_from(version.0).unwrap_or(u32::MAX));
        // Journals of version 1 have other types. Those are refused later, by their version.
        if version > 1 && EntryKind::from_entry_type(entry_type).is_none() {
            return Err(format!("unknown entry type {entry_type:?}"));
        }
        if raw.len() % 2 == 1 {
            return Err(format!("raw has an odd number of hex digits ({})", raw.len()));
        }
        let info = (row.tells_of_invocation() && normalized.wants_info(id)).then(|| row.info());
        let head = RowHead { id, index, entry_type, version, raw_len: raw.len() / 2 };
        self.take_entry(head, info, normalized, |out| {
            hex_simd::decode_append(raw, out).map_err(|_| "raw is not hex".to_owned())
        })
    }

    fn take_readable(&mut self, text: &[u8], normalized: &mut NormalizedRows) -> Result<(), String> {
        let readable: Readable =
            serde_json::from_slice(text).map_err(|error| format!("it is not in the readable form: {error}"))?;
        readable.check()?;
        match self.role {
            Role::Candidate => {
                if readable.id.is_none() && readable.target.is_none() {
                    return Err("a trace needs an id or a target".to_owned());
                }
                let trace = readable.trace().map_err(|error| error.to_string())?;
                self.traces.push(NamedTrace { id: readable.id, target: readable.target, trace });
            }
            Role::Recorded => {
                let id = readable.id.clone().ok_or("a recorded journal needs an id")?;
                let info = readable.info();
                let entries = readable.entries().map_err(|error| error.to_string())?;
                let entries = entries.view();
                if entries.is_empty() {
                    return Err("it has no entries".to_owned());
                }
                for at in 0..entries.len() {
                    let entry_type = entries.kind(at).entry_type();
                    let raw = entries.raw(at);
                    let row =
                        RowHead { id: &id, index: at as u32, entry_type: &entry_type, version: 2, raw_len: raw.len() };
                    self.take_entry(row, Some(info.clone()).filter(|_| at == 0), normalized, |out| {
                        out.extend_from_slice(raw);
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    fn take_normalized(&mut self, name: &str, normalized: NormalizedRows) -> Result<(), SourceError> {
        let index = normalized.finish().map_err(|source| SourceError::Io { path: name.to_owned(), source })?;
        self.files.extend(index.map(|index| SourceFile { name: name.to_owned(), index }));
        Ok(())
    }
}

/// The id in a torn row, if the row goes so far.
fn find_id(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let after = text.split_once("\"id\"")?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (id, _) = after.split_once('"')?;
    Some(id.to_owned())
}
