//! Batch reader: reads some rows of one batch into flat columns of kinds, indexes and messages.

use std::io;
use std::ops::Range;

use super::entry_types;
use super::index::FileIndex;
use super::ipc::BufferedView;
use super::schema::{BatchPlace, BatchShape, BufferPlace, ColumnPlace};
use super::spans::integer;
use crate::journal::{Entries, InvocationInfo};
use crate::source::storage::ScratchBuffer;

/// Holds one range of rows at a time, and is reused from one to the next. The messages themselves lie in a scratch buffer
/// that several readers share, so that adjacent batches are read in one call.
#[derive(Debug, Default)]
pub struct BatchReader<'c> {
    codes: Vec<u8>,
    indexes: Vec<u32>,
    ends: Vec<u32>,
    /// Where the messages lie in the scratch buffer.
    raw: Range<usize>,
    /// The messages, if their storage has them in memory: then nothing is copied.
    raw_in_memory: Option<&'c [u8]>,
    rows: Range<u32>,
    prefetched: Option<Prefetched>,
    has_unknown: bool,
}

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("row {row} of a batch lies outside its column")]
    Outside { row: u32 },
    #[error("a journal of more than 4 GiB")]
    TooLarge,
}

/// A stretch of the file that is in the scratch buffer already. What lies outside of it is read when it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Prefetched {
    at: u64,
    place: usize,
    len: usize,
}

impl<'c> BatchReader<'c> {
    /// Reads rows of a batch.
    pub fn load(
        &mut self,
        index: &'c FileIndex,
        batch: usize,
        rows: Range<u32>,
        prefetched: Option<Prefetched>,
        bytes: &mut ScratchBuffer,
    ) -> Result<(), BatchError> {
        self.rows = rows.clone();
        self.prefetched = prefetched;
        let source = RowSource { index, batch: &index.batches[batch], prefetched, rows };
        self.load_indexes(&source, bytes)?;
        self.load_codes(&source, bytes)?;
        self.has_unknown = self.codes.iter().fold(false, |unknown, code| unknown | (*code == entry_types::UNKNOWN));
        self.load_raw(&source, bytes)
    }

    /// Whether a row has an entry type that is not known.
    pub fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    fn load_indexes(&mut self, source: &RowSource<'_>, bytes: &mut ScratchBuffer) -> Result<(), BatchError> {
        self.indexes.clear();
        let values = source.values(source.batch.index, 4, source.count(), bytes)?;
        self.indexes.extend(bytes[values].as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
        Ok(())
    }

    fn load_codes(&mut self, source: &RowSource<'_>, bytes: &mut ScratchBuffer) -> Result<(), BatchError> {
        self.codes.clear();
        let place = source.batch.entry_type;
        match source.shape() {
            BatchShape::Recorded => {
                let keys = source.values(place, 2, source.count(), bytes)?;
                let codes = source.index.type_codes.get(source.batch.type_dictionary);
                let codes = codes.map_or(&[][..], Vec::as_slice);
                let code = |key: &[u8; 2]| {
                    codes.get(usize::from(u16::from_le_bytes(*key))).copied().unwrap_or(entry_types::UNKNOWN)
                };
                self.codes.extend(bytes[keys].as_chunks::<2>().0.iter().map(code));
            }
            BatchShape::Served => {
                let (offsets, data) = source.offsets(place, bytes)?;
                let (base, len) = (data.start, (data.end - data.start) as usize);
                let data = source.range(u64::from(place.data.at) + base, len, bytes)?;
                let ends = &bytes[offsets].as_chunks::<8>().0[1..];
                let read = entry_types::codes_of(ends, base, &bytes[data], &mut self.codes);
                read.map_err(|row| BatchError::Outside { row: source.rows.start + row })?;
            }
        }
        Ok(())
    }

    fn load_raw(&mut self, source: &RowSource<'c>, bytes: &mut ScratchBuffer) -> Result<(), BatchError> {
        self.ends.clear();
        self.raw = 0..0;
        self.raw_in_memory = None;
        let (offsets, data) = source.offsets(source.batch.raw, bytes)?;
        let (base, len) = (data.start, (data.end - data.start) as usize);
        if len > u32::MAX as usize {
            return Err(BatchError::TooLarge);
        }
        let at = u64::from(source.batch.raw.data.at) + base;
        self.raw_in_memory = source.index.storage.in_memory(source.batch.body + at, len);
        if self.raw_in_memory.is_none() {
            self.raw = source.range(at, len, bytes)?;
        }
        match source.shape() {
            BatchShape::Recorded => {
                let ends = &bytes[offsets].as_chunks::<4>().0[1..];
                self.ends.extend(ends.iter().map(|end| u32::from_le_bytes(*end).wrapping_sub(base as u32)));
            }
            BatchShape::Served => {
                let ends = &bytes[offsets].as_chunks::<8>().0[1..];
                self.ends.extend(ends.iter().map(|end| u64::from_le_bytes(*end).wrapping_sub(base) as u32));
            }
        }
        // The last message ends where the data does; so if the ends ascend, all messages lie inside.
        if !self.ends.is_sorted() {
            let row = self.ends.windows(2).position(|pair| pair[0] > pair[1]).unwrap_or(0);
            return Err(BatchError::Outside { row: source.rows.start + row as u32 });
        }
        Ok(())
    }

    /// The entries of some of the rows, in the order of the file.
    pub fn entries<'a>(&'a self, rows: Range<u32>, bytes: &'a [u8]) -> Entries<'a> {
        let (from, to) = self.local(&rows);
        let start = if from == 0 { 0 } else { self.ends[from - 1] };
        let end = if to == 0 { 0 } else { self.ends[to - 1] };
        Entries {
            codes: &self.codes[from..to],
            ends: &self.ends[from..to],
            start,
            raw: &self.raw_in_memory.unwrap_or_else(|| &bytes[self.raw.clone()])[start as usize..end as usize],
        }
    }

    /// The file that the rows come from, with what has been read of it.
    pub fn view<'a>(&self, index: &'a FileIndex, bytes: &'a [u8]) -> BufferedView<'a> {
        match self.prefetched {
            None => index.unbuffered(),
            Some(Prefetched { at, place, len }) => BufferedView::new(&index.storage, at, &bytes[place..place + len]),
        }
    }

    pub fn indexes(&self, rows: Range<u32>) -> &[u32] {
        let (from, to) = self.local(&rows);
        &self.indexes[from..to]
    }

    fn local(&self, rows: &Range<u32>) -> (usize, usize) {
        ((rows.start - self.rows.start) as usize, (rows.end - self.rows.start) as usize)
    }
}

/// The rows to read, with what has been read of their batch already.
struct RowSource<'c> {
    index: &'c FileIndex,
    batch: &'c BatchPlace,
    prefetched: Option<Prefetched>,
    rows: Range<u32>,
}

