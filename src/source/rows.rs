//! Rows that are not read in place, one by one: of unusual Arrow, of JSON, of journals in the readable form.

use super::arrow::{Converted, Cut, RowHead, Spool, Store, StoreReader, convert};
use super::input::{Files, NamedTrace, Role, SourceFile};
use super::json::{End, Item, Row, Text, read_rows};
use super::problem::{Lost, Problem, SourceError};
use super::readable::Readable;
use crate::journal::{EntryKind, InvocationInfo};

impl Files {
    pub(super) fn take_unusual(&mut self, name: &str, store: &Store) -> Result<(), SourceError> {
        let mut spool = Spool::new(&self.room);
        let mut last = None;
        let mut rows = 0;
        let converted = convert(store, |row, info| {
            rows += 1;
            match row {
                Ok(Converted::Entry(row)) => {
                    last = Some(row.id.to_owned());
                    let known = spool.wants_info(row.id).then(|| info.clone());
                    let head =
                        RowHead { id: row.id, index: row.index, entry_type: row.entry_type, version: row.version };
                    let taken = self.take_entry(head, known, &mut spool, |out| {
                        out.extend_from_slice(row.raw);
                        Ok(())
                    });
                    if let Err(reason) = taken {
                        self.problems.push(Problem::row(name, rows, Some(row.id.to_owned()), reason));
                    }
                }
                Ok(Converted::Invocation(id)) => self.info.push((id.to_owned(), info.clone())),
                Err(bad) => self.problems.push(Problem::row(name, rows, bad.id.map(str::to_owned), bad.reason)),
            }
        });
        let cut = match converted {
            Ok(cut) => cut,
            Err(error) if rows == 0 => {
                return Err(SourceError::Format { path: name.to_owned(), reason: error.to_string() });
            }
            Err(error) => Some(Cut::Broken(error)),
        };
        if let Some(cut) = cut {
            self.problems.push(Problem::cut(name, rows, last, &cut.to_string()));
        }
        self.take_spool(name, spool)
    }

    /// A row on its way into the spool. Only a few rows tell of their invocation there, so what comes late is kept here.
    fn take_entry(
        &mut self,
        row: RowHead<'_>,
        info: Option<InvocationInfo>,
        spool: &mut Spool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.info.extend(spool.push(row, info, write)?);
        Ok(())
    }

    pub(super) fn take_json(&mut self, name: &str, store: &Store, role: Role) -> Result<(), SourceError> {
        let mut spool = Spool::new(&self.room);
        let before = self.problems.len();
        let mut taken = 0u64;
        let mut last = String::new();
        let mut torn_last = false;
        let mut first_bad = None;
        let end = read_rows(StoreReader::new(store, 0), |number, item| match item {
            Item::Bad { reason, text } => {
                torn_last = true;
                first_bad.get_or_insert_with(|| reason.clone());
                let mut problem = Problem::row(name, number, find_id(text), format!("it is no JSON row: {reason}"));
                if text.windows(5).filter(|window| *window == b"\"id\":").count() > 1 {
                    problem.lost = Lost::Rows;
                }
                self.problems.push(problem);
            }
            Item::Row(row, text) => {
                taken += 1;
                torn_last = false;
                if let Err(reason) = self.take_row(row, text, role, &mut spool) {
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
        if end == End::Missing {
            match self.problems.last_mut() {
                // The row that was cut through says whose it is.
                Some(problem) if torn_last && problem.invocation.is_some() => problem.lost = Lost::Rows,
                _ => {
                    let last = Some(last).filter(|last| !last.is_empty());
                    self.problems.push(Problem::cut(name, taken, last, &Cut::Off.to_string()));
                }
            }
        }
        self.take_spool(name, spool)
    }

    fn take_row(&mut self, row: &Row<'_>, text: &[u8], role: Role, spool: &mut Spool) -> Result<(), String> {
        if row.entries.is_some() {
            return self.take_readable(text, role, spool);
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
        // Journals of version 1 have other types; they are refused by their version.
        if version > 1 && EntryKind::from_entry_type(entry_type).is_none() {
            return Err(format!("unknown entry type {entry_type:?}"));
        }
        if raw.len() % 2 == 1 {
            return Err(format!("raw has an odd number of hex digits ({})", raw.len()));
        }
        let info = (row.tells_of_invocation() && spool.wants_info(id)).then(|| row.info());
        self.take_entry(RowHead { id, index, entry_type, version }, info, spool, |out| {
            hex_simd::decode_append(raw, out).map_err(|_| "raw is not hex".to_owned())
        })
    }

    fn take_readable(&mut self, text: &[u8], role: Role, spool: &mut Spool) -> Result<(), String> {
        let readable: Readable =
            serde_json::from_slice(text).map_err(|error| format!("it is not in the readable form: {error}"))?;
        readable.check()?;
        match role {
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
                    let row = RowHead { id: &id, index: at as u32, entry_type: &entry_type, version: 2 };
                    self.take_entry(row, Some(info.clone()).filter(|_| at == 0), spool, |out| {
                        out.extend_from_slice(entries.raw(at));
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    fn take_spool(&mut self, name: &str, spool: Spool) -> Result<(), SourceError> {
        let segment = spool.finish().map_err(|source| SourceError::Io { path: name.to_owned(), source })?;
        self.files.extend(segment.map(|segment| SourceFile { name: name.to_owned(), segment }));
        Ok(())
    }
}

impl Row<'_> {
    /// Whether there is a column of the invocation's.
    fn tells_of_invocation(&self) -> bool {
        self.target.is_some()
            || self.target_service_name.is_some()
            || self.target_service_key.is_some()
            || self.target_handler_name.is_some()
            || self.target_service_ty.is_some()
            || self.pinned_deployment_id.is_some()
            || self.status.is_some()
            || self.pinned_service_protocol_version.is_some()
            || self.created_at.is_some()
    }

    fn info(&self) -> InvocationInfo {
        let text = |text: &Option<Text<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        InvocationInfo {
            target: text(&self.target),
            service: text(&self.target_service_name),
            key: text(&self.target_service_key),
            handler: text(&self.target_handler_name),
            service_type: text(&self.target_service_ty),
            deployment: text(&self.pinned_deployment_id),
            status: text(&self.status),
            protocol_version: self
                .pinned_service_protocol_version
                .and_then(|version| u32::try_from(version.0).ok())
                .filter(|version| *version != 0),
            created_at: text(&self.created_at),
        }
    }
}

/// The id in a torn row, as far as it can be made out.
fn find_id(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let after = text.split_once("\"id\"")?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (id, _) = after.split_once('"')?;
    Some(id.to_owned())
}
