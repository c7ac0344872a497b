//! Both sides from top to bottom, for those who want to see the whole of a journal and not one finding in it.

use serde::Serialize;

use super::finding::{describe_await, describe_move};
use crate::diff::{Alignment, Commands, Shape};
use crate::journal::describe;

/// One line of the two sides beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    pub recorded: Option<TimelineStep>,
    pub replayed: Option<TimelineStep>,
    pub mark: Mark,
}

/// What one side does in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineStep {
    /// The command's index on its own side; an await has none.
    pub index: Option<usize>,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Agrees,
    Changed,
    Replaced,
    Added,
    Removed,
    Moved,
    ReturnedEarly,
    Awaited,
    /// Behind everything that was recorded: not judged.
    Beyond,
    /// So many lines are left out here.
    Folded(usize),
}

/// Longer journals are shown around what differs in them.
const MOST_ROWS: usize = 120;

/// Lines kept around what differs, where lines are left out.
const AROUND: usize = 4;

/// What the candidate does beyond the frontier is not judged, so a few of its steps are enough.
const BEYOND: usize = 3;

/// The alignment as lines.
pub fn timeline(alignment: &Alignment<'_>) -> Vec<TimelineRow> {
    let rows = &alignment.rows;
    let mut lines = Vec::new();
    let mut folded = 0;
    for at in 0..rows.len() {
        let mut near = at.saturating_sub(AROUND)..(at + AROUND + 1).min(rows.len());
        let kept = rows.len() <= MOST_ROWS || near.any(|at| rows.at(at).shape.is_some());
        if !kept || lines.len() >= MOST_ROWS {
            folded += 1;
            continue;
        }
        fold(&mut lines, &mut folded);
        lines.push(line(alignment, at));
    }
    fold(&mut lines, &mut folded);
    let last = rows.iter().filter_map(|row| row.replayed).max().map_or(0, |last| last + 1);
    // After an early return or a failed await there is nothing that belongs beyond.
    let ends =
        rows.iter().next_back().is_some_and(|row| matches!(row.shape, Some(Shape::ReturnedEarly | Shape::Awaited)));
    let beyond = if ends { 0 } else { alignment.replayed.len().saturating_sub(last) };
    lines.extend((last..last + beyond.min(BEYOND)).map(|at| TimelineRow {
        recorded: None,
        replayed: Some(TimelineStep { index: Some(at), text: describe(&alignment.replayed[at]) }),
        mark: Mark::Beyond,
    }));
    fold(&mut lines, &mut beyond.saturating_sub(BEYOND));
    lines
}

fn fold(lines: &mut Vec<TimelineRow>, folded: &mut usize) {
    if *folded > 0 {
        lines.push(TimelineRow { recorded: None, replayed: None, mark: Mark::Folded(std::mem::take(folded)) });
    }
}

fn line(alignment: &Alignment<'_>, at: usize) -> TimelineRow {
    let row = alignment.rows.at(at);
    let mark = match row.shape {
        None => Mark::Agrees,
        Some(Shape::Changed) => Mark::Changed,
        Some(Shape::Replaced) => Mark::Replaced,
        Some(Shape::Added) => Mark::Added,
        Some(Shape::Removed) => Mark::Removed,
        Some(Shape::Moved) => Mark::Moved,
        Some(Shape::ReturnedEarly) => Mark::ReturnedEarly,
        Some(Shape::Awaited) => Mark::Awaited,
    };
    let step = |commands: &Commands<'_>, at: usize| TimelineStep { index: Some(at), text: describe(&commands[at]) };
    let replayed = match mark {
        Mark::Awaited => Some(TimelineStep { index: None, text: describe_await(alignment) }),
        Mark::Moved => Some(TimelineStep { index: row.replayed, text: describe_move(alignment, at) }),
        _ => row.replayed.map(|at| step(&alignment.replayed, at)),
    };
    TimelineRow { recorded: row.recorded.map(|at| step(&alignment.recorded, at)), replayed, mark }
}
