//! Batches of any other layout (compressed, views, dictionaries of binaries), through arrow-rs into rows.

use std::io::{Read, Seek, SeekFrom};

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType};

use super::layout::INFO_COLUMNS;
use super::segment::{Scratch, Store};
use super::write::RowRef;
use crate::journal::InvocationInfo;

/// Gives every row to `sink`. Stops at the first error: an unusual file that is broken gives what came before.
pub fn convert(store: &Store, mut sink: impl FnMut(RowRef<'_>, &InvocationInfo)) -> Result<(), ArrowError> {
    let mut head = Scratch::default();
    store.read(0, store.size().min(6) as usize, &mut head)?;
    let at = At { store, at: 0 };
    if &head[..] == b"ARROW1" {
        for batch in FileReader::try_new(at, None)? {
            convert_batch(&batch?, &mut sink)?;
        }
    } else {
        for batch in StreamReader::try_new(at, None)? {
            convert_batch(&batch?, &mut sink)?;
        }
    }
    Ok(())
}

fn convert_batch(batch: &RecordBatch, sink: &mut impl FnMut(RowRef<'_>, &InvocationInfo)) -> Result<(), ArrowError> {
    let column = |name: &str, to: DataType| -> Result<Option<ArrayRef>, ArrowError> {
        batch.column_by_name(name).map(|column| cast(column, &to)).transpose()
    };
    let ids =
        column("id", DataType::LargeUtf8)?.ok_or_else(|| ArrowError::SchemaError("it has no column id".to_owned()))?;
    let indexes = column("index", DataType::UInt64)?;
    let types = column("entry_type", DataType::LargeUtf8)?;
    let raws = column("raw", DataType::LargeBinary)?;
    let versions = column("version", DataType::UInt32)?;
    let mut info = Vec::new();
    for name in INFO_COLUMNS {
        info.push(column(name, DataType::LargeUtf8)?);
    }
    for row in 0..batch.num_rows() {
        let text = |column: &Option<ArrayRef>| -> Option<String> {
            let column = column.as_ref()?.as_string::<i64>();
            (!column.is_null(row) && !column.value(row).is_empty()).then(|| column.value(row).to_owned())
        };
        let mut known = InvocationInfo::default();
        for (name, column) in INFO_COLUMNS.iter().zip(&info) {
            if let Some(text) = text(column) {
                known.set(name, text);
            }
        }
        let ids = ids.as_string::<i64>();
        let index = indexes.as_ref().map_or(u64::MAX, |indexes| indexes.as_primitive::<UInt64Type>().value(row));
        let types = types.as_ref().map(|types| types.as_string::<i64>());
        let raws = raws.as_ref().map(|raws| raws.as_binary::<i64>());
        sink(
            RowRef {
                id: ids.value(row),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                entry_type: types.map_or("", |types| types.value(row)),
                raw: raws.map_or(&[], |raws| raws.value(row)),
                version: versions.as_ref().map_or(2, |versions| versions.as_primitive::<UInt32Type>().value(row)),
            },
            &known,
        );
    }
    Ok(())
}

/// A store as a reader.
struct At<'a> {
    store: &'a Store,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.store.read_into(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for At<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.store.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
