//! Aligning the whole of both sequences, so that one inserted command is one divergence and what comes after it is
//! still compared.
//!
//! Pairs are made in four rounds: commands that replay would take for each other; the same, moved elsewhere;
//! commands of one kind on the same thing (run, state key, call target); commands of one kind. What is still left
//! side by side was replaced; the rest was removed or added.

use std::collections::HashMap;
use std::hash::Hash;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::commands::Commands;
use super::lockstep::{AddedAwait, Side, Stop, Undecodable};
use crate::journal::command::{Command, Compared, FieldValue, fields};
use crate::journal::{CommandKind, Ending, Entries, EntryKind, Trace};

/// Both sides' commands with what pairs with what.
#[derive(Debug)]
pub struct Alignment<'a> {
    pub recorded: Commands<'a>,
    pub replayed: Commands<'a>,
    /// Top to bottom, up to the frontier.
    pub rows: Vec<Row>,
    /// The await at which replay stops, if it stops at one.
    pub added_await: Option<AddedAwait>,
}

/// One line of the alignment: indexes into `recorded` and `replayed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// `None` where the two agree.
    pub shape: Option<Shape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The same kind of command, with other fields.
    Changed,
    /// Another kind of command.
    Replaced,
    Added,
    Removed,
    /// The same command, elsewhere.
    Moved,
    /// The candidate returned where more is recorded.
    ReturnedEarly,
    /// The candidate waits here for something that has no recorded result.
    Awaited,
}

/// A place where the two sides differ, unjudged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    pub shape: Shape,
    /// Where replay meets it, counting recorded commands.
    pub command_index: usize,
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// Where it stands in [`Alignment::rows`].
    pub row: usize,
}

/// Aligns a journal with what a candidate did.
pub fn align<'a>(recorded: Entries<'a>, replayed: Replayed<'a>, stop: &Stop) -> Result<Alignment<'a>, Undecodable> {
    let mine = Commands::of_entries(recorded);
    let (theirs, ending) = replayed.commands();
    let (prefix, diverges) = match stop {
        Stop::Frontier => (mine.len(), false),
        Stop::Divergence(at) => (*at, true),
        Stop::Returned(at) | Stop::Failed(at) | Stop::TraceEnds(at) => (*at, false),
        Stop::Await(added) => (added.before, false),
    };
    let mut rows = Aligner::new(&mine, &theirs, prefix, diverges, ending)?.rows();
    let mut added_await = None;
    if let Stop::Await(added) = stop {
        // Everything before it is paired, one row a command.
        rows.insert(added.before.min(rows.len()), Row { recorded: None, replayed: None, shape: Some(Shape::Awaited) });
        added_await = Some(added.clone());
    }
    Ok(Alignment { recorded: mine, replayed: theirs, rows, added_await })
}

/// The candidate's side, as bytes or as decoded steps.
#[derive(Clone, Copy, Debug)]
pub enum Replayed<'a> {
    Entries(Entries<'a>),
    Trace(&'a Trace),
}

impl<'a> Replayed<'a> {
    /// The commands, with an Input in front, and how the run ended.
    pub(super) fn commands(self) -> (Commands<'a>, Ending) {
        match self {
            Self::Entries(entries) => (Commands::of_entries(entries), Ending::Unknown),
            Self::Trace(trace) => (Commands::of_trace(trace), trace.ending),
        }
    }
}

impl Alignment<'_> {
    /// Every divergence, in the order in which replay would meet them.
    pub fn divergences(&self) -> Vec<Divergence> {
        // In recorded coordinates, the place of a row that has no recorded command is that of the next that has one.
        let mut next = self.recorded.len();
        let mut places = vec![0; self.rows.len()];
        for (row, place) in self.rows.iter().zip(&mut places).rev() {
            if let (Some(recorded), false) = (row.recorded, row.shape == Some(Shape::Moved)) {
                next = recorded;
            }
            *place = next;
        }
        let mut divergences: Vec<Divergence> = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| {
                let shape = row.shape?;
                let command_index = match (shape, row.recorded) {
                    (Shape::Moved, Some(recorded)) => recorded.min(self.moved_to(row, &places)),
                    (Shape::Awaited, _) => {
                        self.added_await.as_ref().map_or(places[at], |added| added.run.unwrap_or(added.before))
                    }
                    (_, Some(recorded)) => recorded,
                    (_, None) => places[at],
                };
                Some(Divergence { shape, command_index, recorded: row.recorded, replayed: row.replayed, row: at })
            })
            .collect();
        divergences.sort_by_key(|divergence| (divergence.command_index, divergence.row));
        divergences
    }

    /// Where a moved command stands in the replay, in recorded coordinates: before the first recorded command that
    /// is replayed after it.
    fn moved_to(&self, moved: &Row, places: &[usize]) -> usize {
        self.rows
            .iter()
            .zip(places)
            .find(|(row, _)| row.shape != Some(Shape::Moved) && row.replayed > moved.replayed)
            .map_or(self.recorded.len(), |(_, place)| *place)
    }
}

