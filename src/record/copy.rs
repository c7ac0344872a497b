//! A copy of journals out of a running cluster: whole journals, although they grow while they are read.
//!
//! The server's costs decide how journals are read (CPU of the server, measured on 1.7.12). A scan of all journals costs
//! 0.7 µs a row. A range of partition keys is not looked up but filtered, at 0.4 µs for each row that there is, so reading
//! range by range would scan everything each time. `id in (…)` is looked up, at 8 µs a row, and at more than that beyond
//! some hundred ids. A join with `sys_invocation` doubles the cost of a scan, and a semi-join triples it. Therefore few
//! journals are looked up, and many are scanned in one stream. The stream is read no faster than the pace allows: the
//! server waits until its rows are taken.
//!
//! A scan sees each journal as it was at some moment. Journals only grow, so what the scan saw is a beginning of what the
//! journal became. What the server says of the invocation afterwards (how many entries its journal has) shows whether
//! that was all. What was not all is read again, and a journal that keeps growing is written down as incomplete.

use super::listing::Listing;
use super::part_file::{EarlierRows, RecordingFile};
use super::reader::{CopyError, JournalFate, JournalReader, Pace};
use super::row_sink::RowSink;
use super::settle::settle;
use crate::admin::{Admin, ClusterSelection};
use crate::source::CopiedJournals;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopySummary {
    pub journals: u64,
    pub entries: u64,
    /// Journals that an earlier run had copied.
    pub resumed: u64,
    /// Invocations without a single entry yet: nothing of them is in flight.
    pub empty: u64,
    /// Invocations that ended and were removed before their journal was read.
    pub gone: u64,
    /// Journals that are in the copy with the reason why they cannot be judged.
    pub incomplete: u64,
}

impl CopySummary {
    /// Whether there are journals, and all of them are whole.
    pub fn is_complete(&self) -> bool {
        self.journals > 0 && self.incomplete == 0
    }
}

/// Copies the selected journals into a sink. `report` hears of every row: the number of rows so far, and how many there
/// will be at least.
pub async fn copy<S: RowSink>(
    admin: &Admin,
    selected: &ClusterSelection,
    pace: Pace,
    earlier: EarlierRows,
    sink: &mut S,
    report: &mut dyn FnMut(u64, u64),
) -> Result<CopySummary, CopyError> {
    let listing = Listing::read(admin, selected).await?;
    let mut reader = JournalReader::new(admin, listing, pace, sink, report);
    reader.take_earlier(earlier);
    let resumed = (0..reader.listing.listed.len()).filter(|at| reader.is_read(*at)).count();
    reader.read_all(selected).await?;
    settle(&mut reader).await?;
    Ok(CopySummary { resumed: resumed as u64, ..summary(&reader) })
}

/// Copies the selected journals into a temporary file, which is then read as any other file of journals. There may be
/// millions of them.
pub async fn copy_to_temporary(
    admin: &Admin,
    selected: &ClusterSelection,
    pace: Pace,
    report: &mut dyn FnMut(u64, u64),
) -> Result<(CopySummary, CopiedJournals), CopyError> {
    let mut recording = RecordingFile::temporary()?;
    let copied = copy(admin, selected, pace, EarlierRows::default(), &mut recording, report).await?;
    Ok((copied, CopiedJournals { name: admin.url(), file: recording.finish()? }))
}

fn summary<S: RowSink>(reader: &JournalReader<'_, S>) -> CopySummary {
    let mut copied = CopySummary::default();
    for (at, fate) in reader.fate.iter().enumerate() {
        let written = reader.progress.written(at);
        match fate {
            JournalFate::Incomplete => copied.incomplete += 1,
            JournalFate::Gone | JournalFate::Replaced => copied.gone += 1,
            JournalFate::Open if written == 0 => copied.empty += 1,
            JournalFate::Open => {
                copied.journals += 1;
                copied.entries += u64::from(written);
            }
        }
    }
    copied
}
