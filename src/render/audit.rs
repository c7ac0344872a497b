//! An audit as text for people: the causes and what each candidate makes of them, then the deployments.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::style::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};
use super::text::{count, number, truncate as cut, write_wrapped};
use super::{brief, escaped};
use crate::operate::{
    AuditReport, DeploymentSurvey, FailingStep, HelpCounts, MatrixCell, MatrixRow, MatrixSubject, Stuck, StuckCause,
    StuckStatus, shell_word,
};
use crate::report::Verdict;

/// Longer messages are cut off here.
const MESSAGE: usize = 600;

/// Without `-v`, causes beyond this number are only counted.
const CAUSES: usize = 40;

/// How much to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDetail {
    Brief,
    /// Also every stuck invocation by name, and the deployments that need no attention.
    Full,
}

pub fn write_audit(report: &AuditReport, detail: AuditDetail, out: &mut dyn Write) -> io::Result<()> {
    let audit = &report.audit;
    let rows = report.rows();
    let shown = if detail == AuditDetail::Full { audit.causes.len() } else { CAUSES };
    for (at, cause) in audit.causes.iter().enumerate().take(shown) {
        write_cause(at + 1, cause, report, out)?;
        write_cells(&rows[at], Some(cause), report, out)?;
        if detail == AuditDetail::Full {
            for member in &cause.members {
                write_member(&audit.stuck[*member], report, out)?;
            }
        }
        writeln!(out)?;
    }
    if audit.causes.len() > shown {
        let more: u64 = audit.causes[shown..].iter().map(|cause| cause.count).sum();
        let causes = number((audit.causes.len() - shown) as u64);
        writeln!(out, "and {causes} causes more, with {} (-v shows them)\n", count(more, "invocation"))?;
    }
    for row in &rows[audit.causes.len()..] {
        if let MatrixSubject::InFlight { deployment, service, handler } = &row.of {
            let name = brief(&format!("{service}/{handler}")).into_owned();
            writeln!(out, "{BOLD}{}{BOLD:#} in flight on {}, not stuck: {name}", number(row.count), brief(deployment))?;
            write_cells(row, None, report, out)?;
            writeln!(out)?;
        }
    }
    write_deployments(report, detail, out)?;
    write_summary(report, out)
}

fn write_cause(place: usize, cause: &StuckCause, report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let handler = brief(&format!("{}/{}", cause.service, cause.handler)).into_owned();
    let code =
        cause.code.as_deref().map_or_else(|| "paused, without a failure".to_owned(), |code| brief(code).into_owned());
    let step = cause.step.as_ref().map(at_step).unwrap_or_default();
    writeln!(
        out,
        "{BOLD}{place}. {RED}{}{RED:#}{BOLD} stuck{BOLD:#}  {BOLD}{handler}{BOLD:#}  {code}{step}  {DIM}cause {}{DIM:#}",
        number(cause.count),
        cause.id
    )?;
    if let Some(message) = &cause.message {
        let message = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        write_wrapped("   ", &cut(&escaped(&message), MESSAGE), out)?;
    }
    let mut where_to = counts_first(&cause.statuses);
    if !cause.deployments.is_empty() {
        let alone = cause.deployments.keys().next().filter(|_| cause.deployments.len() == 1);
        let pinned = alone.map_or_else(|| names_first(&cause.deployments), |id| brief(id).into_owned());
        where_to.push_str(&format!(", pinned to {pinned}"));
    }
    if !cause.sdks.is_empty() {
        let sdks: Vec<String> = cause.sdks.iter().map(|sdk| brief(sdk).into_owned()).collect();
        where_to.push_str(&format!(" ({})", sdks.join(", ")));
    }
    write_wrapped("   ", &where_to, out)?;
    if let Some(oldest) = &cause.oldest {
        let since = oldest.since.as_deref().unwrap_or("an unknown time");
        let ago =
            ago(oldest.since.as_deref(), &report.audit.taken_at).map(|ago| format!(" ({ago})")).unwrap_or_default();
        let target = oldest.target.as_deref().map(|target| brief(target).into_owned()).unwrap_or_default();
        writeln!(out, "   oldest: since {}{ago}, {target} {}", brief(since), brief(&oldest.invocation))?;
    }
    Ok(())
}

