//! Copying journals out of a cluster, whole ones, while they grow.
//!
//! What the server is good at decides how (measured on 1.7.12, CPU of the server): a scan of all journals costs it
//! 0.7 µs a row; a range of partition keys is not looked up but filtered, at 0.4 µs for each row that there is, so that
//! pages by range would scan everything each time; `id in (…)` is looked up, at 8 µs a row, and more than that beyond
//! some hundred ids; a join with `sys_invocation` doubles the cost of a scan, a semi-join triples it. So few journals are
//! looked up, many are scanned for, in one stream that is read no faster than wanted: the server waits with what is not
//! taken yet.
//!
//! A scan sees each journal as it was at some moment, and only ever a beginning of what it became, since journals only
//! grow. What the server then says of an invocation (how many entries it has) shows whether that was all. What is not
//! all is looked up again, and what does not come to rest is written down as just that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::listing::Listing;
use super::part_file::{Begun, Recording, RecordingError};
use super::progress::{Stretch, Tally};
use crate::admin::Chosen;
use crate::admin::any_of;
use crate::admin::{Admin, AdminError, Download, Patience};
use crate::journal::IdOrder;
use crate::source::INCOMPLETE;
use crate::source::arrow::{DecodedRow, DecodedRows, IpcError, RowRef, StreamDecoder};

/// How hard the server is worked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So many rows are taken at a time.
    pub rows: u64,
    /// This long is waited in between.
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

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub journals: u64,
    pub entries: u64,
    /// Whole when an earlier run ended.
    pub resumed: u64,
    /// Invocations without a single entry yet: nothing is in flight.
    pub empty: u64,
    /// They ended and were removed before their journal was read.
    pub gone: u64,
    /// They are in the file with the reason why they can not be judged.
    pub incomplete: u64,
}

/// Ids in one condition.
const AT_ONCE: usize = 100;
/// A row that is looked up costs the server as much as ten that are scanned.
const LOOKED_UP: u64 = 10;
/// So often what grew is read again.
const ROUNDS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Stretches of invocations that a scan leaves out; there is about one a partition.
const LEFT_OUT: usize = 64;

const COLUMNS: &str = "id, index, entry_type, raw, version";

/// Copies what is chosen. `progress` hears of every row, and how many there will be at least.
pub async fn copy(
    admin: &Admin,
    chosen: &Chosen,
    pace: Pace,
    begun: Begun,
    recording: &mut Recording,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let listing = Listing::read(admin, chosen).await?;
    let tally = Tally::new(listing.listed.len());
    let total = listing.entries();
    let fate = vec![Fate::Open; listing.listed.len()];
    let mut copying = Copying { admin, pace, listing, tally, fate, recording, progress, total, rows: 0, near: 0 };
    copying.take_begun(begun);
    let resumed = (0..copying.listing.listed.len()).filter(|at| copying.is_read(*at)).count();
    copying.read_all(chosen).await?;
    copying.settle().await?;
    Ok(Copied { resumed: resumed as u64, ..copying.sum() })
}

/// What is known of a journal beyond its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Gone,
    Replaced,
    Incomplete,
}

/// Partition keys of which everything is whole.
struct LeftOut {
    invocations: usize,
    from: u64,
    to: u64,
    /// Without its last key.
    shorter: Option<(usize, u64)>,
}

impl LeftOut {
    fn extend_to(&mut self, key: u64) {
        if key != self.to {
            self.shorter = Some((self.invocations, self.to));
            self.to = key;
        }
        self.invocations += 1;
    }

    /// Takes a key out again that is the last one; `false` if nothing is left then.
    fn end_before(&mut self, key: u64) -> bool {
        match self.shorter {
            _ if self.to != key => true,
            Some((invocations, to)) => {
                *self = Self { invocations, to, shorter: None, ..*self };
                true
            }
            None => false,
        }
    }
}

struct Copying<'a> {
    admin: &'a Admin,
    pace: Pace,
    listing: Listing,
    tally: Tally,
    fate: Vec<Fate>,
    recording: &'a mut Recording,
    progress: &'a mut dyn FnMut(u64, u64),
    total: u64,
    rows: u64,
    /// Where in the listing the last row was.
    near: usize,
}