struct Aligner<'a> {
    recorded: &'a Commands<'a>,
    replayed: &'a Commands<'a>,
    prefix: usize,
    /// How many commands at the end are the same bytes on both sides.
    suffix: usize,
    /// Whether the commands right after the prefix are known to differ.
    diverges: bool,
    ending: Ending,
    /// By recorded command: what it pairs with, and how.
    pairs: Vec<Option<(usize, Option<Shape>)>>,
    taken: Vec<bool>,
}

impl<'a> Aligner<'a> {
    /// Commands between what is the same in front and at the end have to be understood.
    fn new(
        recorded: &'a Commands<'a>,
        replayed: &'a Commands<'a>,
        prefix: usize,
        diverges: bool,
        ending: Ending,
    ) -> Result<Self, Undecodable> {
        let (mine, theirs) = (recorded.len(), replayed.len());
        // Where replay stopped, the two are not the same, whatever else they are the same as.
        let most = mine.min(theirs).saturating_sub(prefix + usize::from(diverges));
        let suffix =
            (1..=most).take_while(|back| recorded.same_bytes(mine - back, replayed, theirs - back)).last().unwrap_or(0);
        (prefix..mine - suffix).try_for_each(|at| recorded.decode(at, Side::Recorded))?;
        (prefix..theirs - suffix).try_for_each(|at| replayed.decode(at, Side::Replayed))?;
        let mut aligner = Self {
            recorded,
            replayed,
            prefix,
            suffix,
            diverges,
            ending,
            pairs: vec![None; mine],
            taken: vec![false; theirs],
        };
        for at in 0..prefix.min(theirs) {
            aligner.pair(at, at, None);
        }
        for back in 1..=suffix {
            aligner.pair(mine - back, theirs - back, None);
        }
        Ok(aligner)
    }

    fn pair(&mut self, recorded: usize, replayed: usize, shape: Option<Shape>) {
        self.pairs[recorded] = Some((replayed, shape));
        self.taken[replayed] = true;
    }

    fn rows(mut self) -> Vec<Row> {
        self.pair_same();
        self.pair_moved();
        self.pair_within_gaps(identity, |_| usize::MAX);
        self.pair_within_gaps(same_kind, Gap::reach);
        self.pair_replaced();
        self.lay_out()
    }

    /// Commands that replay would take for each other, but for their completion ids.
    fn pair_same(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let (mine, theirs) = tokens(
            (self.prefix..self.recorded.len() - self.suffix).map(|at| mask.content(&self.recorded[at])),
            (self.prefix..self.replayed.len() - self.suffix).map(|at| mask.content(&self.replayed[at])),
        );
        for (a, b) in equal_pairs(&mine, &theirs) {
            let (recorded, replayed) = (self.prefix + a, self.prefix + b);
            // The only way to differ at the very place where replay stopped, and yet have the same content, is by
            // completion id with nothing before to explain it.
            let by_id_alone = self.diverges && a == 0 && b == 0;
            let shape = (by_id_alone || self.differs_left_out(recorded, replayed)).then_some(Shape::Changed);
            self.pair(recorded, replayed, shape);
        }
    }

    /// Fields that only some of a hand-written trace's commands have are no part of their tokens.
    fn differs_left_out(&self, recorded: usize, replayed: usize) -> bool {
        let (mine, theirs) = (&self.recorded[recorded], &self.replayed[replayed]);
        !theirs.complete
            && mine.differences(theirs).iter().any(|difference| difference.field.compared == Compared::Always)
    }

