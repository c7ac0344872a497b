//! The timeline: both sides of an alignment from top to bottom, for readers who want the whole journal and not one
//! finding in it.

use serde::Serialize;

use super::finding::{describe_await, describe_move};
use crate::diff::{Alignment, Commands, Shape};
use crate::journal::describe;

/// One line of the timeline: the recorded and the replayed command beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    pub recorded: Option<TimelineStep>,
    pub replayed: Option<TimelineStep>,
    pub mark: Mark,
}

/// One side of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineStep {
    /// The command's index on its own side; an await has no index.
    pub index: Option<usize>,
    pub text: String,
}

/// How the two sides of a line compare.
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
    /// Beyond the frontier: not judged.
    Beyond,
    /// This many lines are left out here.
    Folded(usize),
}

/// A longer timeline shows only the lines near a difference.
const MOST_ROWS: usize = 120;

/// Lines kept before and after a difference, where lines are left out.
const AROUND: usize = 4;

/// The check does not judge commands beyond the frontier, so the timeline shows only this many of them.
const BEYOND: usize = 3;

/// The lines of an alignment's timeline.
pub fn timeline(alignment: &Alignment<'_>) -> Vec<TimelineRow> {
    let rows = &alignment.rows;
    let mut lines = Vec::new();
    let mut left_out = 0;
    for at in 0..rows.len() {
        let mut near = at.saturating_sub(AROUND)..(at + AROUND + 1).min(rows.len());
        let kept = rows.len() <= MOST_ROWS || near.any(|at| rows.at(at).shape.is_some());
        if !kept || lines.len() >= MOST_ROWS {
            left_out += 1;
            continue;
        }
        push_left_out(&mut lines, &mut left_out);
        lines.push(line(alignment, at));
    }
    push_left_out(&mut lines, &mut left_out);
    let last = rows.iter().filter_map(|row| row.replayed).max().map_or(0, |last| last + 1);
    // After an early return or a failed await the candidate's further commands are not beyond the frontier.
    let ends =
        rows.iter().next_back().is_some_and(|row| matches!(row.shape, Some(Shape::ReturnedEarly | Shape::Awaited)));
    let beyond = if ends { 0 } else { alignment.replayed.len().saturating_sub(last) };
    lines.extend((last..last + beyond.min(BEYOND)).map(|at| TimelineRow {
        recorded: None,
        replayed: Some(TimelineStep { index: Some(at), text: describe(&alignment.replayed[at]) }),
        mark: Mark::Beyond,
    }));
    push_left_out(&mut lines, &mut beyond.saturating_sub(BEYOND));
    lines
}

/// Ends a run of lines that are left out, if there is one.
fn push_left_out(lines: &mut Vec<TimelineRow>, left_out: &mut usize) {
    if *left_out > 0 {
        lines.push(TimelineRow { recorded: None, replayed: None, mark: Mark::Folded(std::mem::take(left_out)) });
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
