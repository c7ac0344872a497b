//! Some rows of one batch, read in: kinds, indexes and the bytes of the messages, in flat columns.

use std::io;
use std::ops::Range;

use super::kinds;
use super::layout::{ColumnSpans, INFO_COLUMNS, Layout, Span, TextSpans};
use super::message::Near;
use super::segment::{Batch, Segment, info_count, integer};
use super::store::Scratch;
use crate::journal::{Entries, InvocationInfo};

/// Reused from one reading to the next; holds one range of rows at a time. The bytes themselves lie in a buffer that
/// slabs share, so that batches that lie next to each other are read in one go.
#[derive(Debug, Default)]
pub struct Slab<'c> {
    codes: Vec<u8>,
    indexes: Vec<u32>,
    ends: Vec<u32>,
    raw: Range<usize>,
    /// In place of `raw`, messages that are in memory.
    kept: Option<&'c [u8]>,
    rows: Range<u32>,
    body: Body,
    /// Whether a row has an entry type that is not known.
    has_unknown: bool,
}

/// Rows that can not be had.
#[derive(Debug, thiserror::Error)]
pub enum SlabError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("row {row} of a batch lies outside its column")]
    Outside { row: u32 },
    #[error("a journal of more than 4 GiB")]
    TooLarge,
}

/// What has been read of a batch's body: what begins here in the file lies there in the buffer. The rest is read when it is
/// wanted.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    read: Option<Read>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    at: u64,
    place: usize,
    len: usize,
}

impl Body {
    /// Nothing yet.
    pub const UNREAD: Self = Self { read: None };

    pub fn read(extent: &Range<u64>, place: usize) -> Self {
        Self { read: Some(Read { at: extent.start, place, len: (extent.end - extent.start) as usize }) }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::UNREAD
    }
}

impl<'c> Slab<'c> {
    pub fn rows(&self) -> Range<u32> {
        self.rows.clone()
    }

    /// Reads rows of a batch.
    pub fn load(
        &mut self,
        segment: &'c Segment,
        batch: usize,
        rows: Range<u32>,
        body: Body,
        bytes: &mut Scratch,
    ) -> Result<(), SlabError> {
        self.rows = rows.clone();
        self.body = body;
        let wanted = Wanted { segment, meta: &segment.batches[batch], body, rows };
        self.load_indexes(&wanted, bytes)?;
        self.load_codes(&wanted, bytes)?;
        self.has_unknown = self.codes.iter().fold(false, |unknown, code| unknown | (*code == kinds::UNKNOWN));
        self.load_raw(&wanted, bytes)
    }