    fn pair_moved(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let mut free: HashMap<u128, Vec<usize>> = HashMap::new();
        for at in (self.prefix..self.replayed.len()).rev() {
            // The end of a handler does not move: it comes earlier.
            if !self.taken[at] && self.replayed.kind(at) != CommandKind::Output {
                free.entry(mask.content(&self.replayed[at])).or_default().push(at);
            }
        }
        for recorded in self.prefix..self.recorded.len() {
            if self.pairs[recorded].is_some() {
                continue;
            }
            if let Some(places) = free.get_mut(&mask.content(&self.recorded[recorded]))
                && let Some(replayed) = places.pop()
            {
                self.pair(recorded, replayed, Some(Shape::Moved));
            }
        }
    }

    /// Pairs what is left between two pairs, where `token` agrees; of the recorded ones, as many as `reach` says.
    fn pair_within_gaps(&mut self, token: impl Fn(&Command) -> Option<u128>, reach: impl Fn(&Gap) -> usize) {
        for mut gap in self.gaps() {
            gap.recorded.truncate(reach(&gap));
            // Commands without a token pair with nothing: they get one of their own.
            let side = |commands: &Commands<'_>, places: &[usize], salt: u128| -> Vec<u128> {
                places
                    .iter()
                    .enumerate()
                    .map(|(at, place)| token(&commands[*place]).unwrap_or(salt + at as u128))
                    .collect()
            };
            let (mine, theirs) = tokens(
                side(self.recorded, &gap.recorded, 1 << 100).into_iter(),
                side(self.replayed, &gap.replayed, 1 << 101).into_iter(),
            );
            for (a, b) in equal_pairs(&mine, &theirs) {
                self.pair(gap.recorded[a], gap.replayed[b], Some(Shape::Changed));
            }
        }
    }

    /// What is left side by side was replaced; a return in the place of anything ends the handler early.
    fn pair_replaced(&mut self) {
        for Gap { mut recorded, mut replayed, .. } in self.gaps() {
            let is_output = |commands: &Commands<'_>, at: Option<&usize>| {
                at.is_some_and(|at| commands.kind(*at) == CommandKind::Output)
            };
            let both_return = is_output(self.recorded, recorded.last()) && is_output(self.replayed, replayed.last());
            if both_return
                && (recorded.len() == 1 || replayed.len() > 1)
                && let (Some(mine), Some(theirs)) = (recorded.pop(), replayed.pop())
            {
                self.pair(mine, theirs, Some(Shape::Changed));
            }
            for (mine, theirs) in recorded.into_iter().zip(replayed) {
                let returned = self.replayed.kind(theirs) == CommandKind::Output;
                self.pair(mine, theirs, Some(if returned { Shape::ReturnedEarly } else { Shape::Replaced }));
                if returned {
                    break;
                }
            }
        }
    }

    /// The unpaired stretches between pairs that did not move.
    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut gap = Gap::default();
        let mut replayed = self.prefix;
        for recorded in self.prefix..=self.recorded.len() {
            let anchor = match self.pairs.get(recorded) {
                None => self.replayed.len(),
                Some(None) => {
                    gap.recorded.push(recorded);
                    continue;
                }
                Some(Some((_, Some(Shape::Moved)))) => continue,
                Some(Some((anchor, _))) => *anchor,
            };
            gap.replayed.extend((replayed.min(anchor)..anchor).filter(|at| !self.taken[*at]));
            replayed = anchor + 1;
            if !gap.recorded.is_empty() && !gap.replayed.is_empty() {
                gap.breaks_off = recorded == self.recorded.len() && self.breaks_off();
                gaps.push(std::mem::take(&mut gap));
            } else {
                gap = Gap::default();
            }
        }
        gaps
    }

    /// Whether the candidate would have gone on behind its last command.
    fn breaks_off(&self) -> bool {
        let last = self.replayed.len().checked_sub(1);
        self.ending != Ending::Returned && last.is_none_or(|last| self.replayed.kind(last) != CommandKind::Output)
    }

    /// Rows from top to bottom: both sides' order is kept, but for what moved, which stands where it was recorded.
    fn lay_out(mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut next = 0;
        let stays =
            |pair: &Option<(usize, Option<Shape>)>| matches!(pair, Some((_, shape)) if *shape != Some(Shape::Moved));
        let end_of_trace = self.pairs.iter().rposition(stays).map_or(0, |last| last + 1);
        self.part_moved_after_return(end_of_trace);
        for (recorded, pair) in self.pairs.iter().enumerate() {
            let mut row = Row { recorded: Some(recorded), replayed: None, shape: Some(Shape::Removed) };
            match *pair {
                Some((at, shape)) => {
                    if shape != Some(Shape::Moved) {
                        for added in (next..at).filter(|at| !self.taken[*at]) {
                            rows.push(Row { recorded: None, replayed: Some(added), shape: Some(Shape::Added) });
                        }
                        next = at + 1;
                    }
                    row.replayed = Some(at);
                    row.shape = shape;
                }
                None if recorded >= end_of_trace => match self.ending {
                    Ending::Returned => {
                        for added in (next..self.replayed.len()).filter(|at| !self.taken[*at]) {
                            rows.push(Row { recorded: None, replayed: Some(added), shape: Some(Shape::Added) });
                        }
                        row.shape = Some(Shape::ReturnedEarly);
                    }
                    // Behind the trace's end nothing is known.
                    Ending::Unknown | Ending::Suspended | Ending::Failed => continue,
                },
                None => {}
            }
            let returned = row.shape == Some(Shape::ReturnedEarly);
            rows.push(row);
            if returned {
                break;
            }
        }
        rows
    }

    /// What is recorded after the place where the candidate returned is not shown, so nothing moved from there: it
    /// was added.
    fn part_moved_after_return(&mut self, end_of_trace: usize) {
        let returned = self.pairs.iter().enumerate().position(|(recorded, pair)| match pair {
            Some((_, shape)) => *shape == Some(Shape::ReturnedEarly),
            None => recorded >= end_of_trace && self.ending == Ending::Returned,
        });
        for pair in self.pairs.iter_mut().skip(returned.map_or(usize::MAX, |at| at + 1)) {
            if let Some((at, Some(Shape::Moved))) = *pair {
                self.taken[at] = false;
                *pair = None;
            }
        }
    }
}

