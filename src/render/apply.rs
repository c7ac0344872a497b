//! `rehearse apply` as text for people: what a plan is about to do, each turn, and the summary.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use super::style::{BOLD, DIM, GREEN, RED, YELLOW};
use super::text::{number, truncate as cut, write_wrapped};
use super::{brief, escaped};
use crate::journal::InvocationInfo;
use crate::operate::{ActionKind, ActionOutcome, ApplySummary, Plan, PlannedAction, RepointOutcome, TurnResult};

/// Longer reasons are cut off here.
const REASON: usize = 300;

/// Writes what a plan is about to do, by handler and cause.
pub fn write_intent(plan: &Plan, to: &dyn Fn(usize) -> String, out: &mut dyn Write) -> io::Result<()> {
    let mut steps: BTreeMap<(String, String), u64> = BTreeMap::new();
    for action in plan.todo() {
        let what = match &action.kind {
            ActionKind::Resume { candidate } => format!("to resume on {}", to(*candidate)),
            ActionKind::Restart { candidate, kill_first: true, .. } => {
                format!("to kill, and start anew on {}", to(*candidate))
            }
            ActionKind::Restart { candidate, .. } => format!("to start anew on {}", to(*candidate)),
            ActionKind::Leave => continue,
        };
        let what = format!("{} {what}", handler_of(action));
        *steps.entry((what, action.cause.clone())).or_default() += 1;
    }
    writeln!(out, "{BOLD}On {}{BOLD:#}, by a plan of {}:", brief(&plan.admin_url), brief(&plan.made_at))?;
    for ((what, cause), n) in &steps {
        writeln!(out, "  {} {}  {DIM}cause {}{DIM:#}", number(*n), brief(what), brief(cause))?;
    }
    let left = plan.actions.len() as u64 - plan.todo().count() as u64;
    if left > 0 {
        writeln!(out, "  {} to be left as they are", number(left))?;
    }
    Ok(())
}

/// `Order/process`
fn handler_of(action: &PlannedAction) -> String {
    let info = InvocationInfo { target: action.target.clone(), ..InvocationInfo::default() };
    info.service_and_handler().map(|(service, handler)| format!("{service}/{handler}")).unwrap_or_default()
}

/// Writes every action, one after the other.
pub fn write_actions(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    for action in &plan.actions {
        let target = action.target.as_deref().map(|target| brief(target).into_owned()).unwrap_or_default();
        writeln!(out, "\n{BOLD}{}{BOLD:#}  {}  {target}", action.kind.name(), brief(&action.invocation))?;
        write_wrapped("  ", &escaped(&action.reason), out)?;
        for line in &action.cli {
            writeln!(out, "  {DIM}${DIM:#} {}", escaped(line))?;
        }
    }
    Ok(())
}

/// Writes how one turn ended.
pub fn write_turn(action: &PlannedAction, turn: &TurnResult, out: &mut dyn Write) -> io::Result<()> {
    let (style, name, detail) = match turn {
        Ok((outcome, detail)) => (style_of(*outcome), outcome.name(), detail.clone()),
        Err(unfinished) => (YELLOW, "unfinished", unfinished.to_string()),
    };
    let target = action.target.as_deref().map(|target| format!("  {}", brief(target))).unwrap_or_default();
    let detail = cut(&escaped(&detail), REASON);
    writeln!(out, "{style}{name}{style:#}  {}{target}  {detail}", brief(&action.invocation))
}

/// Writes how a repoint ended.
pub fn write_repoint(deployment: &str, outcome: &RepointOutcome, out: &mut dyn Write) -> io::Result<()> {
    match outcome {
        RepointOutcome::AlreadyThere => Ok(()),
        RepointOutcome::Refused(found) => {
            writeln!(
                out,
                "{deployment} is left as it is: {} of the {} invocations in flight on it would not replay on {}:",
                found.against.len(),
                found.checked,
                brief(&found.url)
            )?;
            found.against.iter().try_for_each(|(id, why)| writeln!(out, "  {}  {}", brief(id), brief(why)))
        }
        RepointOutcome::Done(found) => {
            let (url, checked) = (brief(&found.url), found.checked);
            writeln!(out, "{deployment} is at {url} now; all {checked} in flight on it replay there")
        }
    }
}

fn style_of(outcome: ActionOutcome) -> Style {
    match outcome {
        ActionOutcome::Completed | ActionOutcome::Progressed | ActionOutcome::Waiting => GREEN,
        ActionOutcome::Moved | ActionOutcome::Left | ActionOutcome::Silent => YELLOW,
        ActionOutcome::Failed => RED,
    }
}

/// Writes how many turns ended how.
pub fn write_apply_summary(summary: &ApplySummary, log: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut said: Vec<String> = ActionOutcome::ALL
        .iter()
        .filter(|outcome| summary.of(**outcome) > 0)
        .map(|outcome| {
            let style = style_of(*outcome);
            format!("{style}{} {}{style:#}", number(summary.of(*outcome)), outcome.name())
        })
        .collect();
    if summary.unfinished > 0 {
        said.push(format!("{YELLOW}{} unfinished{YELLOW:#}", number(summary.unfinished)));
    }
    if summary.not_started > 0 {
        said.push(format!("{} not begun", number(summary.not_started)));
    }
    if said.is_empty() {
        said.push("nothing was to be done".to_owned());
    }
    writeln!(out, "{}", said.join(", "))?;
    if !summary.is_done() {
        writeln!(out, "Run the same command again to go on; what is done is in {}", brief(log))?;
    }
    Ok(())
}
