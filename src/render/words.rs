//! Findings in words: one line, or the block of text that `human` has. Everything here is escaped.

use std::io::Write;

use super::{brief, escaped, human};
use crate::journal::InvocationInfo;
use crate::report::{HandlerName, Invocation};
use crate::rules::{Cause, Change, Excuse, Finding, Rule};

/// Values are cut to this many characters where they share a line.
const LONGEST_VALUE: usize = 60;

/// So are steps and paths.
const LONGEST_STEP: usize = 160;

/// `command 5: call Stock/reserve, parameter.qty 2 → 3`.
pub fn one_line(finding: &Finding) -> String {
    let at = finding.command_index;
    let row = finding.context.finding();
    let step = |text: &str| cut(&escaped(text), LONGEST_STEP);
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
        let path = cut(&escaped(&change.path), LONGEST_STEP);
        line.push_str(&format!(", {path} {} → {}", cut(&recorded, LONGEST_VALUE), cut(&replayed, LONGEST_VALUE)));
    }
    match finding.changes.len() {
        0 | 1 => {}
        2 => line.push_str(" and 1 more place"),
        places => line.push_str(&format!(" and {} more places", places - 1)),
    }
    line
}

/// The values of a differing place as JSON. Where both begin alike for longer than there is room to show, they begin
/// shortly before what differs.
pub fn values(change: &Change, room: usize) -> (String, String) {
    const BEFORE: usize = 8;
    let text = |value: &Option<serde_json::Value>| match value {
        None => "(absent)".to_owned(),
        Some(value) => escaped(&value.to_string()).into_owned(),
    };
    let (recorded, replayed) = (text(&change.recorded), text(&change.replayed));
    let alike = recorded.chars().zip(replayed.chars()).take_while(|(mine, theirs)| mine == theirs).count();
    if alike + BEFORE < room || recorded == replayed {
        return (recorded, replayed);
    }
    let from = |text: &str| format!("…{}", text.chars().skip(alike.saturating_sub(BEFORE)).collect::<String>());
    (from(&recorded), from(&replayed))
}

/// What `human` says of an invocation's findings, without colour.
pub fn block(invocation: &Invocation) -> String {
    let mut plain = anstream::StripStream::new(Vec::new());
    human::write_findings(invocation, &mut plain).expect("a Vec takes everything");
    String::from_utf8(plain.into_inner()).expect("text goes in")
}

/// What to do about an invocation's first finding. Most of it is the rule's; which deployment it is about is not.
pub fn advice(rule: &Rule, finding: &Finding, invocation: &Invocation) -> String {
    let advice = rule.advice();
    match &invocation.info.deployment {
        // Code that differs from one replay to the next gets stuck where it is, too.
        Some(deployment) if finding.cause != Cause::NonDeterminism && !advice.contains("drain") => {
            format!("{advice}, or let {} drain first", brief(deployment))
        }
        _ => advice,
    }
}

/// Why the policy lets a finding pass.
pub fn excuse(excuse: &Excuse) -> String {
    match excuse {
        Excuse::IgnoredPlaces => "it differs only where the policy ignores it".to_owned(),
        Excuse::Acceptance { reason, author, expires } => {
            let until = expires.as_ref().map(|day| format!(", until {day}")).unwrap_or_default();
            format!("accepted by {}{until}: {}", escaped(author), escaped(reason))
        }
    }
}

/// Why the policy lets an invocation pass.
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

pub fn handler(name: &HandlerName) -> String {
    match name {
        Some((service, handler)) => brief(&format!("{service}/{handler}")).into_owned(),
        None => "handlers unknown".to_owned(),
    }
}

/// The handler an invocation is of, or that it is not known.
pub fn handler_of(info: &InvocationInfo) -> String {
    handler(&info.service_and_handler())
}

/// At most so many characters, with an ellipsis where something was cut off.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `1 journal`, `1,204 journals`.
pub fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", human::number_u64(count))
}

/// Writes into a `String`, which can not fail.
pub fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let mut bytes = Vec::new();
    bytes.write_fmt(arguments).expect("a Vec takes everything");
    text.push_str(&String::from_utf8_lossy(&bytes));
    text.push('\n');
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
        // One goes on where the other ends; what differs early is shown from its beginning, whatever follows.
        assert_eq!(values(&long, &format!("{long}!")).0, "…éééééééé\"");
        assert_eq!(values(&format!("a{long}"), &format!("b{long}")).0, format!("\"a{long}\""));
        assert_eq!(values("a", "b"), ("\"a\"".to_owned(), "\"b\"".to_owned()));
    }
}
