//! Loading some journals: the rows they are made of are read in, checked for order, and handed out as entries.

use std::ops::Range;

use super::arrow::{Body, Near, Piece, Scratch, Segment, Slab};
use super::corpus::{Corpus, Task};
use crate::journal::{CommandKind, Entries, EntryBuffer, EntryKind, IdOrder, InvocationInfo};

/// One worker's reading of one side. Its buffers are reused from task to task.
#[derive(Debug)]
pub struct Loader<'c> {
    corpus: &'c Corpus,
    slabs: Vec<Slab<'c>>,
    /// What the slabs' rows are made of.
    bytes: Scratch,
    /// What was read: batch, rows, and the slab; sorted.
    loaded: Vec<LoadedRange>,
    scattered: EntryBuffer,
}

#[derive(Debug)]
struct LoadedRange {
    batch: u32,
    rows: Range<u32>,
    slab: usize,
    failed: Option<String>,
}

/// A journal, or why it can not be judged.
#[derive(Debug)]
pub struct Loaded<'a> {
    pub info: InvocationInfo,
    pub entries: Result<Entries<'a>, String>,
}

/// Journals that lie one behind the other, with nothing amiss in the rows of any.
#[derive(Debug, Default)]
pub struct LoadedRun<'a> {
    pub entries: Entries<'a>,
    /// Behind how many entries each of them ends.
    pub ends: Vec<usize>,
}

/// The entry type of a row, in place of an entry, that says why the journal can not be judged: whoever copied it could not
/// get the whole of it.
pub const INCOMPLETE: &str = "Incomplete: ";

/// Rows between two wanted ones that are read along rather than in two goes.
const READ_ALONG: u32 = 64;

impl<'c> Loader<'c> {
    pub fn new(corpus: &'c Corpus) -> Self {
        Self {
            corpus,
            slabs: Vec::new(),
            bytes: Scratch::default(),
            loaded: Vec::new(),
            scattered: EntryBuffer::default(),
        }
    }

    /// Reads all that these ranges of pieces need.
    pub fn load(&mut self, ranges: impl IntoIterator<Item = Task>) {
        let corpus = self.corpus;
        self.loaded.clear();
        let mut wanted: Vec<(u32, Range<u32>)> = Vec::new();
        for piece in ranges.into_iter().flat_map(|range| corpus.pieces(range)) {
            match wanted.last_mut() {
                Some((batch, rows)) if *batch == piece.batch && rows.end == piece.row => rows.end += piece.rows,
                _ => wanted.push((piece.batch, piece.range())),
            }
        }
        wanted.sort_unstable_by_key(|(batch, rows)| (*batch, rows.start));
        let mut merged: Vec<(u32, Range<u32>)> = Vec::new();
        for (batch, rows) in wanted {
            match merged.last_mut() {
                Some((last, before)) if *last == batch && rows.start <= before.end.saturating_add(READ_ALONG) => {
                    before.end = before.end.max(rows.end);
                }
                _ => merged.push((batch, rows)),
            }
        }
        if self.slabs.len() < merged.len() {
            self.slabs.resize_with(merged.len(), Slab::default);
        }
        self.bytes.clear();
        let mut runs = corpus.runs(&merged).into_iter().peekable();
        let mut body = Ok(Body::UNREAD);
        for (slab, (batch, rows)) in merged.into_iter().enumerate() {
            let (segment, number) = corpus.segment(batch);
            if let Some(run) = runs.next_if(|run| run.first == slab) {
                body = match &run.extent {
                    None => Ok(Body::UNREAD),
                    Some(extent) => {
                        let place = self.bytes.len();
                        segment.read(extent, &mut self.bytes).map(|()| Body::read(extent, place))
                    }
                };
            }
            let failed = match &body {
                Ok(body) => {
                    let loaded = self.slabs[slab].load(segment, number, rows.clone(), *body, &mut self.bytes);
                    loaded.err().map(|error| error.to_string())
                }
                Err(error) => Some(error.to_string()),
            };
            self.loaded.push(LoadedRange { batch, rows, slab, failed });
        }
    }

