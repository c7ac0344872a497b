//! Loading: reads the rows of some journals into memory, as few calls as possible for each batch they are in.

use std::ops::Range;

use super::arrow::{BatchReader, BufferedView, FileIndex, JournalSpan};
use super::index::{Corpus, SpanRange};
use super::storage::ScratchBuffer;
use crate::journal::{Entries, IdOrder, InvocationInfo};

/// The rows that one worker has read of one side. Its buffers are reused from one unit of work to the next.
#[derive(Debug)]
pub(super) struct LoadedRows<'c> {
    pub corpus: &'c Corpus,
    readers: Vec<BatchReader<'c>>,
    /// The bytes that the readers' columns consist of.
    bytes: ScratchBuffer,
    /// Sorted by batch and row.
    ranges: Vec<LoadedRange>,
}

/// Rows of one batch, and the reader that has them.
#[derive(Debug)]
pub(super) struct LoadedRange {
    pub batch: u32,
    rows: Range<u32>,
    reader: usize,
    failed: Option<String>,
}

/// Up to so many unwanted rows between two wanted ranges are read along, which makes them one range.
const READ_ALONG_ROWS: u32 = 64;

impl<'c> LoadedRows<'c> {
    pub fn new(corpus: &'c Corpus) -> Self {
        Self { corpus, readers: Vec::new(), bytes: ScratchBuffer::default(), ranges: Vec::new() }
    }

    /// Reads everything that these ranges of spans need, in place of what was read before.
    pub fn load(&mut self, ranges: impl IntoIterator<Item = SpanRange>) {
        let corpus = self.corpus;
        self.ranges.clear();
        let merged = merge(ranges.into_iter().flat_map(|range| corpus.spans(range)));
        if self.readers.len() < merged.len() {
            self.readers.resize_with(merged.len(), BatchReader::default);
        }
        self.bytes.clear();
        let mut runs = corpus.read_runs(&merged).into_iter().peekable();
        let mut prefetched = Ok(None);
        for (reader, (batch, rows)) in merged.into_iter().enumerate() {
            let (index, number) = corpus.batch(batch);
            if let Some(run) = runs.next_if(|run| run.first == reader) {
                prefetched = run.extent.map(|extent| index.prefetch(&extent, &mut self.bytes)).transpose();
            }
            let failed = match &prefetched {
                Ok(prefetched) => {
                    let loaded = self.readers[reader].load(index, number, rows.clone(), *prefetched, &mut self.bytes);
                    loaded.err().map(|error| error.to_string())
                }
                Err(error) => Some(error.to_string()),
            };
            self.ranges.push(LoadedRange { batch, rows, reader, failed });
        }
    }

    /// The range that has the rows of a span.
    pub fn range_of(&self, span: &JournalSpan) -> &LoadedRange {
        let at = self.ranges.partition_point(|range| (range.batch, range.rows.start) <= (span.batch, span.row));
        &self.ranges[at - 1]
    }

    /// The same, unless it could not be read.
    pub fn readable(&self, span: &JournalSpan) -> Result<&LoadedRange, String> {
        let range = self.range_of(span);
        range.failed.clone().map_or(Ok(range), Err)
    }

    pub fn entries(&self, range: &LoadedRange, rows: Range<u32>) -> Entries<'_> {
        self.readers[range.reader].entries(rows, &self.bytes)
    }

    pub fn indexes(&self, range: &LoadedRange, rows: Range<u32>) -> &[u32] {
        self.readers[range.reader].indexes(rows)
    }

    /// Whether a row of the range has an entry type that is not known.
    pub fn has_unknown(&self, range: &LoadedRange) -> bool {
        self.readers[range.reader].has_unknown()
    }

    /// The entries of a span, if their indexes count up from `first` and every row of the range could be read.
    pub fn sound(&self, range: &LoadedRange, span: &JournalSpan, first: u32) -> Option<Entries<'_>> {
        let rows = span.range();
        let whole = range.failed.is_none() && rows.end <= range.rows.end && !self.has_unknown(range);
        (whole && ascend_from(first, self.indexes(range, rows.clone()))).then(|| self.entries(range, rows))
    }

    /// What is known of the invocation of a journal that was loaded.
    pub fn info_of(&self, id: IdOrder, spans: SpanRange) -> InvocationInfo {
        info_with(self.corpus, id, spans, |span, index| match self.readable(span) {
            Ok(range) => self.readers[range.reader].view(index, &self.bytes),
            Err(_) => index.unbuffered(),
        })
    }
}