impl RowSource<'_> {
    fn shape(&self) -> BatchShape {
        self.index.columns.shape
    }

    fn count(&self) -> usize {
        (self.rows.end - self.rows.start) as usize
    }

    /// Where the `len` bytes at `at` of the body lie in `bytes`, into which they are read if they are not there yet.
    fn range(&self, at: u64, len: usize, bytes: &mut ScratchBuffer) -> io::Result<Range<usize>> {
        if len == 0 {
            // An empty column may claim to lie anywhere.
            return Ok(0..0);
        }
        let at = self.batch.body + at;
        if let Some(read) = self.prefetched
            && at >= read.at
            && at + len as u64 <= read.at + read.len as u64
        {
            let start = read.place + (at - read.at) as usize;
            return Ok(start..start + len);
        }
        let start = bytes.len();
        self.index.storage.read(at, len, bytes)?;
        Ok(start..start + len)
    }

    /// `count` values of `width` bytes, from the first row's on.
    fn values(
        &self,
        column: ColumnPlace,
        width: usize,
        count: usize,
        bytes: &mut ScratchBuffer,
    ) -> io::Result<Range<usize>> {
        let at = u64::from(column.values.at) + u64::from(self.rows.start) * width as u64;
        self.range(at, count * width, bytes)
    }

    /// The rows' offsets, one more than there are rows, and where in the column's data the rows begin and end.
    fn offsets(
        &self,
        column: ColumnPlace,
        bytes: &mut ScratchBuffer,
    ) -> Result<(Range<usize>, Range<u64>), BatchError> {
        let width = self.shape().offset_width();
        let offsets = self.values(column, width, self.count() + 1, bytes)?;
        let first = integer(&bytes[offsets.clone()][..width]);
        let last = integer(&bytes[offsets.clone()][offsets.len() - width..]);
        if first > last || last > u64::from(column.data.len) {
            return Err(BatchError::Outside { row: self.rows.start });
        }
        Ok((offsets, first..last))
    }
}

/// Up to so many unneeded bytes of a body are read along: leaving them out would take calls that cost as much.
const READ_ALONG_BYTES: u64 = 32 << 10;

