//! Schema: which columns a file has, and where their buffers lie in each of its batches.
//!
//! Two schemas are read in place: the one that `rehearse record` writes and the one that the server sends. The rows of any
//! other are written anew, in the first of these (see `normalize`).

use arrow_ipc::{Endianness, Field, RecordBatch, Schema, Type};

use super::ipc::IpcError;
use crate::journal::InvocationColumn;

/// The columns of a journal entry.
const ENTRY_COLUMNS: [&str; 5] = ["id", "index", "entry_type", "raw", "version"];

/// Whether anything here reads this column. `journal_size` comes with the listing of a cluster's invocations.
pub(super) fn is_read(name: &str) -> bool {
    ENTRY_COLUMNS.contains(&name) || InvocationColumn::from_name(name).is_some() || name == "journal_size"
}

/// Refuses run-end encoding: a few bytes of it may stand for billions of rows.
pub(super) fn refuse_run_ends(schema: Schema<'_>) -> Result<(), IpcError> {
    let encoded = |field: &Field<'_>| field.type_type() == Type::RunEndEncoded && is_read(field.name().unwrap_or(""));
    match schema.fields().into_iter().flatten().find(encoded) {
        Some(field) => Err(IpcError::RunEndEncoded(field.name().unwrap_or_default().to_owned())),
        None => Ok(()),
    }
}

/// The schemas that are read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchShape {
    /// What [`ArrowWriter`](super::ArrowWriter) writes: ids and entry types are keys of 16 bits into dictionaries, offsets
    /// have 4 bytes and versions 1, and there may be the columns of the invocation, as texts.
    Recorded,
    /// What the server sends: ids and entry types are texts, offsets have 8 bytes and versions 4.
    Served,
}

impl BatchShape {
    pub fn offset_width(self) -> usize {
        if self == Self::Recorded { 4 } else { 8 }
    }

    pub fn version_width(self) -> usize {
        if self == Self::Recorded { 1 } else { 4 }
    }

    fn fits(self, name: &str, field: &Field<'_>) -> bool {
        let keyed = field.dictionary().map(|dictionary| dictionary.indexType().map_or(32, |keys| keys.bitWidth()));
        let is = |ty: Type| field.type_type() == ty && keyed.is_none();
        let integer = |bits: i32| is(Type::Int) && field.type_as_int().is_some_and(|int| int.bitWidth() == bits);
        match (self, name) {
            (_, "index") => integer(32),
            (Self::Recorded, "id" | "entry_type") => field.type_type() == Type::Utf8 && keyed == Some(16),
            (Self::Recorded, "raw") => is(Type::Binary),
            (Self::Recorded, "version") => integer(8),
            (Self::Recorded, _) => is(Type::Utf8),
            (Self::Served, "id" | "entry_type") => is(Type::LargeUtf8),
            (Self::Served, "raw") => is(Type::LargeBinary),
            (Self::Served, "version") => integer(32),
            // These come as numbers and times too, so whoever joins them has them written anew.
            (Self::Served, _) => false,
        }
    }
}

/// The position of a column's first buffer among those of its batch, and of the node that counts its nulls.
#[derive(Clone, Copy, Debug, Default)]
struct ColumnSlot {
    first_buffer: u16,
    node: u16,
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub shape: BatchShape,
    /// In the order of [`ENTRY_COLUMNS`].
    entry: [ColumnSlot; ENTRY_COLUMNS.len()],
    /// Those columns of `sys_invocation` that the file has.
    info: Vec<(InvocationColumn, ColumnSlot)>,
    /// The dictionaries of ids and of entry types, if they are keys.
    pub id_dictionary: Option<i64>,
    pub type_dictionary: Option<i64>,
}

impl Columns {
    /// `None` if the file has another schema than those that are read in place.
    pub fn of(schema: Schema<'_>) -> Option<Self> {
        if schema.endianness() != Endianness::Little {
            return None;
        }
        let mut slot = ColumnSlot::default();
        let mut fields: Vec<(Field<'_>, ColumnSlot)> = Vec::new();
        for field in schema.fields().into_iter().flatten() {
            fields.push((field, slot));
            slot.first_buffer = slot.first_buffer.checked_add(buffer_count(&field)?)?;
            slot.node = slot.node.checked_add(1)?;
        }
        let find = |name: &str| fields.iter().find(|(field, _)| field.name() == Some(name));
        let dictionary = |name: &str| Some(find(name)?.0.dictionary()?.id());
        let shape = if dictionary("id").is_some() { BatchShape::Recorded } else { BatchShape::Served };
        let mut entry = [ColumnSlot::default(); ENTRY_COLUMNS.len()];
        for (slot, name) in entry.iter_mut().zip(ENTRY_COLUMNS) {
            *slot = find(name).filter(|(field, _)| shape.fits(name, field))?.1;
        }
        let mut info = Vec::new();
        for column in InvocationColumn::ALL {
            if let Some((field, slot)) = find(column.name()) {
                shape.fits(column.name(), field).then(|| info.push((column, *slot)))?;
            }
        }
        let (id_dictionary, type_dictionary) = (dictionary("id"), dictionary("entry_type"));
        Some(Self { shape, entry, info, id_dictionary, type_dictionary })
    }

    pub fn info(&self) -> impl ExactSizeIterator<Item = InvocationColumn> + Clone {
        self.info.iter().map(|(column, _)| *column)
    }
}

/// How many buffers a column has. Columns that are not read may have any flat type.
fn buffer_count(field: &Field<'_>) -> Option<u16> {
    if field.dictionary().is_some() {
        return Some(2);
    }
    match field.type_type() {
        Type::Utf8 | Type::Binary | Type::LargeUtf8 | Type::LargeBinary => Some(3),
        Type::Int | Type::FloatingPoint | Type::Bool | Type::Date | Type::Time | Type::Timestamp | Type::Duration => {
            Some(2)
        }
        _ => None,
    }
}

/// Where a buffer lies in the body of its batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferPlace {
    pub at: u32,
    pub len: u32,
}

