//! Which rows of one file belong to which journal: its ids, read through once. Ids in the batches themselves are looked
//! at on the way through the file, those in dictionaries (which are few, of large batches) afterwards, in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::layout::{ColumnSpans, Layout};
use super::message::{ArrowError, Near};
use super::segment::{Batch, Dictionary, NO_DICTIONARY, Segment, integer};
use super::store::Scratch;
use crate::journal::IdOrder;

/// Consecutive rows of one journal in one batch. Most journals are one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    pub id: IdOrder,
    pub batch: u32,
    pub row: u32,
    pub rows: u32,
}

impl Piece {
    pub fn range(&self) -> Range<u32> {
        self.row..self.row + self.rows
    }
}

/// Pieces in the order of the file. Ids that are not in Restate's form stand for their place in `others`.
#[derive(Debug, Default)]
pub struct Pieces {
    pub pieces: Vec<Piece>,
    pub others: Vec<Box<str>>,
    /// Batches that are not among them.
    pub broken: Vec<BrokenBatch>,
}

impl Pieces {
    /// The id of a piece as text.
    pub fn text(&self, piece: &Piece) -> String {
        match piece.id.other_place() {
            Some(place) => self.others[place as usize].to_string(),
            None => piece.id.id().map_or_else(String::new, |id| id.to_string()),
        }
    }

    fn id_of(&mut self, text: &[u8]) -> IdOrder {
        let text = String::from_utf8_lossy(text);
        IdOrder::of(&text).unwrap_or_else(|| {
            self.others.push(text.into());
            IdOrder::of_other(self.others.len() as u32 - 1)
        })
    }

    /// Makes room for what comes, by what came up to this place of a file of that size. Growing by doubling would hold
    /// memory that is never used.
    pub(super) fn expect(&mut self, size: u64, upto: u64) {
        let found = self.pieces.len();
        // A few say nothing yet.
        if found > 4 * ENOUGH && self.pieces.capacity() - found < ENOUGH {
            let left = size.saturating_sub(upto) as f64 / upto.max(1) as f64;
            let expected = (found as f64 * left) as usize;
            self.pieces.reserve_exact(expected + expected / 8 + ENOUGH);
        }
    }

    /// Takes the pieces of a batch that has its ids in itself.
    pub(super) fn take_batch(&mut self, near: Near<'_>, batch: &Batch, number: usize, width: u8, buffer: &mut Scratch) {
        let before = self.pieces.len();
        if let Err(error) = self.plain(near, batch, number, width, buffer) {
            self.give_up(number, before, error.to_string());
        }
    }

    fn plain(
        &mut self,
        near: Near<'_>,
        batch: &Batch,
        number: usize,
        width: u8,
        buffer: &mut Scratch,
    ) -> Result<(), ArrowError> {
        let mut before: Option<&[u8]> = None;
        for (row, text) in texts(near, batch.body, batch.id, batch.rows, width, buffer)?.enumerate() {
            let text = text?;
            if before == Some(text) {
                self.grow();
            } else {
                self.start_text(text, number, row);
                before = Some(text);
            }
        }
        Ok(())
    }

    /// Notes the next row, which is of the journal of the row before or of another.
    pub(super) fn start_text(&mut self, text: &[u8], batch: usize, row: usize) {
        let id = self.id_of(text);
        self.start(id, batch, row);
    }

    fn start(&mut self, id: IdOrder, batch: usize, row: usize) {
        let batch = u32::try_from(batch).expect("fewer than 2^32 batches");
        self.pieces.push(Piece { id, batch, row: row as u32, rows: 1 });
    }

    pub(super) fn grow(&mut self) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.rows += 1;
        }
    }

    /// Notes a batch whose ids can not be read, and drops what was found in it before.
    fn give_up(&mut self, batch: usize, found_before: usize, reason: String) {
        self.pieces.truncate(found_before);
        self.broken.push(BrokenBatch { batch, reason });
    }

    fn append(&mut self, mut next: Self) {
        let before = self.others.len() as u32;
        if before > 0 && !next.others.is_empty() {
            for piece in &mut next.pieces {
                if let Some(place) = piece.id.other_place() {
                    piece.id = IdOrder::of_other(before + place);
                }
            }
        }
        self.pieces.append(&mut next.pieces);
        self.others.append(&mut next.others);
        self.broken.append(&mut next.broken);
    }
}

/// A batch whose ids can not be read.
#[derive(Debug)]
pub struct BrokenBatch {
    pub batch: usize,
    pub reason: String,
}

/// Room for the pieces of one batch, mostly.
const ENOUGH: usize = 256;

/// So many groups of batches are read at a time: what is found in them is kept twice for a moment.
const AT_A_TIME: usize = 64;

impl Segment {
    /// The pieces of all journals, batch by batch; a batch may have ids that can not be read. What was found on opening
    /// is given away once.
    pub fn pieces(&mut self) -> Pieces {
        self.found.take().unwrap_or_else(|| self.read_pieces())
    }

    fn read_pieces(&self) -> Pieces {
        // Batches that share a dictionary are read together, so that it is read once.
        let mut groups: Vec<Range<usize>> = Vec::new();
        for at in 0..self.batches.len() {
            match groups.last_mut() {
                Some(group)
                    if self.batches[at].id_dictionary != NO_DICTIONARY
                        && self.batches[at].id_dictionary == self.batches[at - 1].id_dictionary =>
                {
                    group.end = at + 1;
                }
                _ => groups.push(at..at + 1),
            }
        }
        let mut all = Pieces::default();
        let mut seen = 0;
        for some in groups.chunks(AT_A_TIME) {
            let found: Vec<Pieces> = some
                .par_iter()
                .with_min_len(8)
                .map_init(Scratch::default, |buffer, group| self.pieces_of(group.clone(), buffer))
                .collect();
            found.into_iter().for_each(|found| all.append(found));
            seen += some.len();
            all.expect(groups.len() as u64, seen as u64);
        }
        all
    }

