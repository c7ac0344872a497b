//! The parser of `rehearse.toml`. It is strict: a mistyped key is an error with a suggestion, not a setting that silently
//! does nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::accept::Acceptance;
use super::error::PolicyError;
use super::pattern::{PathPattern, Pattern};
use super::{Date, Ignored, Policy, Scope, Traces, tracing_headers};
use crate::rules::{self, Level};

/// How much of the candidate the checked journals must cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every handler.
    Handlers,
    /// This percentage of the handlers.
    Percent(u8),
}

impl std::str::FromStr for Coverage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "handlers" {
            return Ok(Self::Handlers);
        }
        let percent = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|percent| *percent <= 100);
        percent.map(Self::Percent).ok_or_else(|| format!("{text:?} is neither \"handlers\" nor a percentage"))
    }
}

/// The settings of `rehearse.toml` that belong to a run and not to single findings. Flags may override some of them.
#[derive(Clone, Debug, Default)]
pub struct GateSettings {
    pub fail_on: Option<Level>,
    pub report_only: bool,
    pub min_journals: Option<u64>,
    pub require_coverage: Option<Coverage>,
    /// The candidate's handlers as (service, handler). Traces in files do not list them.
    pub handlers: Vec<(String, String)>,
    /// The source file of a service or handler, by `Service` or `Service/handler`.
    pub sources: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct PolicyFile {
    fail_on: Option<Level>,
    report_only: bool,
    min_journals: Option<u64>,
    require_coverage: Option<Spanned<toml::Value>>,
    handlers: Vec<Spanned<String>>,
    levels: BTreeMap<Spanned<String>, Level>,
    ignore: IgnoreTable,
    sources: BTreeMap<String, String>,
    #[serde(rename = "override")]
    overrides: Vec<OverrideTable>,
    accept: Vec<AcceptTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct IgnoreTable {
    paths: Vec<String>,
    headers: Vec<String>,
    tracing_headers: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct OverrideTable {
    service: Option<String>,
    handler: Option<String>,
    step: Option<String>,
    levels: BTreeMap<Spanned<String>, Level>,
    ignore_paths: Vec<String>,
    ignore_headers: Vec<String>,
    /// For people who read the file.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptTable {
    fingerprint: Spanned<String>,
    rule: Option<String>,
    target: Option<String>,
    reason: Spanned<String>,
    author: Spanned<String>,
    expires: Option<Spanned<toml::Value>>,
}

/// The policy and the settings in the text of a `rehearse.toml`.
pub fn parse(text: &str, today: Date, traces: Traces) -> Result<(Policy, GateSettings), PolicyError> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| {
        let message = suggest(error.message());
        match error.span() {
            Some(span) => PolicyError::at(text, span, message),
            None => PolicyError::new(message),
        }
    })?;
    let mut headers: Vec<Pattern> = file.ignore.headers.iter().map(|name| Pattern::header(name)).collect();
    let ignore_tracing = file.ignore.tracing_headers;
    if ignore_tracing == Some(true) {
        headers.extend(tracing_headers());
    }
    let mut scopes = Vec::new();
    for scope in file.overrides {
        let pattern = |text: Option<String>| text.as_deref().map(Pattern::new);
        scopes.push(Scope {
            service: pattern(scope.service),
            handler: pattern(scope.handler),
            step: pattern(scope.step),
            levels: levels(text, scope.levels)?,
            ignored: Ignored {
                paths: scope.ignore_paths.iter().map(|path| PathPattern::new(path)).collect(),
                headers: scope.ignore_headers.iter().map(|name| Pattern::header(name)).collect(),
            },
        });
    }
    let acceptances = file.accept.into_iter().map(|accept| acceptance(text, accept)).collect::<Result<Vec<_>, _>>()?;
    let policy = Policy {
        levels: levels(text, file.levels)?,
        scopes,
        ignored_in_templates: Ignored {
            paths: Vec::new(),
            headers: if ignore_tracing.unwrap_or(traces == Traces::OfAnotherRun) {
                tracing_headers()
            } else {
                Vec::new()
            },
        },
        ignored: Ignored { paths: file.ignore.paths.iter().map(|path| PathPattern::new(path)).collect(), headers },
        acceptances: acceptances.into_iter().map(|acceptance| (acceptance, 0)).collect(),
        today,
    };
    let require_coverage = file.require_coverage.map(|wanted| {
        let written = match wanted.get_ref() {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(percent) => percent.to_string(),
            _ => String::new(),
        };
        written.parse().map_err(|reason: String| PolicyError::at(text, wanted.span(), reason))
    });
    let handlers = file.handlers.iter().map(|name| {
        let split = name.get_ref().split_once('/').map(|(service, handler)| (service.to_owned(), handler.to_owned()));
        split.ok_or_else(|| PolicyError::at(text, name.span(), "a handler is written Service/handler"))
    });
    let settings = GateSettings {
        fail_on: file.fail_on,
        report_only: file.report_only,
        min_journals: file.min_journals,
        require_coverage: require_coverage.transpose()?,
        handlers: handlers.collect::<Result<_, _>>()?,
        sources: file.sources,
    };
    Ok((policy, settings))
}

fn levels(text: &str, levels: BTreeMap<Spanned<String>, Level>) -> Result<BTreeMap<String, Level>, PolicyError> {
    let checked = levels.into_iter().map(|(rule, level)| match rules::find(rule.get_ref()) {
        Some(rule) => Ok((rule.id.to_owned(), level)),
        None => {
            let known: Vec<&str> = rules::all().map(|rule| rule.id).collect();
            let message = format!("there is no rule {:?}{}", rule.get_ref(), did_you_mean(rule.get_ref(), &known));
            Err(PolicyError::at(text, rule.span(), message))
        }
    });
    checked.collect()
}

fn acceptance(text: &str, accept: AcceptTable) -> Result<Acceptance, PolicyError> {
    let required = |field: Spanned<String>, what: &str| match field.get_ref().trim() {
        "" => Err(PolicyError::at(text, field.span(), format!("{what} is empty"))),
        text => Ok(text.to_owned()),
    };
    let fingerprint = accept.fingerprint.get_ref();
    if fingerprint.len() != 12 || !fingerprint.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let message = format!("{fingerprint:?} is not a fingerprint: a fingerprint has 12 hexadecimal digits");
        return Err(PolicyError::at(text, accept.fingerprint.span(), message));
    }
    let expires = accept.expires.map(|expires| {
        // Both `2026-12-31` and `"2026-12-31"` are natural to write.
        let written = match expires.get_ref() {
            toml::Value::String(text) => text.clone(),
            toml::Value::Datetime(date) => date.to_string(),
            other => other.type_str().to_owned(),
        };
        written
            .parse::<Date>()
            .map_err(|_| PolicyError::at(text, expires.span(), format!("{written} is not a date such as 2026-12-31")))
    });
    Ok(Acceptance {
        fingerprint: accept.fingerprint.into_inner(),
        rule: accept.rule,
        target: accept.target,
        reason: required(accept.reason, "the reason")?,
        author: required(accept.author, "the author")?,
        expires: expires.transpose()?,
    })
}

