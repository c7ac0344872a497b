//! A journal buffer: a row sink in memory, which puts the rows of a few journals together.

use std::collections::{BTreeMap, BTreeSet};

use super::progress::DetachedRange;
use super::row_sink::{InfoTexts, RecordingError, RowSink};
use crate::journal::{CommandKind, EntryBuffer, EntryKind, IdOrder, InvocationId, InvocationInfo, Journal};
use crate::source::INCOMPLETE;
use crate::source::arrow::RowRef;

/// A journal as it was fetched, or why it cannot be judged.
#[derive(Debug)]
pub struct FetchedJournal {
    pub id: InvocationId,
    pub info: InvocationInfo,
    pub journal: Result<Journal, String>,
}

impl FetchedJournal {
    /// A journal that is larger than any that can be read.
    pub fn too_large(id: &str, source: &str) -> Self {
        let reason = format!("{source}: its journal is larger than 4 GiB");
        Self { id: InvocationId::new(id), info: InvocationInfo::default(), journal: Err(reason) }
    }
}

/// A row sink in memory.
#[derive(Debug, Default)]
pub struct JournalBuffer {
    journals: BTreeMap<IdOrder, BufferedJournal>,
    /// Journals that were dropped because the buffer was full.
    dropped: BTreeSet<IdOrder>,
    bytes: usize,
    /// The most bytes of entries to hold.
    limit: usize,
    /// The id of the last row, and the order that it stands for.
    last: Option<(String, IdOrder)>,
}

#[derive(Debug, Default)]
struct BufferedJournal {
    info: InvocationInfo,
    entries: EntryBuffer,
    /// Entries that came before the ones that precede them.
    detached: BTreeMap<u32, (EntryKind, Vec<u8>)>,
    bytes: usize,
    refusal: Option<String>,
}

impl JournalBuffer {
    /// A buffer that holds at most `limit` bytes of entries, and drops the journals that do not fit.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The journals in the order of their ids, and the ids of those that did not fit. `source` names the cluster in the
    /// reasons for which a journal cannot be judged.
    pub fn finish(self, source: &str) -> (Vec<FetchedJournal>, Vec<String>) {
        let fetched = self.journals.into_iter().filter_map(|(order, buffered)| {
            let id = order.id()?;
            let info = buffered.info.clone();
            let journal = buffered.finish(id.clone()).map_err(|reason| format!("{source}: {reason}"));
            Some(FetchedJournal { id, info, journal })
        });
        let dropped = self.dropped.into_iter().filter_map(|order| Some(order.id()?.to_string()));
        (fetched.collect(), dropped.collect())
    }

    fn order_of(&mut self, id: &str) -> Option<IdOrder> {
        if let Some((last, order)) = &self.last
            && last == id
        {
            return Some(*order);
        }
        let order = IdOrder::of(id)?;
        self.last = Some((id.to_owned(), order));
        Some(order)
    }
}

impl RowSink for JournalBuffer {
    fn wants_info(&self, id: &str) -> bool {
        self.last.as_ref().is_none_or(|(last, _)| last != id)
    }

    fn push(&mut self, row: RowRef<'_>, info: Option<InfoTexts<'_>>) -> Result<(), RecordingError> {
        let Some(order) = self.order_of(row.id) else { return Ok(()) };
        if self.dropped.contains(&order) {
            return Ok(());
        }
        if self.bytes + row.raw.len() > self.limit {
            self.bytes -= self.journals.remove(&order).map_or(0, |journal| journal.bytes);
            self.dropped.insert(order);
            return Ok(());
        }
        let journal = self.journals.entry(order).or_default();
        if let Some(texts) = info {
            // A journal that grew while it was read gets its texts again, and the later ones are right.
            let known = InvocationInfo::from_texts(texts);
            journal.info = known.or(&journal.info);
        }
        self.bytes += row.raw.len();
        journal.bytes += row.raw.len();
        journal.push(row);
        Ok(())
    }

    /// Nothing to do: nobody continues what was in memory.
    fn commit(&mut self, _: impl FnOnce() -> Vec<DetachedRange>) -> Result<(), RecordingError> {
        Ok(())
    }
}

