//! A journal reader: reads the rows of the listed journals from the server into a row sink.

use std::collections::BTreeMap;
use std::time::Duration;

use super::listing::Listing;
use super::part_file::EarlierRows;
use super::progress::{CopyProgress, DetachedRange};
use super::row_sink::{RecordingError, RowSink};
use super::skip::skip_clause;
use crate::admin::{Admin, AdminError, ClusterSelection, Download, any_of};
use crate::journal::IdOrder;
use crate::source::arrow::{DecodedRow, DecodedRows, IpcError, RowRef, StreamDecoder};

/// How fast to read: the load on the server.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many rows to take at a time.
    pub rows: u64,
    /// How long to wait in between.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: 250_000, pause: Duration::from_millis(10) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

impl CopyError {
    /// Whether the same copy may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_passing(),
            Self::Recording(_) => false,
        }
    }
}

/// Why no more entries of a journal are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFate {
    /// Nothing stops it: entries are taken as they come.
    Open,
    /// Its invocation ended and was removed.
    Gone,
    /// Another invocation took its id.
    Replaced,
    /// The sink has a row that says why the journal is not whole.
    Incomplete,
}

/// How many ids go into one condition.
const IDS_AT_ONCE: usize = 100;
/// A row that is looked up costs the server as much as this many scanned ones.
const LOOKUP_COST: u64 = 10;

const COLUMNS: &str = "id, index, entry_type, raw, version";

/// Reads journals into a sink, and knows how far each of them is.
pub struct JournalReader<'a, S> {
    pub admin: &'a Admin,
    pub listing: Listing,
    pub progress: CopyProgress,
    /// By place in the listing.
    pub fate: Vec<JournalFate>,
    pace: Pace,
    sink: &'a mut S,
    /// Called with the number of rows so far, and how many there will be at least.
    report: &'a mut dyn FnMut(u64, u64),
    total: u64,
    rows: u64,
    /// The place in the listing of the last row.
    near: usize,
}

impl<'a, S: RowSink> JournalReader<'a, S> {
    pub fn new(
        admin: &'a Admin,
        listing: Listing,
        pace: Pace,
        sink: &'a mut S,
        report: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        let (invocations, total) = (listing.listed.len(), listing.entries());
        let (progress, fate) = (CopyProgress::new(invocations), vec![JournalFate::Open; invocations]);
        Self { admin, listing, progress, fate, pace, sink, report, total, rows: 0, near: 0 }
    }

    /// Counts what an earlier run has written.
    pub fn take_earlier(&mut self, earlier: EarlierRows) {
        let mut written: BTreeMap<usize, u32> = BTreeMap::new();
        for (id, rows) in earlier.rows {
            if let Some(at) = self.listing.find(id, self.near) {
                *written.entry(at).or_default() += rows;
                self.near = at;
            }
        }
        for DetachedRange { id, from, to } in earlier.detached {
            let at = IdOrder::of(&id).and_then(|id| self.listing.find(id, self.near));
            let Some((at, rows)) = at.and_then(|at| Some((at, written.get_mut(&at)?))) else { continue };
            *rows = rows.saturating_sub(to - from);
            self.progress.add_detached(at, from..to);
        }
        for (at, rows) in written {
            self.progress.set_written(at, rows);
            self.rows += u64::from(rows);
        }
    }

    /// Places of the journals that are not known to be whole.
    pub fn unfinished(&self) -> Vec<usize> {
        let listed = self.listing.listed.iter().enumerate();
        let open = listed
            .filter(|(at, listed)| self.fate[*at] == JournalFate::Open && !self.progress.is_whole(*at, listed.entries));
        open.map(|(at, _)| at).collect()
    }

    /// Whether all entries that the listing tells of are written.
    pub fn is_read(&self, at: usize) -> bool {
        self.progress.written(at) > 0 && self.progress.is_whole(at, self.listing.listed[at].entries)
    }

    pub fn unread(&self) -> impl Iterator<Item = usize> {
        (0..self.listing.listed.len()).filter(|at| !self.is_read(*at))
    }

    /// Reads all that is missing, in the way that costs the server less: a scan, or looking up ids.
    pub async fn read_all(&mut self, selected: &ClusterSelection) -> Result<(), CopyError> {
        let missing =
            |at: usize| self.listing.listed[at].entries.unwrap_or(1).saturating_sub(self.progress.written(at));
        let wanted: u64 = self.unread().map(|at| u64::from(missing(at))).sum();
        let everything = selected.sql().is_none() && selected.selection.limit.is_none();
        if wanted == 0 {
            return Ok(());
        }
        if !everything || self.rows > 0 {
            let all = self.all_rows().await?;
            tracing::debug!(wanted, all, "rows");
            if wanted * LOOKUP_COST < all {
                let places: Vec<usize> = self.unread().collect();
                return self.look_up(&places).await;
            }
        }
        self.scan().await
    }

    /// How many rows a scan goes through.
    async fn all_rows(&self) -> Result<u64, AdminError> {
        #[derive(serde::Deserialize)]
        struct RowTotal {
            rows: Option<u64>,
        }
        let sql = "select sum(journal_size) as rows from sys_invocation_status";
        let sums = self.admin.query_json::<RowTotal>(sql).await?;
        Ok(sums.first().and_then(|sum| sum.rows).unwrap_or(0))
    }

