//! What `rehearse apply` says to people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use super::human::{BOLD, DIM, GREEN, RED, YELLOW, number_u64 as number, write_wrapped};
use super::words::cut;
use super::{brief, escaped};
use crate::journal::InvocationInfo;
use crate::operate::log::Outcome;
use crate::operate::plan::{Action, Plan, Step};
use crate::operate::{Turn, Unfinished};

/// A reason is shown up to here.
const REASON: usize = 300;

/// What a plan is about to do.
pub fn write_intent(plan: &Plan, to: &dyn Fn(usize) -> String, out: &mut dyn Write) -> io::Result<()> {
    let mut steps: BTreeMap<(String, String), u64> = BTreeMap::new();
    for action in plan.todo() {
        let what = match &action.step {
            Step::Resume { candidate } => format!("to resume on {}", to(*candidate)),
            Step::Restart { candidate, kill_first: true, .. } => {
                format!("to kill, and start anew on {}", to(*candidate))
            }
            Step::Restart { candidate, .. } => format!("to start anew on {}", to(*candidate)),
            Step::Leave => continue,
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
fn handler_of(action: &Action) -> String {
    let info = InvocationInfo { target: action.target.clone(), ..InvocationInfo::default() };
    info.service_and_handler().map(|(service, handler)| format!("{service}/{handler}")).unwrap_or_default()
}

/// Every action, one after the other.
pub fn write_actions(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    for action in &plan.actions {
        let target = action.target.as_deref().map(|target| brief(target).into_owned()).unwrap_or_default();
        writeln!(out, "\n{BOLD}{}{BOLD:#}  {}  {target}", action.step.name(), brief(&action.invocation))?;
        write_wrapped("  ", &escaped(&action.reason), out)?;
        for line in &action.cli {
            writeln!(out, "  {DIM}${DIM:#} {}", escaped(line))?;
        }
    }
    Ok(())
}

/// One turn, as it ends.
pub fn write_turn(action: &Action, turn: &Turn, out: &mut dyn Write) -> io::Result<()> {
    let (style, name, detail) = match turn {
        Ok((outcome, detail)) => (style_of(*outcome), outcome.name(), detail.clone()),
        Err(unfinished) => (YELLOW, "unfinished", unfinished.to_string()),
    };
    let target = action.target.as_deref().map(|target| format!("  {}", brief(target))).unwrap_or_default();
    let detail = cut(&escaped(&detail), REASON);
    writeln!(out, "{style}{name}{style:#}  {}{target}  {detail}", brief(&action.invocation))
}

fn style_of(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Completed | Outcome::Progressed | Outcome::Waiting => GREEN,
        Outcome::Moved | Outcome::Left | Outcome::Silent => YELLOW,
        Outcome::Failed => RED,
    }
}

/// How all turns went.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Begun, and not ended.
    pub unfinished: u64,
    pub not_begun: u64,
}

impl Tally {
    pub fn count(&mut self, turn: &Turn) {
        match turn {
            Ok((outcome, _)) => *self.outcomes.entry(*outcome).or_default() += 1,
            Err(Unfinished::NotBegun(_)) => self.not_begun += 1,
            Err(_) => self.unfinished += 1,
        }
    }

    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Everything that was to be done is done.
    pub fn is_done(&self) -> bool {
        self.unfinished + self.not_begun + self.of(Outcome::Silent) == 0
    }
}

pub fn write_tally(tally: &Tally, log: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut said: Vec<String> = Outcome::ALL
        .iter()
        .filter(|outcome| tally.of(**outcome) > 0)
        .map(|outcome| {
            let style = style_of(*outcome);
            format!("{style}{} {}{style:#}", number(tally.of(*outcome)), outcome.name())
        })
        .collect();
    if tally.unfinished > 0 {
        said.push(format!("{YELLOW}{} unfinished{YELLOW:#}", number(tally.unfinished)));
    }
    if tally.not_begun > 0 {
        said.push(format!("{} not begun", number(tally.not_begun)));
    }
    if said.is_empty() {
        said.push("nothing was to be done".to_owned());
    }
    writeln!(out, "{}", said.join(", "))?;
    if !tally.is_done() {
        writeln!(out, "Run the same command again to go on; what is done is in {}", brief(log))?;
    }
    Ok(())
}