/// Whether the indexes count up from `first` without a gap.
pub(super) fn ascend_from(first: u32, indexes: &[u32]) -> bool {
    // Without an early exit, the compiler makes vector code of this.
    indexes.iter().zip(first..).fold(true, |ascend, (index, at)| ascend & (*index == at))
}

/// What is known of the invocation of a journal that was not loaded.
pub(super) fn info_of(corpus: &Corpus, id: IdOrder, spans: SpanRange) -> InvocationInfo {
    info_with(corpus, id, spans, |_, index| index.unbuffered())
}

fn info_with<'a>(
    corpus: &'a Corpus,
    id: IdOrder,
    spans: SpanRange,
    view: impl Fn(&JournalSpan, &'a FileIndex) -> BufferedView<'a>,
) -> InvocationInfo {
    let own = corpus.info.get(&id).cloned().unwrap_or_default();
    // A journal that grew while it was copied has a later span, which is more recent.
    corpus.spans(spans).iter().rev().fold(own, |info, span| {
        let (index, batch) = corpus.batch(span.batch);
        if !index.has_info() {
            return info;
        }
        match index.info(view(span, index), batch, span.row) {
            Ok(known) if info == InvocationInfo::default() => known,
            Ok(known) => info.or(&known),
            Err(_) => info,
        }
    })
}

/// The ranges of rows to read, sorted by batch and row, for these spans.
fn merge<'a>(spans: impl Iterator<Item = &'a JournalSpan>) -> Vec<(u32, Range<u32>)> {
    let mut wanted: Vec<(u32, Range<u32>)> = Vec::new();
    for span in spans {
        match wanted.last_mut() {
            Some((batch, rows)) if *batch == span.batch && rows.end == span.row => rows.end += span.rows,
            _ => wanted.push((span.batch, span.range())),
        }
    }
    wanted.sort_unstable_by_key(|(batch, rows)| (*batch, rows.start));
    let mut merged: Vec<(u32, Range<u32>)> = Vec::new();
    for (batch, rows) in wanted {
        match merged.last_mut() {
            Some((last, before)) if *last == batch && rows.start <= before.end.saturating_add(READ_ALONG_ROWS) => {
                before.end = before.end.max(rows.end);
            }
            _ => merged.push((batch, rows)),
        }
    }
    merged
}

/// Adjacent batches of a file that are read in one call.
struct ReadRun {
    /// The place of the first one among the wanted ranges.
    first: usize,
    /// `None` for a batch whose columns are read one by one.
    extent: Option<Range<u64>>,
}

/// A gap of so many bytes between two batches is read along: a second call costs as much as copying them.
const LONGEST_GAP: u64 = 16 << 10;
const LONGEST_RUN: u64 = 512 << 10;

impl Corpus {
    fn read_runs(&self, wanted: &[(u32, Range<u32>)]) -> Vec<ReadRun> {
        let mut runs: Vec<ReadRun> = Vec::new();
        let mut last_file = None;
        for (first, (batch, rows)) in wanted.iter().enumerate() {
            let file = self.batches[*batch as usize].0;
            let (index, number) = self.batch(*batch);
            let extent = index.extent(number, rows);
            let before = runs.last_mut().and_then(|run| run.extent.as_mut()).filter(|_| last_file == Some(file));
            last_file = Some(file);
            match (before, &extent) {
                (Some(before), Some(own))
                    if own.start >= before.start
                        && own.start <= before.end + LONGEST_GAP
                        && own.end.max(before.end) - before.start <= LONGEST_RUN =>
                {
                    before.end = before.end.max(own.end);
                }
                _ => runs.push(ReadRun { first, extent }),
            }
        }
        runs
    }
}
