//! Corpus: all journals (or traces) of one side, as an index of the spans of their rows, sorted by id.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::arrow::{FileIndex, JournalSpan, JournalSpans};
use super::contents::{Role, SideContents, SourceFile};
use super::ids::Ids;
use super::open::Input;
use super::problem::{Problem, SourceError};
use crate::journal::{IdOrder, InvocationInfo, Trace};

/// All journals (or traces) of one side. A worker loads them one unit of work at a time.
#[derive(Debug)]
pub struct Corpus {
    pub(super) files: Vec<SourceFile>,
    /// For each batch, counted over all files: its file, and its number there.
    pub(super) batches: Vec<(u32, u32)>,
    /// Sorted by id; 36 bytes each.
    pub(super) spans: Vec<JournalSpan>,
    pub(super) info: BTreeMap<IdOrder, InvocationInfo>,
    /// The journals of which something could not be read, with the first reason.
    broken: BTreeMap<IdOrder, Problem>,
    /// Traces in the readable form. Several traces of one invocation are several replays.
    traces: BTreeMap<IdOrder, Vec<Trace>>,
    templates: Vec<(TargetPattern, Trace)>,
    pub problems: Vec<Problem>,
}

/// A range of spans: those of one journal, or those of the adjacent journals that make up a unit of work.
pub type SpanRange = Range<usize>;

/// About how much a unit of work reads of each side. Both sides fit in the second-level cache then; and buffers stay small,
/// since using memory for the first time costs more than reading into it.
const UNIT_BYTES: u64 = 256 << 10;

/// The ids of a run that are not in Restate's form, wherever they occur.
fn ids_of<'a>(sides: impl IntoIterator<Item = &'a OpenedSide>) -> Ids {
    Ids::new(sides.into_iter().flat_map(|side| {
        let rows = side.spans.iter().flat_map(|file| file.others.iter()).map(|text| &**text);
        let traces = side.contents.traces.iter().filter_map(|trace| trace.id.as_deref());
        let info = side.contents.info.iter().map(|(id, _)| id.as_str());
        let problems = side.contents.problems.iter().filter_map(|problem| problem.invocation.as_deref());
        let others = traces.chain(info).chain(problems).filter(|text| IdOrder::of(text).is_none());
        rows.chain(others).map(Box::from).collect::<Vec<Box<str>>>()
    }))
}

/// What was read of one side, and the spans of each of its files.
#[derive(Debug)]
struct OpenedSide {
    contents: SideContents,
    spans: Vec<JournalSpans>,
}

impl OpenedSide {
    fn of(mut contents: SideContents) -> Self {
        let mut spans = Vec::new();
        for file in &mut contents.files {
            let mut found = file.index.take_spans();
            for (batch, reason) in found.broken.drain(..) {
                contents.problems.push(Problem::batch(&file.name, file.index.row_number(batch, 0), &reason));
            }
            spans.push(found);
        }
        Self { contents, spans }
    }
}

/// Opens recorded journals and a candidate's traces, with one order of ids for both.
pub fn open(recorded: &[Input], candidate: &[Input]) -> Result<(Corpus, Corpus, Ids), SourceError> {
    let pool = Arc::default();
    let (recorded, candidate) = rayon::join(
        || SideContents::open(recorded, Role::Recorded, &pool).map(OpenedSide::of),
        || SideContents::open(candidate, Role::Candidate, &pool).map(OpenedSide::of),
    );
    let (recorded, candidate) = (recorded?, candidate?);
    let ids = ids_of([&recorded, &candidate]);
    let (recorded, candidate) = rayon::join(|| Corpus::new(recorded, &ids), || Corpus::new(candidate, &ids));
    Ok((recorded, candidate, ids))
}

impl Corpus {
    fn new(opened: OpenedSide, ids: &Ids) -> Self {
        let OpenedSide { contents, spans: found } = opened;
        let order = |text: &str| ids.order(text).expect("Ids was made of these texts");
        let mut batches: Vec<(u32, u32)> = Vec::new();
        let mut spans: Vec<JournalSpan> = Vec::new();
        for (file, mut found) in found.into_iter().enumerate() {
            let first = u32::try_from(batches.len()).expect("fewer than 2^32 batches");
            batches.extend((0..contents.files[file].index.batch_count()).map(|batch| (file as u32, batch as u32)));
            for span in &mut found.spans {
                span.batch += first;
                if let Some(place) = span.id.other_place() {
                    span.id = order(&found.others[place as usize]);
                }
            }
            if spans.is_empty() {
                spans = found.spans;
            } else {
                spans.append(&mut found.spans);
            }
        }
        if !spans.is_sorted() {
            spans.par_sort_unstable();
        }
        let mut info: BTreeMap<IdOrder, InvocationInfo> = BTreeMap::new();
        for (id, known) in &contents.info {
            let merged = info.remove(&order(id)).unwrap_or_default().or(known);
            info.insert(order(id), merged);
        }
        let mut broken = BTreeMap::new();
        for problem in &contents.problems {
            if let Some(id) = &problem.invocation {
                broken.entry(order(id)).or_insert_with(|| problem.clone());
            }
        }
        let mut traces: BTreeMap<IdOrder, Vec<Trace>> = BTreeMap::new();
        let mut templates = Vec::new();
        for named in contents.traces {
            match (named.id, named.target) {
                (Some(id), _) => traces.entry(order(&id)).or_default().push(named.trace),
                (None, Some(target)) => templates.push((TargetPattern::new(&target), named.trace)),
                (None, None) => {}
            }
        }
        let mut problems = contents.problems;
        problems.sort();
        Self { files: contents.files, batches, spans, info, broken, traces, templates, problems }
    }