impl FileIndex {
    /// The stretch of the file to read in one call for these rows of a batch, if there is any: all columns of interest, or
    /// all but the messages, which are the most. The ids that lie before them are left out, and so is what the storage has
    /// in memory.
    pub fn extent(&self, batch: usize, rows: &Range<u32>) -> Option<Range<u64>> {
        let place = &self.batches[batch];
        let others = place.rows - (rows.end - rows.start);
        if u64::from(others) * self.row_bytes(batch) > READ_ALONG_BYTES {
            let parts = [place.index.values, place.entry_type.values, place.entry_type.data, place.raw.values];
            return extent_of(place, parts.into_iter()).filter(|extent| extent.end - extent.start <= READ_ALONG_BYTES);
        }
        let raw_start = place.body + u64::from(place.raw.data.at);
        let in_memory = self.storage.in_memory(raw_start, place.raw.data.len as usize).is_some();
        let columns = [place.index, place.entry_type].map(|column| [column.values, column.data]);
        let columns = columns.into_iter().flatten().chain([place.raw.values]);
        // The messages, and what lies behind them.
        let info = self.info_places(batch).flat_map(|(_, column)| [column.values, column.data]);
        let rest = std::iter::once(place.raw.data).chain(info).filter(|_| !in_memory);
        extent_of(place, columns.chain(rest))
    }

    /// Reads a stretch of the file into the scratch buffer.
    pub fn prefetch(&self, extent: &Range<u64>, bytes: &mut ScratchBuffer) -> io::Result<Prefetched> {
        let (place, len) = (bytes.len(), (extent.end - extent.start) as usize);
        self.storage.read(extent.start, len, bytes)?;
        Ok(Prefetched { at: extent.start, place, len })
    }

    /// The file, of which nothing has been read.
    pub fn unbuffered(&self) -> BufferedView<'_> {
        BufferedView::new(&self.storage, 0, &[])
    }

    /// The journal format of a row.
    pub fn version(&self, batch: usize, row: u32) -> io::Result<u64> {
        let place = &self.batches[batch];
        let width = self.columns.shape.version_width();
        let at = place.body + u64::from(place.version.values.at) + u64::from(row) * width as u64;
        Ok(integer(self.unbuffered().read(at, width, &mut ScratchBuffer::default())?))
    }

    /// What a row tells of its invocation.
    pub fn info(&self, view: BufferedView<'_>, batch: usize, row: u32) -> Result<InvocationInfo, BatchError> {
        let mut info = InvocationInfo::default();
        for (column, place) in self.info_places(batch) {
            info.set_column(column, &self.text(view, batch, place, row)?);
        }
        Ok(info)
    }

    /// The text of an entry type, for the message about one that is not known.
    pub fn entry_type(&self, batch: usize, row: u32) -> Result<String, BatchError> {
        let place = &self.batches[batch];
        match self.columns.shape {
            BatchShape::Served => self.text(self.unbuffered(), batch, place.entry_type, row),
            BatchShape::Recorded => {
                let at = place.body + u64::from(place.entry_type.values.at) + u64::from(row) * 2;
                let mut buffer = ScratchBuffer::default();
                let key = self.unbuffered().read(at, 2, &mut buffer)?;
                let key = usize::from(u16::from_le_bytes([key[0], key[1]]));
                let texts = self.type_texts.get(place.type_dictionary);
                Ok(texts.and_then(|texts| texts.get(key)).cloned().unwrap_or_default())
            }
        }
    }

    fn text(&self, view: BufferedView<'_>, batch: usize, column: ColumnPlace, row: u32) -> Result<String, BatchError> {
        let (body, width) = (self.batches[batch].body, self.columns.shape.offset_width());
        let mut buffer = ScratchBuffer::default();
        let at = body + u64::from(column.values.at) + u64::from(row) * width as u64;
        let ends = view.read(at, 2 * width, &mut buffer)?;
        let (from, to) = (integer(&ends[..width]), integer(&ends[width..]));
        if from > to || to > u64::from(column.data.len) {
            return Err(BatchError::Outside { row });
        }
        let text = view.read(body + u64::from(column.data.at) + from, (to - from) as usize, &mut buffer)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

/// Where in the file these parts of a batch begin and end, taken together.
fn extent_of(batch: &BatchPlace, parts: impl Iterator<Item = BufferPlace> + Clone) -> Option<Range<u64>> {
    let parts = parts.filter(|part| part.len > 0);
    let from = parts.clone().map(|part| part.at).min()?;
    let to = parts.map(BufferPlace::end).max()?;
    Some(batch.body + u64::from(from)..batch.body + u64::from(to))
}