    /// One of the journals that were read.
    pub fn journal(&mut self, id: IdOrder, pieces: Task) -> Loaded<'_> {
        let corpus = self.corpus;
        let info = self.info_of(id, pieces.clone());
        let file = self.file(&pieces);
        match corpus.broken(id) {
            Some(problem) => Loaded { info, entries: Err(problem.to_string()) },
            None => Loaded { info, entries: self.entries(pieces).map_err(|reason| format!("{file}: {reason}")) },
        }
    }

    /// What is known of the invocation of a journal that was read.
    pub fn info_of(&self, id: IdOrder, pieces: Task) -> InvocationInfo {
        self.corpus.info_with(id, pieces, |piece, segment| match self.slab_of(piece) {
            Ok(slab) => self.slabs[slab].near(segment, &self.bytes),
            Err(_) => segment.far(),
        })
    }

    /// The file that a journal is in, or the first part of it.
    pub fn file(&self, pieces: &Task) -> &'c str {
        self.corpus.pieces.get(pieces.start).map_or("", |piece| self.corpus.file_of(piece))
    }

    /// The first of these journals that lie one behind the other in what was read, in order and whole.
    pub fn run<'t>(&self, journals: impl Iterator<Item = &'t Task>) -> LoadedRun<'_> {
        let mut run = LoadedRun::default();
        let mut read: Option<(&LoadedRange, Range<u32>)> = None;
        for journal in journals {
            let [piece] = self.corpus.pieces(journal.clone()) else { break };
            let rows = piece.range();
            let (loaded, from) = match &read {
                None => (self.loaded_of(piece), rows.start),
                // Rows that follow each other were wanted, and so read, together.
                Some((loaded, before)) if loaded.batch == piece.batch && before.end == rows.start => {
                    (*loaded, before.start)
                }
                Some(_) => break,
            };
            if self.sound(loaded, piece, 0).is_none_or(|entries| self.check_first(entries).is_err()) {
                break;
            }
            read = Some((loaded, from..rows.end));
            run.ends.push((rows.end - from) as usize);
        }
        if let Some((loaded, rows)) = read {
            run.entries = self.slabs[loaded.slab].entries(rows, &self.bytes);
        }
        run
    }

    /// A journal as it lies in what was read, in order and whole, with nothing amiss; `None` where there is more to it.
    pub fn parts(&self, journal: &Task) -> Option<Vec<Entries<'_>>> {
        let mut first = 0;
        let parts = self.corpus.pieces(journal.clone()).iter().map(|piece| {
            let part = self.sound(self.loaded_of(piece), piece, first)?;
            first += piece.rows;
            Some(part)
        });
        let parts: Vec<Entries<'_>> = parts.collect::<Option<_>>()?;
        self.check_first(*parts.first()?).ok()?;
        Some(parts)
    }

    /// The entries of a piece that count up from `first`, with nothing amiss in what was read with them.
    fn sound(&self, loaded: &LoadedRange, piece: &Piece, first: u32) -> Option<Entries<'_>> {
        let (slab, rows) = (&self.slabs[loaded.slab], piece.range());
        let whole = loaded.failed.is_none() && rows.end <= loaded.rows.end && !slab.has_unknown();
        (whole && ascend_from(first, slab.indexes(rows.clone()))).then(|| slab.entries(rows, &self.bytes))
    }

    fn entries(&mut self, pieces: Task) -> Result<Entries<'_>, String> {
        let pieces = self.corpus.pieces(pieces);
        if let [piece] = pieces {
            let slab = self.slab_of(piece)?;
            let indexes = self.slabs[slab].indexes(piece.range());
            if ascend_from(0, indexes) {
                let entries = self.slabs[slab].entries(piece.range(), &self.bytes);
                self.check_kinds(entries, piece)?;
                self.check_first(entries)?;
                return Ok(entries);
            }
        }
        self.gather(pieces)?;
        let entries = self.scattered.view();
        Ok(entries)
    }

    /// Puts rows that lie apart, or out of order, into order.
    fn gather(&mut self, pieces: &[Piece]) -> Result<(), String> {
        let mut parts: Vec<(u32, &Piece)> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let slab = &self.slabs[self.slab_of(piece)?];
            self.check_kinds(slab.entries(piece.range(), &self.bytes), piece)?;
            parts.push((slab.indexes(piece.range())[0], piece));
        }
        parts.sort_unstable();
        self.scattered.clear();
        for (first, piece) in &parts {
            let slab = &self.slabs[self.slab_of(piece)?];
            if *first as usize != self.scattered.len() || !ascend_from(*first, slab.indexes(piece.range())) {
                self.gather_rows(pieces)?;
                break;
            }
            self.scattered.extend(slab.entries(piece.range(), &self.bytes));
        }
        self.check_first(self.scattered.view())
    }

    /// Row by row, where the pieces are not whole stretches of the journal.
    fn gather_rows(&mut self, pieces: &[Piece]) -> Result<(), String> {
        let mut rows: Vec<(u32, usize, u32)> = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let indexes = self.slabs[self.slab_of(piece)?].indexes(piece.range());
            rows.extend(indexes.iter().zip(piece.range()).map(|(index, row)| (*index, at, row)));
        }
        rows.sort_unstable();
        self.scattered.clear();
        for (at, (index, piece, row)) in rows.iter().enumerate() {
            let at = at as u32;
            if *index < at {
                let (one, other) = (&pieces[rows[at as usize - 1].1], &pieces[*piece]);
                let (one, other) = (self.corpus.file_of(one), self.corpus.file_of(other));
                let places = if one == other { String::new() } else { format!(", in {one} and in {other}") };
                return Err(format!("entry {index} occurs twice{places}"));
            }
            if *index == at + 1 {
                return Err(format!("entry {at} is missing"));
            }
            if *index > at {
                return Err(format!("entries {at} to {} are missing", index - 1));
            }
            let slab = self.slab_of(&pieces[*piece])?;
            self.scattered.extend(self.slabs[slab].entries(*row..*row + 1, &self.bytes));
        }
        Ok(())
    }

    fn loaded_of(&self, piece: &Piece) -> &LoadedRange {
        let at = self.loaded.partition_point(|loaded| (loaded.batch, loaded.rows.start) <= (piece.batch, piece.row));
        &self.loaded[at - 1]
    }

    fn slab_of(&self, piece: &Piece) -> Result<usize, String> {
        let loaded = self.loaded_of(piece);
        match &loaded.failed {
            Some(reason) => Err(reason.clone()),
            None => Ok(loaded.slab),
        }
    }

    fn check_kinds(&self, entries: Entries<'_>, piece: &Piece) -> Result<(), String> {
        let (segment, batch) = self.corpus.segment(piece.batch);
        let slab = &self.slabs[self.slab_of(piece)?];
        if slab.has_unknown()
            && let Some(at) = entries.unknown()
        {
            let row = piece.row + at as u32;
            // The entries of an old journal all have other types.
            if let Ok(Some(version @ 0..=1)) = segment.version(batch, row) {
                return Err(format!(
                    "a journal of version {version} (service protocol 4 and before), which is not read: \
                     let its invocation end where it is"
                ));
            }
            let text = segment.entry_type(batch, row).unwrap_or_default();
            if let Some(reason) = text.strip_prefix(INCOMPLETE) {
                return Err(reason.to_owned());
            }
            return Err(format!("row {}: unknown entry type {text:?}", segment.row_number(batch, row)));
        }
        Ok(())
    }

    fn check_first(&self, entries: Entries<'_>) -> Result<(), String> {
        if entries.is_empty() || entries.kind(0) != EntryKind::Command(CommandKind::Input) {
            return Err("its first entry is no Input".to_owned());
        }
        Ok(())
    }
}

