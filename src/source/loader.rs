//! Loading some journals: the rows they are made of are read in, checked for order, and handed out as entries.

use std::ops::Range;

use super::arrow::{Piece, Segment, Slab};
use super::corpus::{Corpus, Task};
use crate::journal::{CommandKind, Entries, EntryBuffer, EntryKind, IdOrder, InvocationInfo};

/// One worker's reading of one side. Its buffers are reused from task to task.
#[derive(Debug)]
pub struct Loader<'c> {
    corpus: &'c Corpus,
    slabs: Vec<Slab>,
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

/// Rows between two wanted ones that are read along rather than in two goes.
const READ_ALONG: u32 = 64;

impl<'c> Loader<'c> {
    pub fn new(corpus: &'c Corpus) -> Self {
        Self { corpus, slabs: Vec::new(), loaded: Vec::new(), scattered: EntryBuffer::default() }
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
        for (slab, (batch, rows)) in merged.into_iter().enumerate() {
            let (segment, number) = corpus.segment(batch);
            let failed = self.slabs[slab].load(segment, number, rows.clone()).err().map(|error| error.to_string());
            self.loaded.push(LoadedRange { batch, rows, slab, failed });
        }
    }

    /// One of the journals that were read.
    pub fn journal(&mut self, id: IdOrder, pieces: Task) -> Loaded<'_> {
        let corpus = self.corpus;
        let info = corpus.info_of(id, corpus.pieces(pieces.clone()));
        let file = || corpus.file_of(&corpus.pieces[pieces.start]).to_owned();
        match corpus.broken(id) {
            Some(problem) => Loaded { info, entries: Err(problem.to_string()) },
            None => {
                Loaded { info, entries: self.entries(pieces.clone()).map_err(|reason| format!("{}: {reason}", file())) }
            }
        }
    }

    fn entries(&mut self, pieces: Task) -> Result<Entries<'_>, String> {
        let pieces = self.corpus.pieces(pieces);
        if let [piece] = pieces {
            let slab = self.slab_of(piece)?;
            let indexes = self.slabs[slab].indexes(piece.range());
            if ascend_from(0, indexes) {
                let entries = self.slabs[slab].entries(piece.range());
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
        let mut parts: Vec<(u32, usize, Range<u32>)> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let slab = self.slab_of(piece)?;
            self.check_kinds(self.slabs[slab].entries(piece.range()), piece)?;
            parts.push((self.slabs[slab].indexes(piece.range())[0], slab, piece.range()));
        }
        parts.sort_unstable_by_key(|(first, ..)| *first);
        self.scattered.clear();
        for (first, slab, rows) in &parts {
            let slab = &self.slabs[*slab];
            if *first as usize != self.scattered.len() || !ascend_from(*first, slab.indexes(rows.clone())) {
                self.gather_rows(&parts)?;
                break;
            }
            self.scattered.extend(slab.entries(rows.clone()));
        }
        self.check_first(self.scattered.view())
    }

    /// Row by row, where the parts are not whole stretches of the journal.
    fn gather_rows(&mut self, parts: &[(u32, usize, Range<u32>)]) -> Result<(), String> {
        let mut rows: Vec<(u32, usize, u32)> = Vec::new();
        for (_, slab, part) in parts {
            let indexes = self.slabs[*slab].indexes(part.clone());
            rows.extend(indexes.iter().zip(part.clone()).map(|(index, row)| (*index, *slab, row)));
        }
        rows.sort_unstable();
        self.scattered.clear();
        for (at, (index, slab, row)) in rows.iter().enumerate() {
            let at = at as u32;
            if *index < at {
                return Err(format!("index {index} occurs twice"));
            }
            if *index > at {
                return Err(format!("entries {at} to {} are missing", index - 1));
            }
            self.scattered.extend(self.slabs[*slab].entries(*row..*row + 1));
        }
        Ok(())
    }

    fn slab_of(&self, piece: &Piece) -> Result<usize, String> {
        let at = self.loaded.partition_point(|loaded| (loaded.batch, loaded.rows.start) <= (piece.batch, piece.row));
        let loaded = &self.loaded[at - 1];
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
            let text = segment.entry_type(batch, row).unwrap_or_default();
            return Err(format!("row {}: unknown entry type {text:?}", row + 1));
        }
        if slab.has_old()
            && let Ok(Some(version @ 0..=1)) = segment.version(batch, piece.row)
        {
            return Err(format!("a journal of version {version} (service protocol 4 and before), which is not read"));
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

impl Corpus {
    fn segment(&self, batch: u32) -> (&Segment, usize) {
        let (file, batch) = self.batches[batch as usize];
        (&self.files[file as usize].segment, batch as usize)
    }

    pub fn file_of(&self, piece: &Piece) -> &str {
        let (file, _) = self.batches[piece.batch as usize];
        &self.files[file as usize].name
    }

    fn info_of(&self, id: IdOrder, pieces: &[Piece]) -> InvocationInfo {
        let own = self.info.get(&id).cloned().unwrap_or_default();
        pieces.iter().fold(own, |info, piece| {
            let (segment, batch) = self.segment(piece.batch);
            if segment.has_info()
                && let Ok(known) = segment.info(batch, piece.row)
            {
                info.or(&known)
            } else {
                info
            }
        })
    }
}