#[derive(Default)]
struct Gap {
    recorded: Vec<usize>,
    replayed: Vec<usize>,
    /// The replayed side stops here, though the candidate would have gone on.
    breaks_off: bool,
}

impl Gap {
    /// How far into the recorded side to look for commands of one kind. Where the trace breaks off, what it has stands
    /// for what comes first: nothing tells that the rest was removed.
    fn reach(&self) -> usize {
        if self.breaks_off { self.replayed.len() } else { usize::MAX }
    }
}

/// Longest common subsequence by token: pairs of places.
fn equal_pairs(mine: &[u32], theirs: &[u32]) -> Vec<(usize, usize)> {
    capture_diff_slices(Algorithm::Myers, mine, theirs)
        .into_iter()
        .filter_map(|op| match op {
            DiffOp::Equal { old_index, new_index, len } => {
                Some((0..len).map(move |at| (old_index + at, new_index + at)))
            }
            _ => None,
        })
        .flatten()
        .collect()
}

/// Dense numbers for equal values on both sides.
fn tokens(mine: impl Iterator<Item = u128>, theirs: impl Iterator<Item = u128>) -> (Vec<u32>, Vec<u32>) {
    let mut numbers: HashMap<u128, u32> = HashMap::new();
    let mut number = |value: u128| {
        let next = u32::try_from(numbers.len()).expect("fewer than 2^32 commands");
        *numbers.entry(value).or_insert(next)
    };
    (mine.map(&mut number).collect(), theirs.map(&mut number).collect())
}

/// Which fields of each kind are worth hashing: those that every command of a hand-written trace has.
struct FieldMask {
    left_out: HashMap<CommandKind, Vec<&'static str>>,
}

