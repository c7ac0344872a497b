//! Which rows of which files make up which journal: an index of 36 bytes a piece, sorted by id.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::arrow::{Piece, Pieces};
use super::ids::Ids;
use super::input::{Files, Input, Role, SourceFile};
use super::problem::{Problem, SourceError};
use crate::journal::{IdOrder, InvocationInfo, Trace};

/// All journals (or traces) of one side, to be loaded a task at a time.
#[derive(Debug)]
pub struct Corpus {
    pub(super) files: Vec<SourceFile>,
    /// By batch, counted over all files: its file, and its number there.
    pub(super) batches: Vec<(u32, u32)>,
    pub(super) pieces: Vec<Piece>,
    pub(super) info: BTreeMap<IdOrder, InvocationInfo>,
    /// Journals of which something could not be read, with the first reason.
    pub(super) broken: BTreeMap<IdOrder, Problem>,
    /// Traces in the readable form, several for one invocation being several replays.
    traces: BTreeMap<IdOrder, Vec<Trace>>,
    templates: Vec<(TargetPattern, Trace)>,
    pub problems: Vec<Problem>,
}

/// Some journals that lie next to each other in the order of ids: a range of pieces.
pub type Task = Range<usize>;

/// About how much a task reads of each side: both fit the second-level cache, and buffers stay small, since the first
/// use of memory costs more than reading into it.
const TASK_BYTES: u64 = 256 << 10;

/// Ids that are not in Restate's form, of all that belongs to a run.
fn ids_of<'a>(sides: impl IntoIterator<Item = &'a Indexed>) -> Ids {
    Ids::new(sides.into_iter().flat_map(|side| {
        let rows = side.pieces.iter().flat_map(|file| file.others.iter()).map(|text| &**text);
        let traces = side.files.traces.iter().filter_map(|trace| trace.id.as_deref());
        let info = side.files.info.iter().map(|(id, _)| id.as_str());
        let problems = side.files.problems.iter().filter_map(|problem| problem.invocation.as_deref());
        let others = traces.chain(info).chain(problems).filter(|text| IdOrder::of(text).is_none());
        rows.chain(others).map(Box::from).collect::<Vec<Box<str>>>()
    }))
}

/// Files whose ids have been read.
#[derive(Debug)]
struct Indexed {
    files: Files,
    pieces: Vec<Pieces>,
}

impl Indexed {
    fn read(mut files: Files) -> Self {
        let mut pieces = Vec::new();
        for file in &mut files.files {
            let mut found = file.segment.pieces();
            for broken in found.broken.drain(..) {
                files.problems.push(Problem::broken_batch(&file.name, &file.segment, broken));
            }
            pieces.push(found);
        }
        Self { files, pieces }
    }
}

/// Reads recorded journals and a candidate's traces, with one order of ids for both.
pub fn open(recorded: &[Input], candidate: &[Input]) -> Result<(Corpus, Corpus, Ids), SourceError> {
    let room = Arc::default();
    let (recorded, candidate) = rayon::join(
        || Files::open(recorded, Role::Recorded, &room).map(Indexed::read),
        || Files::open(candidate, Role::Candidate, &room).map(Indexed::read),
    );
    let (recorded, candidate) = (recorded?, candidate?);
    let ids = ids_of([&recorded, &candidate]);
    let (recorded, candidate) = rayon::join(|| Corpus::new(recorded, &ids), || Corpus::new(candidate, &ids));
    Ok((recorded, candidate, ids))
}

impl Corpus {
    fn new(indexed: Indexed, ids: &Ids) -> Self {
        let Indexed { files, pieces: found } = indexed;
        let order = |text: &str| ids.order(text).expect("Ids was made of these texts");
        let mut batches: Vec<(u32, u32)> = Vec::new();
        let mut pieces: Vec<Piece> = Vec::new();
        for (file, mut found) in found.into_iter().enumerate() {
            let first = u32::try_from(batches.len()).expect("fewer than 2^32 batches");
            batches.extend((0..files.files[file].segment.batch_count()).map(|batch| (file as u32, batch as u32)));
            for piece in &mut found.pieces {
                piece.batch += first;
                if let Some(place) = piece.id.other_place() {
                    piece.id = order(&found.others[place as usize]);
                }
            }
            if pieces.is_empty() {
                pieces = found.pieces;
            } else {
                pieces.append(&mut found.pieces);
            }
        }
        if !pieces.is_sorted() {
            pieces.par_sort_unstable();
        }
        let mut info: BTreeMap<IdOrder, InvocationInfo> = BTreeMap::new();
        for (id, known) in &files.info {
            let merged = info.remove(&order(id)).unwrap_or_default().or(known);
            info.insert(order(id), merged);
        }
        let mut broken = BTreeMap::new();
        for problem in &files.problems {
            if let Some(id) = &problem.invocation {
                broken.entry(order(id)).or_insert_with(|| problem.clone());
            }
        }
        let mut traces: BTreeMap<IdOrder, Vec<Trace>> = BTreeMap::new();
        let mut templates = Vec::new();
        for named in files.traces {
            match (named.id, named.target) {
                (Some(id), _) => traces.entry(order(&id)).or_default().push(named.trace),
                (None, Some(target)) => templates.push((TargetPattern::new(&target), named.trace)),
                (None, None) => {}
            }
        }
        let mut problems = files.problems;
        problems.sort();
        Self { files: files.files, batches, pieces, info, broken, traces, templates, problems }
    }

