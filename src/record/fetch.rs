//! A journal fetcher: whole journals of some invocations, straight from the cluster into memory, batch by batch.

use super::copy::copy;
use super::journal_buffer::{FetchedJournal, JournalBuffer};
use super::part_file::EarlierRows;
use super::reader::{CopyError, Pace};
use crate::admin::{Admin, ClusterSelection};
use crate::check::Selection;

/// At most this many journals are fetched and held at once.
const BATCH: usize = 256;

/// At most this many bytes of entries are held at once, but for a single journal that is larger.
const BATCH_BYTES: usize = 256 << 20;

/// The largest journal that is read: offsets of entries have 32 bits.
const LARGEST_JOURNAL: usize = u32::MAX as usize;

/// Fetches the journals of some invocations.
#[derive(Debug)]
pub struct JournalFetcher<'a> {
    admin: &'a Admin,
    /// Ids yet to be fetched, the next one last.
    left: Vec<String>,
    size: usize,
}

/// Some of the journals.
#[derive(Debug)]
pub struct FetchedBatch {
    /// The invocations that were asked for. Those that have no journal (any more) are not among the journals.
    pub ids: Vec<String>,
    /// In the order of ids.
    pub journals: Vec<FetchedJournal>,
}

impl<'a> JournalFetcher<'a> {
    pub fn new(admin: &'a Admin, ids: &[String]) -> Self {
        Self { admin, left: ids.iter().rev().cloned().collect(), size: BATCH }
    }

    /// The next journals; `None` when all were fetched.
    pub async fn next(&mut self) -> Result<Option<FetchedBatch>, CopyError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let mut ids = self.left.split_off(self.left.len().saturating_sub(self.size));
        ids.reverse();
        let limit = if ids.len() == 1 { LARGEST_JOURNAL } else { BATCH_BYTES };
        let mut buffer = JournalBuffer::new(limit);
        let selection = Selection { invocations: ids.iter().cloned().collect(), ..Selection::default() };
        let selected = ClusterSelection { selection, condition: None };
        copy(self.admin, &selected, Pace::default(), EarlierRows::default(), &mut buffer, &mut |_, _| {}).await?;
        let source = self.admin.url();
        let (mut journals, dropped) = buffer.finish(&source);
        if let [id] = &ids[..]
            && !dropped.is_empty()
        {
            journals.push(FetchedJournal::too_large(id, &source));
        } else if !dropped.is_empty() {
            // What did not fit is fetched with the next batch, which is smaller.
            ids.retain(|id| !dropped.contains(id));
            self.left.extend(dropped.into_iter().rev());
            self.size = (self.size / 2).max(1);
            return Ok(Some(FetchedBatch { ids, journals }));
        }
        self.size = (self.size * 2).min(BATCH);
        Ok(Some(FetchedBatch { ids, journals }))
    }
}