impl FieldMask {
    fn of(replayed: &Commands<'_>) -> Self {
        let mut left_out: HashMap<CommandKind, Vec<&'static str>> = HashMap::new();
        for command in replayed.incomplete() {
            let names = left_out.entry(command.kind.modulo_eager()).or_default();
            for field in fields(command.kind).iter().filter(|field| command.leaves_out(field)) {
                if !names.contains(&field.name) {
                    names.push(field.name);
                }
            }
        }
        Self { left_out }
    }

    /// A hash of all that replay compares, but for completion ids.
    fn content(&self, command: &Command) -> u128 {
        let kind = command.kind.modulo_eager();
        let left_out = self.left_out.get(&kind);
        let mut hasher = SipHasher13::new();
        (kind as u8).hash(&mut hasher);
        for (field, value) in &command.fields {
            if field.compared == Compared::Always && left_out.is_none_or(|names| !names.contains(&field.name)) {
                field.tag.hash(&mut hasher);
                hash_value(value, left_out.is_some(), &mut hasher);
            }
        }
        hasher.finish128().as_u128()
    }
}

fn hash_value(value: &FieldValue, loosely: bool, hasher: &mut SipHasher13) {
    match value {
        FieldValue::Text(text) => text.hash(hasher),
        // Hand-written JSON stands for any notation of it.
        FieldValue::Bytes(bytes) => match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(json) if loosely => hash_json(&json, hasher),
            _ => bytes.hash(hasher),
        },
        FieldValue::Number(number) => number.hash(hasher),
        FieldValue::Void => {}
        FieldValue::Failure(failure) => {
            failure.code.hash(hasher);
            failure.message.hash(hasher);
            hash_headers(&failure.metadata, hasher);
        }
        FieldValue::Headers(headers) => hash_headers(headers, hasher),
        FieldValue::StateKeys(keys) => keys.keys.hash(hasher),
        FieldValue::IdempotentRequest(target) => {
            (&target.service_name, &target.service_key, &target.handler_name, &target.idempotency_key, &target.scope)
                .hash(hasher);
        }
        FieldValue::Workflow(target) => (&target.workflow_name, &target.workflow_key, &target.scope).hash(hasher),
    }
}

fn hash_headers(headers: &[crate::journal::command::Header], hasher: &mut SipHasher13) {
    for header in headers {
        (&header.key, &header.value).hash(hasher);
    }
}

fn hash_json(json: &serde_json::Value, hasher: &mut SipHasher13) {
    let mut sorted = json.clone();
    sorted.sort_all_objects();
    sorted.to_string().hash(hasher);
}

/// A hash of the thing a command works on; `None` for a command on nothing in particular.
fn identity(command: &Command) -> Option<u128> {
    let names: &[&str] = match command.kind.modulo_eager() {
        CommandKind::Run | CommandKind::Sleep => &["name"],
        CommandKind::GetLazyState | CommandKind::SetState | CommandKind::ClearState => &["key"],
        CommandKind::GetPromise | CommandKind::PeekPromise | CommandKind::CompletePromise => &["key"],
        CommandKind::Call | CommandKind::OneWayCall => &["service_name", "handler_name", "key"],
        CommandKind::SendSignal => &["target_invocation_id", "idx", "signal_name"],
        CommandKind::AttachInvocation | CommandKind::GetInvocationOutput => {
            &["invocation_id", "idempotent_request_target", "workflow_target"]
        }
        CommandKind::CompleteAwakeable => &["awakeable_id"],
        CommandKind::Input | CommandKind::ClearAllState | CommandKind::GetLazyStateKeys => &[],
        // Whether a handler returned early or returned something else is told by what stands before it.
        CommandKind::Output => return None,
        CommandKind::GetEagerState | CommandKind::GetEagerStateKeys => unreachable!("modulo_eager made it lazy"),
    };
    let mut hasher = SipHasher13::new();
    (command.kind.modulo_eager() as u8).hash(&mut hasher);
    for name in names {
        match command.get(name) {
            Some(value) => {
                1u8.hash(&mut hasher);
                hash_value(value, false, &mut hasher);
            }
            None => 0u8.hash(&mut hasher),
        }
    }
    Some(hasher.finish128().as_u128())
}

fn same_kind(command: &Command) -> Option<u128> {
    match command.kind.modulo_eager() {
        CommandKind::Output => None,
        kind => Some(EntryKind::Command(kind).code().into()),
    }
}