    /// Every journal, in the order of ids, in tasks of about `TASK_BYTES`; none begins amid a batch that would be one.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = Vec::new();
        let mut bytes = TASK_BYTES;
        let mut batch = None;
        let mut from = 0;
        while from < self.pieces.len() {
            let to = self.journal_end(from);
            let size: u64 = self.pieces[from..to].iter().map(|piece| self.piece_bytes(piece)).sum();
            let first = self.pieces[from].batch;
            let next = if batch == Some(first) { size } else { size.max(self.batch_bytes(first).min(TASK_BYTES)) };
            batch = Some(first);
            match tasks.last_mut() {
                Some(task) if bytes + next <= TASK_BYTES => {
                    task.end = to;
                    bytes += size;
                }
                _ => {
                    tasks.push(from..to);
                    bytes = size;
                }
            }
            from = to;
        }
        tasks
    }

    fn batch_bytes(&self, batch: u32) -> u64 {
        let (file, batch) = self.batches[batch as usize];
        self.files[file as usize].segment.batch_bytes(batch as usize)
    }

    fn piece_bytes(&self, piece: &Piece) -> u64 {
        let (file, batch) = self.batches[piece.batch as usize];
        u64::from(piece.rows) * self.files[file as usize].segment.row_bytes(batch as usize)
    }

    /// Where the journal whose first piece is at `from` ends.
    pub(super) fn journal_end(&self, from: usize) -> usize {
        let id = self.pieces[from].id;
        from + self.pieces[from..].iter().take_while(|piece| piece.id == id).count()
    }

    /// How many journals there are, those of which nothing could be read left out.
    pub fn journal_count(&self) -> u64 {
        let starts = self.pieces.iter().zip(self.pieces.iter().skip(1)).filter(|(one, next)| one.id != next.id).count();
        starts as u64 + u64::from(!self.pieces.is_empty()) + self.traces.len() as u64
    }

    /// The journals of a task: each a range of pieces.
    pub fn journals(&self, task: Task) -> impl Iterator<Item = (IdOrder, Task)> + '_ {
        let mut from = task.start;
        std::iter::from_fn(move || {
            if from >= task.end {
                return None;
            }
            let journal = from..self.journal_end(from);
            from = journal.end;
            Some((self.pieces[journal.start].id, journal))
        })
    }

    pub fn pieces(&self, range: Task) -> &[Piece] {
        &self.pieces[range]
    }

    /// The pieces of one journal; empty if there is none of that id.
    pub fn find(&self, id: IdOrder) -> Task {
        let from = self.pieces.partition_point(|piece| piece.id < id);
        let rows = self.pieces[from..].iter().take_while(|piece| piece.id == id).count();
        from..from + rows
    }

    /// The pieces of each of these journals, which are in the order of ids.
    pub fn find_all(&self, journals: &[(IdOrder, Task)]) -> Vec<Task> {
        let Some((first, _)) = journals.first() else { return Vec::new() };
        let mut at = self.pieces.partition_point(|piece| piece.id < *first);
        journals
            .iter()
            .map(|(id, _)| {
                // The two sides hold much the same journals, so the next is near.
                at += self.pieces[at..].iter().take_while(|piece| piece.id < *id).count();
                let from = at;
                at += self.pieces[at..].iter().take_while(|piece| piece.id == *id).count();
                from..at
            })
            .collect()
    }

    /// Whether there is a single journal or trace.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.traces.is_empty() && self.templates.is_empty()
    }

    /// Journals of which not a single row could be read.
    pub fn lost(&self) -> impl Iterator<Item = (IdOrder, &Problem)> {
        self.broken.iter().filter(|(id, _)| self.find(**id).is_empty()).map(|(id, problem)| (*id, problem))
    }

    pub fn broken(&self, id: IdOrder) -> Option<&Problem> {
        self.broken.get(&id)
    }

    /// The traces for an invocation: its own, or else the first template that its target fits.
    pub fn traces(&self, id: IdOrder, target: Option<&str>) -> &[Trace] {
        if let Some(traces) = self.traces.get(&id) {
            return traces;
        }
        let fitting = target.and_then(|target| self.templates.iter().find(|(pattern, _)| pattern.fits(target)));
        fitting.map_or(&[], |(_, trace)| std::slice::from_ref(trace))
    }

    /// What the templates are for, with `*` for any key.
    pub(super) fn template_targets(&self) -> impl Iterator<Item = String> + '_ {
        self.templates.iter().map(|(pattern, _)| match &pattern.after {
            Some(after) => format!("{}*{after}", pattern.before),
            None => pattern.before.clone(),
        })
    }

    pub fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }
}

/// `Order/*/process`: a target in which `*` stands for any key.
#[derive(Debug)]
struct TargetPattern {
    before: String,
    after: Option<String>,
}

impl TargetPattern {
    fn new(pattern: &str) -> Self {
        match pattern.split_once('*') {
            Some((before, after)) => Self { before: before.to_owned(), after: Some(after.to_owned()) },
            None => Self { before: pattern.to_owned(), after: None },
        }
    }

    fn fits(&self, target: &str) -> bool {
        match &self.after {
            None => self.before == target,
            Some(after) => {
                target.len() >= self.before.len() + after.len()
                    && target.starts_with(&self.before)
                    && target.ends_with(after.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_any_key() {
        let pattern = TargetPattern::new("Order/*/process");
        assert!(pattern.fits("Order/alice/process") && pattern.fits("Order/a/b/process"));
        assert!(!pattern.fits("Order/process") && !pattern.fits("Order/alice/cancel"));
        assert!(TargetPattern::new("Mail/send").fits("Mail/send"));
    }
}