    /// Every journal, in the order of ids, in units of work of about `UNIT_BYTES`. A unit never starts inside a batch that
    /// fits in one unit.
    pub fn units(&self) -> Vec<SpanRange> {
        let mut units: Vec<SpanRange> = Vec::new();
        let mut bytes = UNIT_BYTES;
        let mut batch = None;
        let mut from = 0;
        while from < self.spans.len() {
            let to = self.journal_end(from);
            let size: u64 = self.spans[from..to].iter().map(|span| self.span_bytes(span)).sum();
            let first = self.spans[from].batch;
            let next = if batch == Some(first) { size } else { size.max(self.batch_bytes(first).min(UNIT_BYTES)) };
            batch = Some(first);
            match units.last_mut() {
                Some(unit) if bytes + next <= UNIT_BYTES => {
                    unit.end = to;
                    bytes += size;
                }
                _ => {
                    units.push(from..to);
                    bytes = size;
                }
            }
            from = to;
        }
        units
    }

    fn batch_bytes(&self, batch: u32) -> u64 {
        let (index, batch) = self.batch(batch);
        index.batch_bytes(batch)
    }

    fn span_bytes(&self, span: &JournalSpan) -> u64 {
        let (index, batch) = self.batch(span.batch);
        u64::from(span.rows) * index.row_bytes(batch)
    }

    /// The file that a batch is in, and its number there.
    pub(super) fn batch(&self, batch: u32) -> (&FileIndex, usize) {
        let (file, batch) = self.batches[batch as usize];
        (&self.files[file as usize].index, batch as usize)
    }

    /// The name of the file that a span is in.
    pub fn file_of(&self, span: &JournalSpan) -> &str {
        let (file, _) = self.batches[span.batch as usize];
        &self.files[file as usize].name
    }

    /// Where the journal ends whose first span is at `from`.
    pub(super) fn journal_end(&self, from: usize) -> usize {
        let id = self.spans[from].id;
        from + self.spans[from..].iter().take_while(|span| span.id == id).count()
    }

    /// How many journals there are. Those of which nothing could be read do not count.
    pub fn journal_count(&self) -> u64 {
        let starts = self.spans.iter().zip(self.spans.iter().skip(1)).filter(|(one, next)| one.id != next.id).count();
        starts as u64 + u64::from(!self.spans.is_empty()) + self.traces.len() as u64
    }

    /// The journals of a unit of work.
    pub fn journals(&self, unit: SpanRange) -> impl Iterator<Item = (IdOrder, SpanRange)> + '_ {
        let mut from = unit.start;
        std::iter::from_fn(move || {
            if from >= unit.end {
                return None;
            }
            let journal = from..self.journal_end(from);
            from = journal.end;
            Some((self.spans[journal.start].id, journal))
        })
    }

    pub fn spans(&self, range: SpanRange) -> &[JournalSpan] {
        &self.spans[range]
    }

    /// The spans of one journal; none if there is no journal of that id.
    pub fn find(&self, id: IdOrder) -> SpanRange {
        let from = self.spans.partition_point(|span| span.id < id);
        let rows = self.spans[from..].iter().take_while(|span| span.id == id).count();
        from..from + rows
    }

    /// The spans of each of these journals, which must be in the order of ids.
    pub fn find_all(&self, journals: &[(IdOrder, SpanRange)]) -> Vec<SpanRange> {
        let Some((first, _)) = journals.first() else { return Vec::new() };
        let mut at = self.spans.partition_point(|span| span.id < *first);
        journals
            .iter()
            .map(|(id, _)| {
                // Both sides mostly hold the same journals, so the next one is near.
                at += self.spans[at..].iter().take_while(|span| span.id < *id).count();
                let from = at;
                at += self.spans[at..].iter().take_while(|span| span.id == *id).count();
                from..at
            })
            .collect()
    }

    /// Whether there is neither a journal nor a trace.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.traces.is_empty() && self.templates.is_empty()
    }

    /// Journals of which not a single row could be read.
    pub fn lost(&self) -> impl Iterator<Item = (IdOrder, &Problem)> {
        self.broken.iter().filter(|(id, _)| self.find(**id).is_empty()).map(|(id, problem)| (*id, problem))
    }

    pub fn broken(&self, id: IdOrder) -> Option<&Problem> {
        self.broken.get(&id)
    }

    /// The traces of an invocation; several are several replays of it.
    pub fn traces(&self, id: IdOrder) -> &[Trace] {
        self.traces.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The traces that stand for every invocation of a target.
    pub fn templates<'c>(&'c self, target: &'c str) -> impl Iterator<Item = &'c Trace> {
        self.templates.iter().filter(move |(pattern, _)| pattern.fits(target)).map(|(_, trace)| trace)
    }

    /// The targets of all templates, with `*` for any key.
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