/// ` at command 5, call "x"`.
fn at_step(step: &FailingStep) -> String {
    let mut said = String::new();
    if let Some(index) = step.command_index {
        said.push_str(&format!(" at command {index}"));
    }
    if let Some(kind) = &step.command_type {
        said.push_str(&format!("{} {}", if said.is_empty() { " in" } else { "," }, brief(&kind.to_lowercase())));
    }
    if let Some(name) = &step.name {
        said.push_str(&format!(" \"{}\"", brief(name)));
    }
    said
}

fn write_cells(
    row: &MatrixRow,
    cause: Option<&StuckCause>,
    report: &AuditReport,
    out: &mut dyn Write,
) -> io::Result<()> {
    // An invocation that has ended cannot be resumed, only restarted.
    let over = cause.is_some_and(|cause| cause.statuses.contains_key(StuckStatus::Failed.name()));
    for (at, (cell, candidate)) in row.cells.iter().zip(&report.candidates).enumerate() {
        let name = match &candidate.deployment {
            Some(id) => format!("{} ({})", brief(&candidate.url), brief(id)),
            None => brief(&candidate.url).into_owned(),
        };
        writeln!(out, "   {CYAN}on {name}{CYAN:#}: {}", verdict_counts(cell, over))?;
        for (rule, n) in &cell.rules {
            writeln!(out, "      {} {}", number(*n), brief(rule))?;
        }
        for (reason, n) in &cell.reasons {
            write_wrapped("      ", &format!("{} {}", number(*n), cut(&escaped(reason), MESSAGE)), out)?;
        }
        if let Some(id) = cause.and_then(|cause| first_against(cause, at, report)) {
            let (admin, url) = (shell_word(&report.audit.admin_url), shell_word(&candidate.url));
            let id = shell_word(id);
            let line = format!("rehearse check {admin} --invocation {id} --against {url}");
            writeln!(out, "      why: {CYAN}{}{CYAN:#}", escaped(&line))?;
        }
    }
    Ok(())
}

/// The id of one invocation of a cause that a candidate does not replay.
fn first_against<'r>(cause: &StuckCause, candidate: usize, report: &'r AuditReport) -> Option<&'r str> {
    let ids = cause.members.iter().map(|at| report.audit.stuck[*at].id.as_str());
    ids.into_iter().find(|id| {
        let judged = report.matrix.of(id).and_then(|checked| checked.verdicts.get(candidate));
        judged.is_some_and(|judged| matches!(judged.verdict, Verdict::Mismatch | Verdict::Failed))
    })
}

/// `9 would resume, 3 mismatch`.
fn verdict_counts(cell: &MatrixCell, over: bool) -> String {
    let parts = [
        (cell.compatible, GREEN, if over { "would replay" } else { "would resume" }),
        (cell.mismatch, RED, "mismatch"),
        (cell.failed, RED, "would fail"),
        (cell.inconclusive, YELLOW, "inconclusive"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, style, what)| format!("{style}{} {what}{style:#}", number(*n)))
        .collect();
    if said.is_empty() { "nothing was checked".to_owned() } else { said.join(", ") }
}

fn write_member(stuck: &Stuck, report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let target = stuck.info.target().map(|target| brief(&target).into_owned()).unwrap_or_default();
    let deployment = stuck.deployment().map(|id| format!("  {}", brief(id))).unwrap_or_default();
    writeln!(out, "   {}  {target}  {}{DIM}{deployment}{DIM:#}", brief(&stuck.id), stuck.status.name())?;
    if let Some(checked) = report.matrix.of(&stuck.id) {
        for (judged, candidate) in checked.verdicts.iter().zip(&report.candidates) {
            let said = format!("on {}: {}", escaped(&candidate.url), escaped(&judged.sentence()));
            write_wrapped("      ", &said, out)?;
        }
    }
    Ok(())
}