/// Adds a suggestion to serde's message about an unknown name: the most similar of the expected names.
fn suggest(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(wrong) = names.next().filter(|_| message.starts_with("unknown")) else { return message.to_owned() };
    let known: Vec<&str> = names.collect();
    format!("{message}{}", did_you_mean(wrong, &known))
}

fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    let near = similar::get_close_matches(wrong, known, 1, 0.6).into_iter().next();
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Date {
        "2026-11-22".parse().unwrap()
    }

    fn wrong(text: &str) -> String {
        parse(text, today(), Traces::OfAnotherRun).unwrap_err().to_string()
    }

    #[test]
    fn every_setting_is_read() {
        let (policy, settings) = parse(include_str!("everything.toml"), today(), Traces::OfAReplay).unwrap();
        assert_eq!(settings.fail_on, Some(Level::Warn));
        assert_eq!(settings.require_coverage, Some(Coverage::Percent(80)));
        assert_eq!(settings.handlers, [("Order".to_owned(), "process".to_owned())]);
        assert_eq!(policy.acceptances.len(), 1);
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        let mistakes = [
            wrong("levls = {}"),
            wrong("\n[levels]\ncommand-aded = \"warn\""),
            wrong("[levels]\ncommand-added = \"wran\""),
            wrong("[[override]]\nservise = \"Order\""),
            wrong("[ignore]\nheader = [\"x\"]"),
            wrong("require-coverage = \"most\""),
            wrong("require-coverage = 101"),
            wrong("handlers = [\"Order\"]"),
            wrong("[[accept]]\nfingerprint = \"9f2c41d07ab3\"\nreason = \" \"\nauthor = \"a\""),
            wrong("[[accept]]\nfingerprint = \"9f2c\"\nreason = \"r\"\nauthor = \"a\""),
            wrong("[[accept]]\nfingerprint = \"9f2c41d07ab3\"\nreason = \"r\"\nauthor = \"a\"\nexpires = \"soon\""),
            wrong("fail-on = "),
        ];
        insta::assert_snapshot!(mistakes.join("\n\n"));
    }
}