    /// The id of the last row, if there is one that can be read.
    pub fn last_id(&self) -> Option<String> {
        let last = self.batches.len().checked_sub(1)?;
        let pieces = self.pieces_of(last..last + 1, &mut Scratch::default());
        pieces.pieces.last().map(|piece| pieces.text(piece))
    }

    fn pieces_of(&self, group: Range<usize>, buffer: &mut Scratch) -> Pieces {
        let mut pieces = Pieces::default();
        let ids = match self.columns.id.layout {
            Layout::Dictionary { .. } => self.dictionary_ids(group.start, buffer, &mut pieces),
            Layout::Bytes { .. } => Ok(Vec::new()),
            Layout::Integers { .. } => unreachable!("ids are texts, as Columns::of checked"),
        };
        let ids = match ids {
            Ok(ids) => ids,
            Err(error) => {
                group.for_each(|at| pieces.give_up(at, 0, error.to_string()));
                return pieces;
            }
        };
        for at in group {
            let before = pieces.pieces.len();
            let read = match self.columns.id.layout {
                Layout::Dictionary { width, .. } => self.keyed(at, width, &ids, buffer, &mut pieces),
                Layout::Bytes { width } => pieces.plain(Near::none(&self.store), &self.batches[at], at, width, buffer),
                Layout::Integers { .. } => unreachable!("ids are texts, as Columns::of checked"),
            };
            if let Err(error) = read {
                pieces.give_up(at, before, error.to_string());
            }
        }
        pieces
    }

    /// The ids in a batch's dictionary.
    fn dictionary_ids(
        &self,
        batch: usize,
        buffer: &mut Scratch,
        pieces: &mut Pieces,
    ) -> Result<Vec<IdOrder>, ArrowError> {
        let dictionary = self.batches[batch].id_dictionary;
        let dictionary = self
            .dictionaries
            .get(dictionary as usize)
            .ok_or_else(|| ArrowError::Malformed("a batch comes before its dictionary".to_owned()))?;
        let texts = dictionary.read(Near::none(&self.store), buffer)?;
        texts.map(|text| Ok(pieces.id_of(text?))).collect()
    }

    fn keyed(
        &self,
        at: usize,
        width: u8,
        ids: &[IdOrder],
        buffer: &mut Scratch,
        pieces: &mut Pieces,
    ) -> Result<(), ArrowError> {
        let batch = &self.batches[at];
        let keys = batch.body + u64::from(batch.id.values.at);
        buffer.clear();
        self.store.read(keys, batch.rows as usize * usize::from(width), buffer)?;
        let mut before = None;
        for (row, key) in buffer.chunks_exact(usize::from(width)).map(integer).enumerate() {
            if before == Some(key) {
                pieces.grow();
                continue;
            }
            let id = usize::try_from(key).ok().and_then(|key| ids.get(key));
            let id = id.ok_or_else(|| {
                ArrowError::Malformed(format!("row {row} of a batch has an id beyond its dictionary"))
            })?;
            pieces.start(*id, at, row);
            before = Some(key);
        }
        Ok(())
    }
}

impl Dictionary {
    pub fn read<'b>(
        &self,
        near: Near<'b>,
        buffer: &'b mut Scratch,
    ) -> Result<impl Iterator<Item = Result<&'b [u8], ArrowError>> + use<'b>, ArrowError> {
        texts(near, self.body, self.spans, self.rows, self.width, buffer)
    }
}

/// A column of texts or binaries, row by row.
fn texts<'b>(
    near: Near<'b>,
    body: u64,
    spans: ColumnSpans,
    rows: u32,
    width: u8,
    buffer: &'b mut Scratch,
) -> Result<impl Iterator<Item = Result<&'b [u8], ArrowError>> + use<'b>, ArrowError> {
    let (rows, width) = (rows as usize, usize::from(width));
    let offsets = if rows == 0 { 0 } else { (rows + 1) * width };
    // The two lie next to each other but for padding, mostly: one read gets both.
    let (from, to) = (spans.values.at, spans.end());
    let gap = spans.data.at.wrapping_sub(from) as usize;
    let together = spans.data.at >= from && (offsets..offsets + 256).contains(&gap);
    let (bytes, data): (&[u8], usize) = if rows == 0 {
        (&[], 0)
    } else if together {
        (near.read(body + u64::from(from), (to - from) as usize, buffer)?, gap)
    } else {
        near.read_both(
            (body + u64::from(from), offsets),
            (body + u64::from(spans.data.at), spans.data.len as usize),
            buffer,
        )?
    };
    let data_of = &bytes[data.min(bytes.len())..];
    let mut from = if rows == 0 { 0 } else { integer(&bytes[..width]) };
    Ok((0..rows).map(move |row| {
        let to = integer(&bytes[(row + 1) * width..(row + 2) * width]);
        let text = data_of.get(from as usize..to as usize);
        from = to;
        text.ok_or_else(|| ArrowError::Malformed(format!("row {row} of a batch lies outside its column")))
    }))
}