fn write_deployments(report: &AuditReport, detail: AuditDetail, out: &mut dyn Write) -> io::Result<()> {
    let shown = |deployment: &&DeploymentSurvey| {
        detail == AuditDetail::Full || !deployment.removable() || deployment.registered
    };
    let deployments: Vec<&DeploymentSurvey> = report.audit.deployments.iter().filter(shown).collect();
    if deployments.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}Deployments{BOLD:#}")?;
    for deployment in deployments {
        let endpoint = deployment.endpoint.as_deref().map(|endpoint| brief(endpoint).into_owned()).unwrap_or_default();
        let sdk = deployment.sdk.as_deref().map(|sdk| format!("  {}", brief(sdk))).unwrap_or_default();
        writeln!(out, "  {BOLD}{}{BOLD:#}  {endpoint}{DIM}{sdk}{DIM:#}", brief(&deployment.id))?;
        let in_flight = match deployment.in_flight() {
            0 => "drained".to_owned(),
            n => format!("{} in flight: {}", number(n), counts_first(&deployment.in_flight)),
        };
        write_wrapped("    ", &in_flight, out)?;
        if !deployment.callers.is_empty() {
            write_wrapped("    called by ", &names_first(&deployment.callers), out)?;
        }
        for other in &deployment.shares_endpoint_with {
            writeln!(
                out,
                "    {YELLOW}shares its endpoint{YELLOW:#} with {}: what is served there runs both",
                brief(other)
            )?;
        }
        if deployment.removable() {
            let retained = match deployment.retained {
                0 => String::new(),
                n => format!("; {} that completed on it are retained, and could not be restarted there", number(n)),
            };
            writeln!(out, "    {GREEN}can be removed{GREEN:#}{retained}")?;
        } else {
            write_wrapped("    keep it: ", &escaped(&deployment.keep_because.join("; ")), out)?;
        }
    }
    writeln!(out)
}

fn write_summary(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let audit = &report.audit;
    let server = format!("Restate {} at {}", brief(&audit.server_version), brief(&audit.admin_url));
    if audit.stuck.is_empty() {
        return writeln!(out, "{GREEN}nothing is stuck{GREEN:#} on {server}");
    }
    let causes = audit.causes.len();
    let causes = format!("{} {}", number(causes as u64), if causes == 1 { "cause" } else { "causes" });
    write!(out, "{BOLD}{} stuck{BOLD:#} for {causes} on {server}", count(audit.stuck.len() as u64, "invocation"))?;
    if !report.candidates.is_empty() {
        let HelpCounts { would_resume, would_not, undecided } = report.help();
        write!(out, ": {GREEN}{} would resume on a candidate{GREEN:#}", number(would_resume))?;
        if would_not > 0 {
            write!(out, ", {RED}{} on none{RED:#}", number(would_not))?;
        }
        if undecided > 0 {
            write!(out, ", {YELLOW}{} undecided{YELLOW:#}", number(undecided))?;
        }
    }
    writeln!(out)
}

/// `3 paused, 9 backing-off`.
fn counts_first(counts: &BTreeMap<String, u64>) -> String {
    let said: Vec<String> = counts.iter().map(|(name, n)| format!("{} {}", number(*n), brief(name))).collect();
    said.join(", ")
}

/// `dp_1 (3), dp_2 (9)`.
fn names_first(counts: &BTreeMap<String, u64>) -> String {
    let said: Vec<String> = counts.iter().map(|(name, n)| format!("{} ({})", brief(name), number(*n))).collect();
    said.join(", ")
}

/// `3 h`, as far as both times can be read.
pub fn ago(since: Option<&str>, now: &str) -> Option<String> {
    let since: jiff::Timestamp = since?.parse().ok()?;
    let now: jiff::Timestamp = now.parse().ok()?;
    let seconds = now.as_second() - since.as_second();
    Some(match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    })
}
