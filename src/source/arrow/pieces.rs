//! Which rows of one file belong to which journal: its ids, read through once on the way through the file.

use std::ops::Range;

use super::layout::{ColumnSpans, Layout, Span, TextSpans};
use super::message::{ArrowError, Near};
use super::segment::{Batch, integer};
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
    fn new(id: IdOrder, batch: usize, rows: Range<usize>) -> Self {
        let batch = u32::try_from(batch).expect("fewer than 2^32 batches");
        Self { id, batch, row: rows.start as u32, rows: rows.len() as u32 }
    }

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
    /// The ids that the next batches have keys of, or why there are none.
    dictionary: Option<Result<Vec<IdOrder>, String>>,
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

    /// Takes the ids that batches have keys of.
    pub(super) fn take_dictionary(&mut self, texts: &Texts<'_>) {
        let ids: Result<_, ArrowError> = texts.iter().map(|text| Ok(self.id_of(text?))).collect();
        self.dictionary = Some(ids.map_err(|error| error.to_string()));
    }

    /// Takes the pieces of a batch.
    pub(super) fn take_batch(&mut self, rows: Rows<'_>, (layout, place): (Layout, TextSpans), buffer: &mut Scratch) {
        let before = self.pieces.len();
        let taken = match layout {
            Layout::Bytes { width } => self.plain(rows, (width, place.texts), buffer),
            Layout::Runs { ends, values } => self.runs(rows, (ends, values, place), buffer),
            Layout::Dictionary { width, .. } => self.keyed(rows, (width, place.texts.values), buffer),
            Layout::Integers { .. } => unreachable!("ids are texts, as Columns::of checked"),
        };
        if let Err(error) = taken {
            // What was found in it before is dropped.
            self.pieces.truncate(before);
            self.broken.push(BrokenBatch { batch: rows.number, reason: error.to_string() });
        }
    }

    fn plain(
        &mut self,
        rows: Rows<'_>,
        (width, place): (u8, ColumnSpans),
        buffer: &mut Scratch,
    ) -> Result<(), ArrowError> {
        let texts = Texts::read(rows.near, rows.batch.body, place, rows.batch.rows, width, buffer)?;
        let mut from = 0;
        while from < texts.len() {
            let to = from + texts.same_from(from)?;
            let id = self.id_of(texts.get(from)?);
            self.pieces.push(Piece::new(id, rows.number, from..to));
            from = to;
        }
        Ok(())
    }

    fn runs(
        &mut self,
        rows: Rows<'_>,
        (ends, values, place): (u8, u8, TextSpans),
        buffer: &mut Scratch,
    ) -> Result<(), ArrowError> {
        let ends = run_ends(rows, (ends, place.ends), buffer)?;
        let texts = Texts::read(rows.near, rows.batch.body, place.texts, ends.len() as u32, values, buffer)?;
        let mut from = 0;
        for (run, to) in ends.into_iter().enumerate() {
            let id = self.id_of(texts.get(run)?);
            self.pieces.push(Piece::new(id, rows.number, from..to));
            from = to;
        }
        Ok(())
    }

    fn keyed(&mut self, rows: Rows<'_>, (width, place): (u8, Span), buffer: &mut Scratch) -> Result<(), ArrowError> {
        let ids = match &self.dictionary {
            Some(Ok(ids)) => ids,
            Some(Err(reason)) => return Err(ArrowError::Malformed(reason.clone())),
            None => return Err(ArrowError::Malformed("a batch comes before its dictionary".to_owned())),
        };
        let pieces = &mut self.pieces;
        let mut take = |run: Range<usize>, key: &[u8]| {
            let id = usize::try_from(integer(key)).ok().and_then(|key| ids.get(key));
            let id = id.ok_or_else(|| {
                ArrowError::Malformed(format!("row {} of a batch has an id beyond its dictionary", run.start))
            })?;
            pieces.push(Piece::new(*id, rows.number, run));
            Ok(())
        };
        let len = rows.batch.rows as usize * usize::from(width);
        let keys = rows.near.read(rows.batch.body + u64::from(place.at), len, buffer)?;
        match width {
            1 => each_run(keys.as_chunks::<1>().0, &mut take),
            2 => each_run(keys.as_chunks::<2>().0, &mut take),
            4 => each_run(keys.as_chunks::<4>().0, &mut take),
            _ => each_run(keys.as_chunks::<8>().0, &mut take),
        }
    }

    /// Notes the next row, which is of another journal than the row before.
    pub(super) fn start_text(&mut self, text: &[u8], batch: usize, row: usize) {
        let id = self.id_of(text);
        self.pieces.push(Piece::new(id, batch, row..row + 1));
    }

    /// Notes the next row, which is of the same journal as the row before.
    pub(super) fn grow(&mut self) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.rows += 1;
        }
    }
}

/// The rows of a batch, with what is at hand of its file, and its number there.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub near: Near<'a>,
    pub batch: &'a Batch,
    pub number: usize,
}

/// A batch whose ids can not be read.
#[derive(Debug)]
pub struct BrokenBatch {
    pub batch: usize,
    pub reason: String,
}

/// Behind which row each run of a batch's rows ends.
fn run_ends(rows: Rows<'_>, (width, place): (u8, Span), buffer: &mut Scratch) -> Result<Vec<usize>, ArrowError> {
    let ends = rows.near.read(rows.batch.body + u64::from(place.at), place.len as usize, buffer)?;
    let ends: Vec<usize> = ends.chunks_exact(width.into()).map(|end| integer(end) as usize).collect();
    let ascend = ends.is_sorted_by(|one, next| one < next) && ends.first() != Some(&0);
    if ascend && ends.last().copied().unwrap_or(0) == rows.batch.rows as usize {
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