impl BufferPlace {
    pub fn end(self) -> u32 {
        self.at + self.len
    }
}

/// Where a column lies in the body of its batch: its integers, keys or offsets, and behind offsets the data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ColumnPlace {
    pub values: BufferPlace,
    pub data: BufferPlace,
}

impl ColumnPlace {
    pub fn end(self) -> u32 {
        self.values.end().max(self.data.end())
    }
}

/// Where the columns of one batch lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchPlace {
    pub rows: u32,
    /// Where its body begins in the file; the places of columns are counted from there.
    pub body: u64,
    pub body_len: u64,
    pub index: ColumnPlace,
    pub entry_type: ColumnPlace,
    pub raw: ColumnPlace,
    pub version: ColumnPlace,
    /// The place of its dictionary of entry types among those of the file.
    pub type_dictionary: usize,
}

/// Finds columns in a batch, checked against the number of its rows and the size of its body.
#[derive(Clone, Copy)]
struct ColumnFinder<'a> {
    batch: RecordBatch<'a>,
    rows: u32,
    body_len: u64,
}

impl ColumnFinder<'_> {
    fn buffer(&self, at: u16, needed: u64) -> Option<BufferPlace> {
        let buffers = self.batch.buffers().filter(|buffers| usize::from(at) < buffers.len())?;
        let buffer = buffers.get(at.into());
        let place = BufferPlace { at: u32::try_from(buffer.offset()).ok()?, len: u32::try_from(buffer.length()).ok()? };
        // Readers add the two as 32 bits.
        let end = place.at.checked_add(place.len)?;
        (u64::from(end) <= self.body_len && u64::from(place.len) >= needed).then_some(place)
    }

    /// A column of fixed width. `None` if it has nulls: the value behind a null means nothing.
    fn fixed(&self, slot: ColumnSlot, width: usize) -> Option<ColumnPlace> {
        let nodes = self.batch.nodes().filter(|nodes| usize::from(slot.node) < nodes.len())?;
        if nodes.get(slot.node.into()).null_count() != 0 {
            return None;
        }
        let values = self.buffer(slot.first_buffer + 1, u64::from(self.rows) * width as u64)?;
        Some(ColumnPlace { values, data: BufferPlace::default() })
    }

    /// A column of offsets and data.
    fn texts(&self, slot: ColumnSlot, offset_width: usize) -> Option<ColumnPlace> {
        // A column without rows may come without its one offset.
        let one_more = Self { rows: if self.rows == 0 { 0 } else { self.rows.checked_add(1)? }, ..*self };
        let values = one_more.fixed(slot, offset_width)?.values;
        Some(ColumnPlace { values, data: self.buffer(slot.first_buffer + 2, 0)? })
    }
}

/// A batch as found by its metadata: its columns, its ids, and its info columns in the order of [`Columns::info`].
pub(super) struct FoundBatch {
    pub place: BatchPlace,
    pub ids: ColumnPlace,
    pub info: Vec<ColumnPlace>,
}

impl Columns {
    /// `None` if the batch is compressed, has nulls, or contradicts itself.
    pub fn find(&self, batch: RecordBatch<'_>, body: u64, body_len: u64, type_dictionary: usize) -> Option<FoundBatch> {
        if batch.compression().is_some() {
            return None;
        }
        let finder = ColumnFinder { batch, rows: u32::try_from(batch.length()).ok()?, body_len };
        let width = self.shape.offset_width();
        let keys_or_texts = |slot| match self.shape {
            BatchShape::Recorded => finder.fixed(slot, 2),
            BatchShape::Served => finder.texts(slot, width),
        };
        let [id, index, entry_type, raw, version] = self.entry;
        Some(FoundBatch {
            place: BatchPlace {
                rows: finder.rows,
                body,
                body_len,
                index: finder.fixed(index, 4)?,
                entry_type: keys_or_texts(entry_type)?,
                raw: finder.texts(raw, width)?,
                version: finder.fixed(version, self.shape.version_width())?,
                type_dictionary,
            },
            ids: keys_or_texts(id)?,
            info: self.info.iter().map(|(_, slot)| finder.texts(*slot, width)).collect::<Option<_>>()?,
        })
    }
}

/// The number of texts in a dictionary of [`BatchShape::Recorded`], and where they lie.
pub(super) fn find_dictionary(batch: RecordBatch<'_>, body_len: u64) -> Option<(u32, ColumnPlace)> {
    let finder = ColumnFinder { batch, rows: u32::try_from(batch.length()).ok()?, body_len };
    let texts = finder.texts(ColumnSlot::default(), BatchShape::Recorded.offset_width())?;
    batch.compression().is_none().then_some((finder.rows, texts))
}