    pub fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    fn load_indexes(&mut self, wanted: &Wanted<'_>, bytes: &mut Scratch) -> Result<(), SlabError> {
        self.indexes.clear();
        let Some(column) = wanted.segment.columns.index else { return Ok(()) };
        let Layout::Integers { width } = column.layout else { unreachable!("Columns::of checked") };
        let values = wanted.fixed(wanted.meta.index, width, bytes)?;
        let values = &bytes[values];
        if width == 4 {
            self.indexes.extend(values.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
        } else {
            let narrow = |value: &[u8]| u32::try_from(integer(value)).unwrap_or(u32::MAX);
            self.indexes.extend(values.chunks_exact(usize::from(width)).map(narrow));
        }
        Ok(())
    }

    fn load_codes(&mut self, wanted: &Wanted<'_>, bytes: &mut Scratch) -> Result<(), SlabError> {
        self.codes.clear();
        let Some(column) = wanted.segment.columns.entry_type else { return Ok(()) };
        match column.layout {
            Layout::Dictionary { width, .. } => {
                let keys = wanted.fixed(wanted.meta.entry_type, width, bytes)?;
                let codes =
                    wanted.segment.type_codes.get(wanted.meta.type_dictionary as usize).map_or(&[][..], Vec::as_slice);
                let code = |key: u64| {
                    usize::try_from(key).ok().and_then(|key| codes.get(key)).copied().unwrap_or(kinds::UNKNOWN)
                };
                let keys = &bytes[keys];
                match width {
                    1 => self.codes.extend(keys.iter().map(|key| code(u64::from(*key)))),
                    2 => self.codes.extend(keys.as_chunks().0.iter().map(|key| code(u16::from_le_bytes(*key).into()))),
                    _ => self.codes.extend(keys.chunks_exact(usize::from(width)).map(|key| code(integer(key)))),
                }
            }
            Layout::Bytes { width } => {
                let (offsets, data, base) = wanted.texts(wanted.meta.entry_type, width, bytes)?;
                let (offsets, data) = (&bytes[offsets], &bytes[data]);
                let read = match width {
                    4 => kinds::codes_of(&offsets.as_chunks::<4>().0[1..], base, data, &mut self.codes),
                    _ => kinds::codes_of(&offsets.as_chunks::<8>().0[1..], base, data, &mut self.codes),
                };
                read.map_err(|row| SlabError::Outside { row: wanted.rows.start + row })?;
            }
            Layout::Integers { .. } | Layout::Runs { .. } => unreachable!("as Columns::of checked"),
        }
        Ok(())
    }

    fn load_raw(&mut self, wanted: &Wanted<'c>, bytes: &mut Scratch) -> Result<(), SlabError> {
        self.ends.clear();
        self.raw = 0..0;
        self.kept = None;
        let Some(column) = wanted.segment.columns.raw else { return Ok(()) };
        let Layout::Bytes { width } = column.layout else { unreachable!("raw is binary, as Columns::of checked") };
        let (offsets, data) = wanted.offsets(wanted.meta.raw, width, bytes)?;
        let (base, len) = (data.start, (data.end - data.start) as usize);
        if len > u32::MAX as usize {
            return Err(SlabError::TooLarge);
        }
        let at = u64::from(wanted.meta.raw.data.at) + base;
        self.kept = wanted.segment.store.in_memory(wanted.meta.body + at, len);
        if self.kept.is_none() {
            self.raw = wanted.range(at, len, bytes)?;
        }
        let offsets = &bytes[offsets][usize::from(width)..];
        if width == 8 {
            let words = offsets.as_chunks::<8>().0;
            self.ends.extend(words.iter().map(|word| u64::from_le_bytes(*word).wrapping_sub(base) as u32));
        } else {
            let words = offsets.as_chunks::<4>().0;
            self.ends.extend(words.iter().map(|word| u32::from_le_bytes(*word).wrapping_sub(base as u32)));
        }
        // The last end lies at the data's end; so ends that ascend all lie inside.
        if !self.ends.is_sorted() {
            let row = self.ends.windows(2).position(|pair| pair[0] > pair[1]).unwrap_or(0);
            return Err(SlabError::Outside { row: wanted.rows.start + row as u32 });
        }
        Ok(())
    }

    /// The entries of some of the rows, as they stand.
    pub fn entries<'a>(&'a self, rows: Range<u32>, bytes: &'a [u8]) -> Entries<'a> {
        let (from, to) = self.local(&rows);
        let start = if from == 0 { 0 } else { self.ends[from - 1] };
        let end = if to == 0 { 0 } else { self.ends[to - 1] };
        Entries {
            codes: &self.codes[from..to],
            ends: &self.ends[from..to],
            start,
            raw: &self.kept.unwrap_or_else(|| &bytes[self.raw.clone()])[start as usize..end as usize],
        }
    }

    /// The file that the rows are of, with what was read of it.
    pub fn near<'a>(&self, segment: &'a Segment, bytes: &'a [u8]) -> Near<'a> {
        match self.body.read {
            None => segment.far(),
            Some(Read { at, place, len }) => Near::new(&segment.store, at, &bytes[place..place + len]),
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

/// Rows of a batch that are to be had, with what has been read of it.
struct Wanted<'c> {
    segment: &'c Segment,
    meta: &'c Batch,
    body: Body,
    rows: Range<u32>,
}

impl Wanted<'_> {
    /// Some bytes of the body: where they are among `bytes`.
    fn range(&self, at: u64, len: usize, bytes: &mut Scratch) -> io::Result<Range<usize>> {
        if len == 0 {
            // Nothing may lie anywhere.
            return Ok(0..0);
        }
        let at = self.meta.body + at;
        if let Some(read) = self.body.read
            && at >= read.at
            && at + len as u64 <= read.at + read.len as u64
        {
            let start = read.place + (at - read.at) as usize;
            return Ok(start..start + len);
        }
        let start = bytes.len();
        self.segment.store.read(at, len, bytes)?;
        Ok(start..start + len)
    }

    /// The rows' values in a column of fixed width.
    fn fixed(&self, column: ColumnSpans, width: u8, bytes: &mut Scratch) -> io::Result<Range<usize>> {
        self.values(column, width, self.rows.end - self.rows.start, bytes)
    }

    /// So many values from the first row's on.
    fn values(&self, column: ColumnSpans, width: u8, count: u32, bytes: &mut Scratch) -> io::Result<Range<usize>> {
        let width = u64::from(width);
        let at = u64::from(column.values.at) + u64::from(self.rows.start) * width;
        self.range(at, (u64::from(count) * width) as usize, bytes)
    }

    /// Offsets (one more than rows), data, and the offset at which that data begins.
    fn texts(
        &self,
        column: ColumnSpans,
        width: u8,
        bytes: &mut Scratch,
    ) -> Result<(Range<usize>, Range<usize>, u64), SlabError> {
        let (offsets, data) = self.offsets(column, width, bytes)?;
        let at = u64::from(column.data.at) + data.start;
        Ok((offsets, self.range(at, (data.end - data.start) as usize, bytes)?, data.start))
    }

    /// Offsets (one more than rows), and where in the column's data these rows' lies.
    fn offsets(
        &self,
        column: ColumnSpans,
        width: u8,
        bytes: &mut Scratch,
    ) -> Result<(Range<usize>, Range<u64>), SlabError> {
        let offsets = self.values(column, width, self.rows.end - self.rows.start + 1, bytes)?;
        let width = usize::from(width);
        let first = integer(&bytes[offsets.clone()][..width]);
        let last = integer(&bytes[offsets.clone()][offsets.len() - width..]);
        if first > last || last > u64::from(column.data.len) {
            return Err(SlabError::Outside { row: self.rows.start });
        }
        Ok((offsets, first..last))
    }
}

/// So much of a body is read along rather than what is wanted of it alone: the calls for that cost as much.
const READ_ALONG_BYTES: u64 = 32 << 10;

impl Segment {
    /// Where in the file the columns of interest of a batch lie that are to be read in one go for so many rows, if there
    /// are any: all of them, or all but the messages, which are the most. What lies before them (the ids) is left out, and
    /// so is what is in memory.
    pub fn extent(&self, batch: usize, rows: &Range<u32>) -> Option<Range<u64>> {
        let meta = &self.batches[batch];
        let others = meta.rows - (rows.end - rows.start);
        if u64::from(others) * self.row_bytes(batch) > READ_ALONG_BYTES {
            let places = [meta.index.values, meta.entry_type.values, meta.entry_type.data, meta.raw.values];
            return extent_of(meta, places.into_iter()).filter(|extent| extent.end - extent.start <= READ_ALONG_BYTES);
        }
        let raw = meta.raw.data;
        let kept = self.store.in_memory(meta.body + u64::from(raw.at), raw.len as usize).is_some();
        let raw = if kept { ColumnSpans { data: Span::default(), ..meta.raw } } else { meta.raw };
        let columns = [meta.index, meta.entry_type, raw].map(|column| [column.values, column.data]);
        let info = self.info_of_batch(batch).iter();
        let info = info.flat_map(|info| [info.ends, info.texts.values, info.texts.data]);
        extent_of(meta, columns.into_iter().flatten().chain(info))
    }

    /// Appends what lies there to a buffer.
    pub fn read(&self, extent: &Range<u64>, bytes: &mut Scratch) -> io::Result<()> {
        self.store.read(extent.start, (extent.end - extent.start) as usize, bytes)
    }

    /// The file, nothing of which has been read.
    pub fn far(&self) -> Near<'_> {
        Near::none(&self.store)
    }

    /// The journal format of a row, where there is such a column.
    pub fn version(&self, batch: usize, row: u32) -> io::Result<Option<u64>> {
        let Some(Layout::Integers { width }) = self.columns.version.map(|column| column.layout) else {
            return Ok(None);
        };
        let meta = &self.batches[batch];
        number(self.far(), meta.body, meta.version.values, width, row).map(Some)
    }

    /// What a row says of its invocation.
    pub fn info(&self, near: Near<'_>, batch: usize, row: u32) -> Result<InvocationInfo, SlabError> {
        let mut info = InvocationInfo::default();
        let body = self.batches[batch].body;
        let mut places = self.info_of_batch(batch).iter();
        for (at, column) in self.columns.info.iter().enumerate() {
            let Some(column) = column else { continue };
            let Some(place) = places.next() else { break };
            let text = match column.layout {
                Layout::Integers { width } => Some(number(near, body, place.texts.values, width, row)?.to_string()),
                Layout::Bytes { width } => Some(text(near, body, place.texts, width, row)?),
                Layout::Runs { ends, values } => {
                    let run = run_of(near, body, place.ends, ends, row)?;
                    Some(text(near, body, place.texts, values, run)?)
                }
                Layout::Dictionary { .. } => None,
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                info.set(INFO_COLUMNS[at], text);
            }
        }
        Ok(info)
    }

    fn info_of_batch(&self, batch: usize) -> &[TextSpans] {
        let columns = info_count(&self.columns);
        &self.info[batch * columns..][..columns]
    }

    /// The text of an entry type, for a message about one that is not known.
    pub fn entry_type(&self, batch: usize, row: u32) -> Result<String, SlabError> {
        let meta = &self.batches[batch];
        let Some(column) = self.columns.entry_type else { return Ok(String::new()) };
        match column.layout {
            Layout::Bytes { width } => text(self.far(), meta.body, meta.entry_type, width, row),
            Layout::Dictionary { width, .. } => {
                let key = number(self.far(), meta.body, meta.entry_type.values, width, row)?;
                let texts = self.type_texts.get(meta.type_dictionary as usize);
                Ok(texts.and_then(|texts| texts.get(usize::try_from(key).ok()?)).cloned().unwrap_or_default())
            }
            Layout::Integers { .. } | Layout::Runs { .. } => unreachable!("as Columns::of checked"),
        }
    }
}

/// Where in the file these parts of a batch begin and end.
fn extent_of(meta: &Batch, parts: impl Iterator<Item = Span> + Clone) -> Option<Range<u64>> {
    let parts = parts.filter(|part| part.len > 0);
    let from = parts.clone().map(|part| part.at).min()?;
    let to = parts.map(|part| part.at + part.len).max()?;
    Some(meta.body + u64::from(from)..meta.body + u64::from(to))
}

fn number(near: Near<'_>, body: u64, values: Span, width: u8, row: u32) -> io::Result<u64> {
    let at = body + u64::from(values.at) + u64::from(row) * u64::from(width);
    Ok(integer(near.read(at, width.into(), &mut Scratch::default())?))
}

fn text(near: Near<'_>, body: u64, column: ColumnSpans, width: u8, row: u32) -> Result<String, SlabError> {
    let mut buffer = Scratch::default();
    let at = body + u64::from(column.values.at) + u64::from(row) * u64::from(width);
    let ends = near.read(at, 2 * usize::from(width), &mut buffer)?;
    let (from, to) = (integer(&ends[..width.into()]), integer(&ends[width.into()..]));
    if from > to || to > u64::from(column.data.len) {
        return Err(SlabError::Outside { row });
    }
    if from == to {
        return Ok(String::new());
    }
    let text = near.read(body + u64::from(column.data.at) + from, (to - from) as usize, &mut buffer)?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// The run that a row is in.
fn run_of(near: Near<'_>, body: u64, ends: Span, width: u8, row: u32) -> Result<u32, SlabError> {
    let mut buffer = Scratch::default();
    let runs = ends.len / u32::from(width);
    let ends = near.read(body + u64::from(ends.at), ends.len as usize, &mut buffer)?;
    let (mut from, mut to) = (0, runs);
    while from < to {
        let middle = from.midpoint(to);
        let end = integer(&ends[middle as usize * usize::from(width)..][..width.into()]);
        if end <= u64::from(row) { from = middle + 1 } else { to = middle }
    }
    if from == runs { Err(SlabError::Outside { row }) } else { Ok(from) }
}
