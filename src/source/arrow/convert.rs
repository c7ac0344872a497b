//! Batches of any other layout (compressed, views, dictionaries of binaries), through arrow-rs into rows.

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, DataType};

use super::layout::INFO_COLUMNS;
use super::message::{ArrowError as Broken, Cut, data_start, each_batch};
use super::store::{Store, StoreReader};
use super::write::RowRef;
use crate::journal::InvocationInfo;

/// What a row is.
#[derive(Debug)]
pub enum Converted<'a> {
    Entry(RowRef<'a>),
    /// A row of `sys_invocation`: it has an id and no entry.
    Invocation(&'a str),
}

/// A row that lacks something.
#[derive(Debug)]
pub struct BadRow<'a> {
    pub id: Option<&'a str>,
    pub reason: String,
}

/// Gives every row to `sink`, and says why the file was not read to its end, if it was not. Stops at the first error: an unusual file that is broken gives what came before.
pub fn convert(
    store: &Store,
    mut sink: impl FnMut(Result<Converted<'_>, BadRow<'_>>, &InvocationInfo),
) -> Result<Option<Cut>, Broken> {
    let malformed = |error: ArrowError| Broken::Malformed(error.to_string());
    let cut = check_batches(store)?;
    // A file is a stream behind its magic.
    let messages = StoreReader::new(store, data_start(store)?);
    for batch in StreamReader::try_new(messages, None).map_err(malformed)? {
        let batch = match batch {
            // The batch that is cut off is no news.
            Err(_) if matches!(cut, Some(Cut::Off)) => break,
            batch => batch.map_err(malformed)?,
        };
        convert_batch(&batch, &mut sink).map_err(malformed)?;
    }
    Ok(cut)
}

/// A compressed buffer says how large it becomes, and arrow-rs believes it.
const LARGEST_BUFFER: i64 = 1 << 32;

/// Finds what arrow-rs would panic at, or ask for too much memory for; and whether the file is whole.
fn check_batches(store: &Store) -> Result<Option<Cut>, Broken> {
    each_batch(store, |batch, body| {
        for buffer in batch.buffers().into_iter().flatten() {
            let (Ok(offset), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
                return Err(outside());
            };
            if offset.checked_add(length).is_none_or(|end| end > body.end - body.start) {
                return Err(outside());
            }
            if batch.compression().is_none() || length < 8 {
                continue;
            }
            let mut prefix = [0; 8];
            let read = store.read_into(body.start + offset, &mut prefix)?;
            let size = i64::from_le_bytes(prefix);
            if read == prefix.len() && size > LARGEST_BUFFER {
                return Err(Broken::Malformed(format!("a compressed buffer claims to hold {size} bytes")));
            }
        }
        Ok(())
    })
}

fn outside() -> Broken {
    Broken::Malformed("a buffer lies outside its batch".to_owned())
}

/// Gives the rows of one batch, whatever types its columns have.
pub fn convert_batch(
    batch: &RecordBatch,
    sink: &mut impl FnMut(Result<Converted<'_>, BadRow<'_>>, &InvocationInfo),
) -> Result<(), ArrowError> {
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
    let journals = indexes.is_some() || types.is_some() || raws.is_some();
    for row in 0..batch.num_rows() {
        let mut known = InvocationInfo::default();
        for (name, column) in INFO_COLUMNS.iter().zip(&info) {
            if let Some(text) = text_of(column, row).filter(|text| !text.is_empty()) {
                known.set(name, text.to_owned());
            }
        }
        let id = (!ids.is_null(row)).then(|| ids.as_string::<i64>().value(row));
        let entry = || -> Result<Converted<'_>, &'static str> {
            let id = id.ok_or("it has no id")?;
            if !journals {
                return Ok(Converted::Invocation(id));
            }
            let index = indexes.as_ref().filter(|indexes| !indexes.is_null(row)).ok_or("it has no index")?;
            let index = index.as_primitive::<UInt64Type>().value(row);
            let raw = raws.as_ref().filter(|raws| !raws.is_null(row)).ok_or("it has no raw")?;
            let version = versions.as_ref().filter(|versions| !versions.is_null(row));
            Ok(Converted::Entry(RowRef {
                id,
                index: u32::try_from(index).map_err(|_| "its index is too large")?,
                entry_type: text_of(&types, row).ok_or("it has no entry_type")?,
                raw: raw.as_binary::<i64>().value(row),
                version: version.map_or(2, |versions| versions.as_primitive::<UInt32Type>().value(row)),
            }))
        };
        sink(entry().map_err(|reason| BadRow { id, reason: reason.to_owned() }), &known);
    }
    Ok(())
}

fn text_of(column: &Option<ArrayRef>, row: usize) -> Option<&str> {
    let column = column.as_ref().filter(|column| !column.is_null(row))?;
    Some(column.as_string::<i64>().value(row))
}
