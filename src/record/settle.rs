//! Settling a copy: reading again what changed while it was read, until it is as the server says it is.

use std::time::Duration;

use super::reader::{CopyError, JournalFate, JournalReader};
use super::row_sink::RowSink;
use crate::source::INCOMPLETE;
use crate::source::arrow::RowRef;

/// How often a journal that grew is read again.
const ROUNDS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Reads again what is not as the server said, and writes down which journals did not become whole.
pub async fn settle<S: RowSink>(reader: &mut JournalReader<'_, S>) -> Result<(), CopyError> {
    // Of an invocation that has not started, the server does not say whether its input is in its journal already.
    let inputs: Vec<usize> = reader.unread().filter(|at| reader.listing.listed[*at].entries.is_none()).collect();
    reader.look_up(&inputs).await?;
    let mut pause = FIRST_PAUSE;
    for round in 0..ROUNDS {
        let open = reader.unfinished();
        if open.is_empty() {
            break;
        }
        if round > 0 {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::debug!(round, journals = open.len(), "not as they were listed");
        let gone = reader.list_again(&open).await?;
        let mut left = reader.unfinished();
        left.retain(|at| gone.binary_search(at).is_err());
        reader.look_up(&left).await?;
        if round + 1 == ROUNDS {
            // What was read last is compared once more.
            let gone = reader.list_again(&left.iter().chain(&gone).copied().collect::<Vec<_>>()).await?;
            gone.into_iter().for_each(|at| reader.fate[at] = JournalFate::Gone);
        }
    }
    // The rows that follow are not committed: a later run may find these journals whole.
    reader.commit()?;
    write_incomplete(reader)
}

/// Writes a row for each journal that did not become whole, so that whoever reads the copy knows it.
fn write_incomplete<S: RowSink>(reader: &mut JournalReader<'_, S>) -> Result<(), CopyError> {
    for at in 0..reader.listing.listed.len() {
        let (entries, written) = (reader.listing.listed[at].entries, reader.progress.written(at));
        let has_detached = reader.progress.has_detached(at);
        let reason = match reader.fate[at] {
            JournalFate::Open if reader.progress.is_whole(at, entries) => continue,
            JournalFate::Gone | JournalFate::Replaced if written == 0 && !has_detached => continue,
            JournalFate::Gone => "its invocation ended and was removed while its journal was read".to_owned(),
            JournalFate::Replaced => "another invocation took its id while its journal was read".to_owned(),
            JournalFate::Open | JournalFate::Incomplete => match entries {
                Some(entries) if written < entries && !has_detached => {
                    format!("it kept growing while it was read: {written} of {entries} entries at last")
                }
                _ => format!(
                    "the server sent other entries than it says there are ({written} of {})",
                    entries.unwrap_or(1)
                ),
            },
        };
        reader.fate[at] = JournalFate::Incomplete;
        let Some(id) = reader.listing.listed[at].id.id() else { continue };
        let entry_type = format!("{INCOMPLETE}{reason}");
        let detached = reader.progress.detached().filter(|(other, _)| *other == at).map(|(_, range)| range.end);
        let index = detached.max().unwrap_or(written);
        reader.push(at, RowRef { id: id.as_str(), index, entry_type: &entry_type, raw: &[], version: 2 })?;
    }
    Ok(())
}