impl BufferedJournal {
    fn push(&mut self, row: RowRef<'_>) {
        let Some(kind) = EntryKind::from_entry_type(row.entry_type) else {
            self.refusal.get_or_insert_with(|| refusal_of(row));
            return;
        };
        if row.index as usize != self.entries.len() {
            self.detached.insert(row.index, (kind, row.raw.to_vec()));
            return;
        }
        self.entries.push(kind, row.raw);
        while let Some((kind, raw)) = self.detached.remove(&(self.entries.len() as u32)) {
            self.entries.push(kind, &raw);
        }
    }

    fn finish(self, id: InvocationId) -> Result<Journal, String> {
        if let Some(reason) = self.refusal {
            return Err(reason);
        }
        if !self.detached.is_empty() {
            return Err(format!("entry {} is missing", self.entries.len()));
        }
        if self.entries.is_empty() || self.entries.view().kind(0) != EntryKind::Command(CommandKind::Input) {
            return Err("its first entry is no Input".to_owned());
        }
        Ok(Journal { id, info: self.info, entries: self.entries })
    }
}

/// Why a journal with this row cannot be judged.
fn refusal_of(row: RowRef<'_>) -> String {
    // The entries of an old journal all have other types.
    if row.version <= 1 {
        return format!(
            "a journal of version {} (service protocol 4 and before), which is not read: \
             let its invocation end where it is",
            row.version
        );
    }
    match row.entry_type.strip_prefix(INCOMPLETE) {
        Some(reason) => reason.to_owned(),
        None => format!("entry {}: unknown entry type {:?}", row.index, row.entry_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT";
    const OTHER: &str = "inv_18tkHTJsTJDO29xk95fdasdKJdBzd1oBni";

    fn push(buffer: &mut JournalBuffer, id: &str, index: u32, entry_type: &str) {
        let info = buffer.wants_info(id).then_some(["Order/a/process", "Order", "a", "process", "", "", "", "", ""]);
        let row = RowRef { id, index, entry_type, raw: b"xyz", version: 2 };
        buffer.push(row, info).unwrap();
    }

    #[test]
    fn rows_in_any_order_become_journals_in_the_order_of_ids() {
        let mut buffer = JournalBuffer::new(100);
        for index in [2, 0, 3, 1] {
            push(&mut buffer, OTHER, index, if index == 0 { "Command: Input" } else { "Command: SetState" });
        }
        push(&mut buffer, ONE, 0, "Command: Input");
        let (journals, dropped) = buffer.finish("http://admin");
        assert!(dropped.is_empty() && journals.is_sorted_by_key(|journal| IdOrder::of(journal.id.as_str())));
        let other = journals.iter().find(|journal| journal.id.as_str() == OTHER).unwrap();
        assert_eq!(other.journal.as_ref().unwrap().entries.len(), 4);
        assert_eq!(other.info.key.as_deref(), Some("a"));
    }

    #[test]
    fn a_journal_that_is_not_whole_says_why() {
        for (rows, reason) in [
            (&[(0, "Command: Input"), (1, "Incomplete: it kept growing")][..], "http://admin: it kept growing"),
            (&[(0, "Command: Input"), (2, "Command: Run")], "http://admin: entry 1 is missing"),
            (&[(0, "Command: Run")], "http://admin: its first entry is no Input"),
            (
                &[(0, "Command: Input"), (1, "Command: Odd")],
                "http://admin: entry 1: unknown entry type \"Command: Odd\"",
            ),
        ] {
            let mut buffer = JournalBuffer::new(100);
            rows.iter().for_each(|(index, entry_type)| push(&mut buffer, ONE, *index, entry_type));
            let (journals, _) = buffer.finish("http://admin");
            assert_eq!(journals[0].journal.as_ref().unwrap_err(), reason);
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_as_a_whole_and_named() {
        let mut buffer = JournalBuffer::new(8);
        push(&mut buffer, ONE, 0, "Command: Input");
        push(&mut buffer, OTHER, 0, "Command: Input");
        push(&mut buffer, OTHER, 1, "Command: Run");
        push(&mut buffer, OTHER, 2, "Command: Run");
        let (journals, dropped) = buffer.finish("http://admin");
        assert_eq!((journals.len(), journals[0].id.as_str()), (1, ONE));
        assert_eq!(dropped, [OTHER]);
    }
}