impl Copying<'_> {
    /// What an earlier run wrote is not written again.
    fn take_begun(&mut self, begun: Begun) {
        let mut have: BTreeMap<usize, u32> = BTreeMap::new();
        for (id, rows) in begun.rows {
            if let Some(at) = self.listing.find(id, self.near) {
                *have.entry(at).or_default() += rows;
                self.near = at;
            }
        }
        for Stretch { id, from, to } in begun.apart {
            let at = IdOrder::of(&id).and_then(|id| self.listing.find(id, self.near));
            let Some((at, rows)) = at.and_then(|at| Some((at, have.get_mut(&at)?))) else { continue };
            *rows = rows.saturating_sub(to - from);
            self.tally.add_apart(at, from..to);
        }
        for (at, rows) in have {
            self.tally.set(at, rows);
            self.rows += u64::from(rows);
        }
    }

    /// Places of journals that are not known to be whole.
    fn unfinished(&self) -> impl Iterator<Item = usize> + '_ {
        let listed = self.listing.listed.iter().enumerate();
        listed
            .filter(|(at, listed)| self.fate[*at] == Fate::Open && !self.tally.is_whole(*at, listed.entries))
            .map(|(at, _)| at)
    }

    /// Whether there is nothing to be read of one for now.
    fn is_read(&self, at: usize) -> bool {
        self.tally.have(at) > 0 && self.tally.is_whole(at, self.listing.listed[at].entries)
    }

    fn unread(&self) -> impl Iterator<Item = usize> {
        (0..self.listing.listed.len()).filter(|at| !self.is_read(*at))
    }

    async fn read_all(&mut self, chosen: &Chosen) -> Result<(), CopyError> {
        let missing = |at: usize| self.listing.listed[at].entries.unwrap_or(1).saturating_sub(self.tally.have(at));
        let wanted: u64 = self.unread().map(|at| u64::from(missing(at))).sum();
        let everything = chosen.sql().is_none() && chosen.selection.limit.is_none();
        if wanted == 0 {
            return Ok(());
        }
        if !everything || self.rows > 0 {
            let all = self.all_rows().await?;
            tracing::debug!(wanted, all, "rows");
            if wanted * LOOKED_UP < all {
                let places: Vec<usize> = self.unread().collect();
                return self.look_up(&places).await;
            }
        }
        self.scan().await
    }

    /// How many rows a scan goes through.
    async fn all_rows(&self) -> Result<u64, AdminError> {
        #[derive(serde::Deserialize)]
        struct Rows {
            rows: Option<u64>,
        }
        let sums = self.admin.query_json::<Rows>("select sum(journal_size) as rows from sys_invocation_status").await?;
        Ok(sums.first().and_then(|sum| sum.rows).unwrap_or(0))
    }

    /// Everything in one stream; begun again, without what is whole already, whenever it breaks.
    async fn scan(&mut self) -> Result<(), CopyError> {
        let mut patience = Patience::new(self.admin);
        loop {
            let sql = format!("select {COLUMNS} from sys_journal{}", self.left_out());
            let before = self.rows;
            match self.read(&sql).await {
                Err(CopyError::Admin(error)) => {
                    if self.rows > before {
                        patience = Patience::new(self.admin);
                    }
                    patience.wait(error).await?;
                }
                done => return done,
            }
        }
    }

    /// A condition that leaves out the longest stretches of what is whole: the server sends each partition in the order
    /// of its keys, so after an interruption there is one a partition.
    fn left_out(&self) -> String {
        if self.rows == 0 {
            return String::new();
        }
        let mut stretches: Vec<LeftOut> = Vec::new();
        let mut open = false;
        let mut before = None;
        for (at, listed) in self.listing.listed.iter().enumerate() {
            let key = listed.id.partition_key();
            if !self.is_read(at) {
                // Invocations of one key lie together, and can be left out together only.
                if stretches.last_mut().is_some_and(|last| !last.end_before(key)) {
                    stretches.pop();
                }
                open = false;
            } else if open && let Some(last) = stretches.last_mut() {
                last.extend_to(key);
            } else if before != Some(key) {
                stretches.push(LeftOut { invocations: 1, from: key, to: key, shorter: None });
                open = true;
            }
            before = Some(key);
        }
        stretches.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.invocations));
        stretches.truncate(LEFT_OUT);
        let conditions: Vec<String> = stretches
            .iter()
            .map(|LeftOut { from, to, .. }| format!("not (partition_key between {from} and {to})"))
            .collect();
        if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) }
    }

    /// These journals, some at a time.
    async fn look_up(&mut self, places: &[usize]) -> Result<(), CopyError> {
        for some in places.chunks(AT_ONCE) {
            let mut sql = format!("select {COLUMNS} from sys_journal where {}", any_of("id", self.ids(some)));
            // Of what grew its new end is enough.
            let had = some.iter().map(|at| self.tally.have(*at)).min().unwrap_or(0);
            if had > 0 {
                sql.push_str(&format!(" and index >= {had}"));
            }
            let mut patience = Patience::new(self.admin);
            while let Err(error) = self.read(&sql).await {
                match error {
                    CopyError::Admin(error) => patience.wait(error).await?,
                    error => return Err(error),
                }
            }
        }
        Ok(())
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
            if written.is_ok() && self.fate[at] == Fate::Open && self.tally.add(at, row.index) {
                self.rows += 1;
                written = self.push(at, row);
            }
        })?;
        if self.rows > before {
            (self.progress)(self.rows, self.total);
        }
        Ok(written)
    }

    fn push(&mut self, at: usize, row: RowRef<'_>) -> Result<(), RecordingError> {
        if self.recording.begins(row.id) {
            let recording = &mut *self.recording;
            return self.listing.with_info(&self.listing.listed[at], |info| recording.push(row, Some(info)));
        }
        self.recording.push(row, None)
    }

    fn commit(&mut self) -> Result<(), RecordingError> {
        if !self.recording.is_kept() {
            return Ok(());
        }
        let stretches = self.tally.stretches().filter_map(|(at, stretch)| {
            let id = self.listing.listed[at].id.id()?.to_string();
            Some(Stretch { id, from: stretch.start, to: stretch.end })
        });
        self.recording.commit(stretches.collect())
    }

    /// Reads again what is not as the server said, until it comes to rest.
    async fn settle(&mut self) -> Result<(), CopyError> {
        // The server does not say whether what has not begun has its input in its journal already: it is looked for.
        let inputs: Vec<usize> = self.unread().filter(|at| self.listing.listed[*at].entries.is_none()).collect();
        self.look_up(&inputs).await?;
        let mut pause = FIRST_PAUSE;
        for round in 0..ROUNDS {
            let open: Vec<usize> = self.unfinished().collect();
            if open.is_empty() {
                break;
            }
            if round > 0 {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            tracing::debug!(round, journals = open.len(), "not as they were listed");
            let gone = self.list_again(&open).await?;
            let left: Vec<usize> = self.unfinished().filter(|at| gone.binary_search(at).is_err()).collect();
            self.look_up(&left).await?;
            if round + 1 == ROUNDS {
                // What was read last is compared once more.
                let gone = self.list_again(&left.iter().chain(&gone).copied().collect::<Vec<_>>()).await?;
                gone.into_iter().for_each(|at| self.fate[at] = Fate::Gone);
            }
        }
        // Not to be gone on with: in another run they may be whole.
        self.commit()?;
        self.write_incomplete()
    }

    /// Takes the server's present word on these; gives those that it does not know, sorted.
    async fn list_again(&mut self, places: &[usize]) -> Result<Vec<usize>, CopyError> {
        let mut gone = Vec::new();
        for some in places.chunks(AT_ONCE) {
            let now = Listing::read_again(self.admin, &self.ids(some)).await?;
            for at in some.iter().copied() {
                let before = self.listing.listed[at];
                match now.find(before.id, usize::MAX - 1).map(|at| now.listed[at]) {
                    None => gone.push(at),
                    Some(listed) if !listed.is_still(&before) => self.fate[at] = Fate::Replaced,
                    Some(listed) => self.listing.refresh(at, &now, &listed),
                }
            }
        }
        gone.sort_unstable();
        Ok(gone)
    }

    /// A row for each journal that could not be had whole, so that whoever reads the file knows.
    fn write_incomplete(&mut self) -> Result<(), CopyError> {
        for at in 0..self.listing.listed.len() {
            let (entries, have) = (self.listing.listed[at].entries, self.tally.have(at));
            let reason = match self.fate[at] {
                Fate::Open if self.tally.is_whole(at, entries) => continue,
                Fate::Gone | Fate::Replaced if have == 0 && !self.tally.is_apart(at) => continue,
                Fate::Gone => "its invocation ended and was removed while its journal was read".to_owned(),
                Fate::Replaced => "another invocation took its id while its journal was read".to_owned(),
                Fate::Open | Fate::Incomplete => match entries {
                    Some(entries) if have < entries && !self.tally.is_apart(at) => {
                        format!("it kept growing while it was read: {have} of {entries} entries at last")
                    }
                    _ => format!(
                        "the server sent other entries than it says there are ({have} of {})",
                        entries.unwrap_or(1)
                    ),
                },
            };
            self.fate[at] = Fate::Incomplete;
            let Some(id) = self.listing.listed[at].id.id() else { continue };
            let entry_type = format!("{INCOMPLETE}{reason}");
            let index = self.tally.stretches().filter(|(other, _)| *other == at).map(|(_, stretch)| stretch.end);
            let index = index.max().unwrap_or(have);
            self.push(at, RowRef { id: id.as_str(), index, entry_type: &entry_type, raw: &[], version: 2 })?;
        }
        Ok(())
    }

    fn sum(&self) -> Copied {
        let mut copied = Copied::default();
        for at in 0..self.listing.listed.len() {
            let have = self.tally.have(at);
            match self.fate[at] {
                Fate::Incomplete => copied.incomplete += 1,
                Fate::Gone | Fate::Replaced => copied.gone += 1,
                Fate::Open if have == 0 => copied.empty += 1,
                Fate::Open => {
                    copied.journals += 1;
                    copied.entries += u64::from(have);
                }
            }
        }
        copied
    }
}
