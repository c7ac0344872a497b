//! Which rows of one file belong to which journal: its ids, read through once. Ids in the batches themselves are looked
//! at on the way through the file, those in dictionaries (which are few, of large batches) afterwards, in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::layout::Layout;
use super::message::{ArrowError, Near};
use super::segment::{Batch, Dictionary, NO_DICTIONARY, Segment, integer};
use super::store::Scratch;
use super::texts::Texts;
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
        std::str::from_utf8(text).ok().and_then(IdOrder::of).unwrap_or_else(|| {
            self.others.push(String::from_utf8_lossy(text).into());
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
    pub(super) fn take_batch(
        &mut self,
        near: Near<'_>,
        batch: &Batch,
        number: usize,
        layout: Layout,
        buffer: &mut Scratch,
    ) {
        let before = self.pieces.len();
        let taken = match layout {
            Layout::Bytes { width } => self.plain(near, batch, number, width, buffer),
            Layout::Runs { ends, values } => self.runs(near, batch, number, (ends, values), buffer),
            Layout::Integers { .. } | Layout::Dictionary { .. } => unreachable!("these ids are not in the batch"),
        };
        if let Err(error) = taken {
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
        let texts = Texts::read(near, batch.body, batch.id.texts, batch.rows, width, buffer)?;
        let mut from = 0;
        while from < texts.len() {
            let to = from + texts.same_from(from)?;
            let id = self.id_of(texts.get(from)?);
            self.push(id, number, from..to);
            from = to;
        }
        Ok(())
    }

    fn runs(
        &mut self,
        near: Near<'_>,
        batch: &Batch,
        number: usize,
        (ends, values): (u8, u8),
        buffer: &mut Scratch,
    ) -> Result<(), ArrowError> {
        let ends = run_ends(near, batch, ends, buffer)?;
        let texts = Texts::read(near, batch.body, batch.id.texts, ends.len() as u32, values, buffer)?;
        let mut from = 0;
        for (run, to) in ends.into_iter().enumerate() {
            let id = self.id_of(texts.get(run)?);
            self.push(id, number, from..to);
            from = to;
        }
        Ok(())
    }

    /// Notes the next row, which is of another journal than the row before.
    pub(super) fn start_text(&mut self, text: &[u8], batch: usize, row: usize) {
        let id = self.id_of(text);
        self.push(id, batch, row..row + 1);
    }

    fn push(&mut self, id: IdOrder, batch: usize, rows: Range<usize>) {
        let batch = u32::try_from(batch).expect("fewer than 2^32 batches");
        self.pieces.push(Piece { id, batch, row: rows.start as u32, rows: rows.len() as u32 });
    }

    /// Notes the next row, which is of the same journal as the row before.
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
            Layout::Bytes { .. } | Layout::Runs { .. } => Ok(Vec::new()),
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
            let layout = self.columns.id.layout;
            let Layout::Dictionary { width, .. } = layout else {
                pieces.take_batch(Near::none(&self.store), &self.batches[at], at, layout, buffer);
                continue;
            };
            if let Err(error) = self.keyed(at, width, &ids, buffer, &mut pieces) {
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
        texts.iter().map(|text| Ok(pieces.id_of(text?))).collect()
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
        let keys = batch.body + u64::from(batch.id.texts.values.at);
        buffer.clear();
        self.store.read(keys, batch.rows as usize * usize::from(width), buffer)?;
        let mut take = |rows: Range<usize>, key: &[u8]| {
            let id = usize::try_from(integer(key)).ok().and_then(|key| ids.get(key));
            let id = id.ok_or_else(|| {
                ArrowError::Malformed(format!("row {} of a batch has an id beyond its dictionary", rows.start))
            })?;
            pieces.push(*id, at, rows);
            Ok(())
        };
        match width {
            1 => each_run(buffer.as_chunks::<1>().0, &mut take),
            2 => each_run(buffer.as_chunks::<2>().0, &mut take),
            4 => each_run(buffer.as_chunks::<4>().0, &mut take),
            _ => each_run(buffer.as_chunks::<8>().0, &mut take),
        }
    }
}

/// Behind which row each run of a batch's rows ends.
fn run_ends(near: Near<'_>, batch: &Batch, width: u8, buffer: &mut Scratch) -> Result<Vec<usize>, ArrowError> {
    let ends = near.read(batch.body + u64::from(batch.id.ends.at), batch.id.ends.len as usize, buffer)?;
    let ends: Vec<usize> = ends.chunks_exact(width.into()).map(|end| integer(end) as usize).collect();
    let ascend = ends.is_sorted_by(|one, next| one < next) && ends.first() != Some(&0);
    if ascend && ends.last().copied().unwrap_or(0) == batch.rows as usize {
        Ok(ends)
    } else {
        Err(ArrowError::Malformed("the runs of a batch are not its rows".to_owned()))
    }
}

/// Gives each run of rows that have the same key.
fn each_run<const WIDTH: usize>(
    keys: &[[u8; WIDTH]],
    take: &mut impl FnMut(Range<usize>, &[u8]) -> Result<(), ArrowError>,
) -> Result<(), ArrowError> {
    const AT_ONCE: usize = 16;
    let mut from = 0;
    while let Some(key) = keys.get(from) {
        // No early exit inside of a chunk, so that this becomes vector code.
        let is_same = |chunk: &&[[u8; WIDTH]]| chunk.iter().fold(true, |same, next| same & (next == key));
        let rest = &keys[from..];
        let whole = AT_ONCE * rest.chunks_exact(AT_ONCE).take_while(is_same).count();
        let to = from + whole + rest[whole..].iter().take_while(|next| *next == key).count();
        take(from..to, key)?;
        from = to;
    }
    Ok(())
}

impl Dictionary {
    pub fn read<'b>(&self, near: Near<'b>, buffer: &'b mut Scratch) -> Result<Texts<'b>, ArrowError> {
        Texts::read(near, self.body, self.spans, self.rows, self.width, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_the_same_are_counted() {
        let keys: Vec<[u8; 2]> = [(1u16, 1), (2, 16), (3, 17), (2, 5), (900, 40)]
            .iter()
            .flat_map(|(key, count)| vec![key.to_le_bytes(); *count])
            .collect();
        let mut runs = Vec::new();
        each_run(&keys, &mut |rows, key| {
            runs.push((integer(key), rows));
            Ok(())
        })
        .unwrap();
        assert_eq!(runs, [(1, 0..1), (2, 1..17), (3, 17..34), (2, 34..39), (900, 39..79)]);
    }
}