    /// Reads everything in one stream. When the stream breaks, another one skips what is whole by then.
    async fn scan(&mut self) -> Result<(), CopyError> {
        let mut patience = self.admin.patience();
        loop {
            let skipped = if self.rows == 0 { String::new() } else { self.skip_clause() };
            let before = self.rows;
            match self.read(&format!("select {COLUMNS} from sys_journal{skipped}")).await {
                Err(CopyError::Admin(error)) => {
                    if self.rows > before {
                        patience = self.admin.patience();
                    }
                    patience.wait(error).await?;
                }
                done => return done,
            }
        }
    }

    fn skip_clause(&self) -> String {
        let listed = self.listing.listed.iter().enumerate();
        skip_clause(listed.map(|(at, listed)| (listed.id.partition_key(), self.is_read(at))))
    }

    /// Reads the journals at these places by their ids.
    pub async fn look_up(&mut self, places: &[usize]) -> Result<(), CopyError> {
        for some in places.chunks(IDS_AT_ONCE) {
            let mut sql = format!("select {COLUMNS} from sys_journal where {}", any_of("id", self.ids(some)));
            // Of a journal that grew, only the new end is wanted.
            let written = some.iter().map(|at| self.progress.written(*at)).min().unwrap_or(0);
            if written > 0 {
                sql.push_str(&format!(" and index >= {written}"));
            }
            let mut patience = self.admin.patience();
            while let Err(error) = self.read(&sql).await {
                match error {
                    CopyError::Admin(error) => patience.wait(error).await?,
                    error @ CopyError::Recording(_) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Takes what the server says now of the invocations at these places. Returns those that it does not know any more,
    /// sorted.
    pub async fn list_again(&mut self, places: &[usize]) -> Result<Vec<usize>, CopyError> {
        let mut gone = Vec::new();
        for some in places.chunks(IDS_AT_ONCE) {
            let now = Listing::read_again(self.admin, &self.ids(some)).await?;
            for at in some.iter().copied() {
                let before = self.listing.listed[at];
                match now.find(before.id, usize::MAX - 1).map(|at| now.listed[at]) {
                    None => gone.push(at),
                    Some(listed) if !listed.is_still(&before) => self.fate[at] = JournalFate::Replaced,
                    Some(listed) => self.listing.refresh(at, &now, &listed),
                }
            }
        }
        gone.sort_unstable();
        Ok(gone)
    }

    fn ids(&self, places: &[usize]) -> Vec<String> {
        let id = |at: &usize| self.listing.listed[*at].id.id().map(|id| id.to_string());
        places.iter().filter_map(id).collect()
    }

    async fn read(&mut self, sql: &str) -> Result<(), CopyError> {
        let mut download = self.admin.query_arrow(sql).await?;
        let mut decoder = StreamDecoder::default();
        let mut next_pause = self.rows + self.pace.rows;
        while let Some(chunk) = download.next().await? {
            self.take_chunk(&mut decoder, chunk, &download)?;
            if self.rows >= next_pause {
                next_pause = self.rows + self.pace.rows;
                self.commit()?;
                tokio::time::sleep(self.pace.pause).await;
            }
        }
        if decoder.is_whole() { Ok(()) } else { Err(download.cut_off().into()) }
    }

    fn take_chunk(
        &mut self,
        decoder: &mut StreamDecoder,
        chunk: bytes::Bytes,
        download: &Download,
    ) -> Result<(), CopyError> {
        let mut written = Ok(());
        let decoded = decoder.push(chunk, |batch| {
            if written.is_ok() {
                written = self.take_batch(batch)?;
            }
            Ok(())
        });
        written?;
        Ok(decoded.map_err(|error| download.malformed(&error))?)
    }

    fn take_batch(&mut self, batch: DecodedRows<'_>) -> Result<Result<(), RecordingError>, IpcError> {
        let before = self.rows;
        let mut written = Ok(());
        let mut last: (String, Option<usize>) = (String::new(), None);
        batch.each(|row, _| {
            let Ok(DecodedRow::Entry(row)) = row else { return };
            if last.0 != row.id {
                last.0.clear();
                last.0.push_str(row.id);
                last.1 = IdOrder::of(row.id).and_then(|id| self.listing.find(id, self.near));
            }
            let Some(at) = last.1 else { return };
            self.near = at;
            if written.is_ok() && self.fate[at] == JournalFate::Open && self.progress.add(at, row.index) {
                self.rows += 1;
                written = self.push(at, row);
            }
        })?;
        if self.rows > before {
            (self.report)(self.rows, self.total);
        }
        Ok(written)
    }

    /// Writes a row of the journal at this place.
    pub fn push(&mut self, at: usize, row: RowRef<'_>) -> Result<(), RecordingError> {
        if self.sink.wants_info(row.id) {
            let sink = &mut *self.sink;
            return self.listing.with_info(&self.listing.listed[at], |info| sink.push(row, Some(info)));
        }
        self.sink.push(row, None)
    }

    /// Makes sure that what was written survives an interruption.
    pub fn commit(&mut self) -> Result<(), RecordingError> {
        let Self { sink, progress, listing, .. } = self;
        sink.commit(|| {
            let ranges = progress.detached().filter_map(|(at, range)| {
                let id = listing.listed[at].id.id()?.to_string();
                Some(DetachedRange { id, from: range.start, to: range.end })
            });
            ranges.collect()
        })
    }
}
