//! Findings, excuses and handlers in words, for every format. All of it is escaped.

use super::text::truncate;
use super::{brief, escaped};
use crate::journal::InvocationInfo;
use crate::report::{HandlerName, Invocation};
use crate::rules::{Cause, Change, Excuse, Finding, Rule};

/// Characters of a value that shares a line with other text.
const LONGEST_VALUE: usize = 60;

/// Characters of a step or a path.
const LONGEST_STEP: usize = 160;

/// The finding in one line: `command 5: call Stock/reserve, parameter.qty 2 → 3`.
pub fn one_line(finding: &Finding) -> String {
    let at = finding.command_index;
    let row = finding.context.finding();
    let step = |text: &str| truncate(&escaped(text), LONGEST_STEP);
    let recorded = row.as_ref().and_then(|row| row.recorded.as_deref()).map(step);
    let replayed = row.as_ref().and_then(|row| row.replayed.as_deref()).map(step);
    let what = match (recorded, replayed) {
        (Some(recorded), Some(replayed)) if recorded == replayed => recorded,
        (Some(recorded), Some(replayed)) => format!("recorded {recorded}, replayed {replayed}"),
        (Some(recorded), None) => format!("recorded {recorded}, not replayed"),
        (None, Some(replayed)) => format!("replayed {replayed}, not recorded"),
        (None, None) => escaped(finding.rule).into_owned(),
    };
    let mut line = format!("command {at}: {what}");
    if let Some(change) = finding.changes.first() {
        let (recorded, replayed) = values(change, LONGEST_VALUE);
        let path = truncate(&escaped(&change.path), LONGEST_STEP);
        line.push_str(&format!(
            ", {path} {} → {}",
            truncate(&recorded, LONGEST_VALUE),
            truncate(&replayed, LONGEST_VALUE)
        ));
    }
    match finding.changes.len() {
        0 | 1 => {}
        2 => line.push_str(" and 1 more place"),
        places => line.push_str(&format!(" and {} more places", places - 1)),
    }
    line
}

/// Both values of a change as JSON. Where they share a beginning that would fill the width, both start shortly before the
/// first difference instead.
pub fn values(change: &Change, width: usize) -> (String, String) {
    const BEFORE: usize = 8;
    let text = |value: &Option<serde_json::Value>| match value {
        None => "(absent)".to_owned(),
        Some(value) => escaped(&value.to_string()).into_owned(),
    };
    let (recorded, replayed) = (text(&change.recorded), text(&change.replayed));
    let alike = recorded.chars().zip(replayed.chars()).take_while(|(mine, theirs)| mine == theirs).count();
    if alike + BEFORE < width || recorded == replayed {
        return (recorded, replayed);
    }
    let from = |text: &str| format!("…{}", text.chars().skip(alike.saturating_sub(BEFORE)).collect::<String>());
    (from(&recorded), from(&replayed))
}

/// What to do about an invocation's first finding: the rule's advice, and the deployment that could drain instead.
pub fn advice(rule: &Rule, finding: &Finding, invocation: &Invocation) -> String {
    let advice = rule.advice();
    match &invocation.info.deployment {
        // Draining does not help code that differs from one replay to the next: it gets stuck without a deploy.
        Some(deployment) if finding.cause != Cause::NonDeterminism && !advice.contains("drain") => {
            format!("{advice}, or let {} drain first", brief(deployment))
        }
        _ => advice,
    }
}

/// Why the policy lets a finding pass.
pub fn excuse(excuse: &Excuse) -> String {
    match excuse {
        Excuse::IgnoredPlaces => "it differs only in what the policy ignores".to_owned(),
        Excuse::Acceptance { reason, author, expires } => {
            let until = expires.as_ref().map(|day| format!(", until {day}")).unwrap_or_default();
            format!("accepted by {}{until}: {}", escaped(author), escaped(reason))
        }
    }
}

/// Why the policy lets an invocation pass, with each reason once.
pub fn excuses(invocation: &Invocation) -> String {
    let mut said: Vec<String> = Vec::new();
    for finding in invocation.errors() {
        let one = match &finding.excuse {
            Some(why) => excuse(why),
            None => format!("{} is only {} by policy", finding.rule, finding.level.name()),
        };
        if !said.contains(&one) {
            said.push(one);
        }
    }
    said.join("; ")
}

/// A handler's name, or that it is unknown.
pub fn handler(name: &HandlerName) -> String {
    match name {
        Some((service, handler)) => brief(&format!("{service}/{handler}")).into_owned(),
        None => "handlers unknown".to_owned(),
    }
}

/// The name of an invocation's handler, or that it is unknown.
pub fn handler_of(info: &InvocationInfo) -> String {
    handler(&info.service_and_handler())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_begin_alike_are_shown_from_where_they_differ() {
        let values = |recorded: &str, replayed: &str| {
            let [recorded, replayed] = [recorded, replayed].map(|text| Some(text.into()));
            values(&Change { path: "value".to_owned(), recorded, replayed, lines: None }, 30)
        };
        let long = "é".repeat(40);
        let shown = values(&format!("{long} one"), &format!("{long} two"));
        assert_eq!(shown, ("…ééééééé one\"".to_owned(), "…ééééééé two\"".to_owned()));
        // Also where one value is the beginning of the other. Values that differ early are shown from their beginning.
        assert_eq!(values(&long, &format!("{long}!")).0, "…éééééééé\"");
        assert_eq!(values(&format!("a{long}"), &format!("b{long}")).0, format!("\"a{long}\""));
        assert_eq!(values("a", "b"), ("\"a\"".to_owned(), "\"b\"".to_owned()));
    }
}