/// Whether these count up from `first` without a gap.
fn ascend_from(first: u32, indexes: &[u32]) -> bool {
    // No early exit, so that this becomes vector code.
    indexes.iter().zip(first..).fold(true, |ascend, (index, at)| ascend & (*index == at))
}

/// Batches that lie close behind each other in a file and are read in one go, beginning with this one of those wanted.
struct Run {
    first: usize,
    /// `None` for a batch that is read piecemeal.
    extent: Option<Range<u64>>,
}

/// What lies between two batches and is read along: a call costs as much as copying so many bytes.
const BETWEEN: u64 = 16 << 10;
const LONGEST_RUN: u64 = 512 << 10;

impl Corpus {
    fn runs(&self, wanted: &[(u32, Range<u32>)]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last_file = None;
        for (first, (batch, rows)) in wanted.iter().enumerate() {
            let file = self.batches[*batch as usize].0;
            let (segment, number) = self.segment(*batch);
            let extent = segment.extent(number, rows);
            let before = runs.last_mut().and_then(|run| run.extent.as_mut()).filter(|_| last_file == Some(file));
            last_file = Some(file);
            match (before, &extent) {
                (Some(before), Some(own))
                    if own.start >= before.start
                        && own.start <= before.end + BETWEEN
                        && own.end.max(before.end) - before.start <= LONGEST_RUN =>
                {
                    before.end = before.end.max(own.end);
                }
                _ => runs.push(Run { first, extent }),
            }
        }
        runs
    }

    fn segment(&self, batch: u32) -> (&Segment, usize) {
        let (file, batch) = self.batches[batch as usize];
        (&self.files[file as usize].segment, batch as usize)
    }

    pub fn file_of(&self, piece: &Piece) -> &str {
        let (file, _) = self.batches[piece.batch as usize];
        &self.files[file as usize].name
    }

    /// What is known of a journal's invocation.
    pub(super) fn info_of(&self, id: IdOrder, pieces: Task) -> InvocationInfo {
        self.info_with(id, pieces, |_, segment| segment.far())
    }

    /// The same, with what is at hand of the file that a piece is in.
    fn info_with<'a>(
        &'a self,
        id: IdOrder,
        pieces: Task,
        near: impl Fn(&Piece, &'a Segment) -> Near<'a>,
    ) -> InvocationInfo {
        let own = self.info.get(&id).cloned().unwrap_or_default();
        // A journal that grew while it was copied has a later piece, which knows better.
        self.pieces(pieces).iter().rev().fold(own, |info, piece| {
            let (segment, batch) = self.segment(piece.batch);
            if !segment.has_info() {
                return info;
            }
            match segment.info(near(piece, segment), batch, piece.row) {
                Ok(known) if info == InvocationInfo::default() => known,
                Ok(known) => info.or(&known),
                Err(_) => info,
            }
        })
    }
}
