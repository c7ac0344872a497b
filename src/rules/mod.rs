//! The rules: each names one kind of divergence, in a file of its own whose doc comment is its `explain` page.
//!
//! This module iterates over the divergences, and a rule judges one of them. The first rule that applies wins, and the
//! last rule applies to every divergence, so that none is lost.

mod finding;
mod timeline;

pub use finding::{
    Cause, Change, CommandShown, Context, ContextRow, Excuse, Finding, Findings, Notes, PartOffset, Redaction,
};
pub use timeline::{Mark, TimelineRow, TimelineStep, timeline};

use crate::diff::Shape;
use crate::journal::CommandKind;
use crate::journal::command::{Command, Compared, FieldDifference, fields};

/// The severity of a finding, most severe first. A rule is either an [`Error`](Self::Error) or a [`Note`](Self::Note);
/// a policy may give a finding any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Replay fails here.
    Error,
    /// Replay fails here, and the policy turned the error into a warning.
    Warn,
    /// Replay succeeds; a person may want to know of the difference.
    Note,
    /// The policy turned the rule off.
    Off,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Note => "note",
            Self::Off => "off",
        }
    }
}

/// One kind of divergence.
#[derive(Debug)]
pub struct Rule {
    pub id: &'static str,
    pub level: Level,
    /// The text of the rule's source file; its doc comment is the `explain` page.
    page: &'static str,
    applies: fn(&DivergenceView<'_>) -> bool,
}

impl Rule {
    /// The `explain` page: what the rule detects, why replay breaks, an example, and what to do.
    pub fn page(&self) -> String {
        let lines = self.page.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// The first sentence of the page's "What to do".
    pub fn advice(&self) -> String {
        let page = self.page().replace('\n', " ");
        let advice = page.split("What to do: ").nth(1).unwrap_or_default();
        let end = advice.find(". ").unwrap_or(advice.len());
        advice[..end].trim_end_matches('.').to_owned()
    }

    /// The first paragraph of the page, which is one sentence.
    pub fn title(&self) -> String {
        let page = self.page();
        page.split("\n\n").next().unwrap_or_default().replace('\n', " ")
    }
}

/// A divergence with the two commands and their differences, as the rules see it.
#[derive(Debug)]
pub struct DivergenceView<'a> {
    pub shape: Shape,
    pub recorded: Option<&'a Command<'a>>,
    pub replayed: Option<&'a Command<'a>>,
    /// Every field that differs, whether replay compares it or not.
    pub differences: Vec<FieldDifference<'a>>,
}

impl DivergenceView<'_> {
    /// The kind of the command, where both sides have a command of one kind and its fields differ.
    fn changed_kind(&self) -> Option<CommandKind> {
        (self.shape == Shape::Changed).then_some(())?;
        self.recorded.map(|command| command.kind)
    }

    /// Whether this field differs and replay compares it.
    fn changes(&self, field: &str) -> bool {
        self.differences
            .iter()
            .any(|difference| difference.field.name == field && difference.field.compared == Compared::Always)
    }

    /// Whether no compared field but this one differs; completion ids do not count.
    fn changes_only(&self, field: &str) -> bool {
        self.differences
            .iter()
            .filter(|difference| difference.field.compared == Compared::Always)
            .all(|difference| difference.field.name == field)
    }

    /// Whether this field differs, compared or not.
    fn differs(&self, field: &str) -> bool {
        self.differences.iter().any(|difference| difference.field.name == field)
    }

    /// Whether the trace leaves out a field that the recording has and replay compares.
    fn leaves_out_compared(&self) -> bool {
        let (Some(recorded), Some(replayed)) = (self.recorded, self.replayed) else { return false };
        !replayed.complete
            && recorded.kind == replayed.kind
            && fields(recorded.kind)
                .iter()
                .filter(|field| field.compared == Compared::Always)
                .any(|field| recorded.get(field.name).is_some() && replayed.leaves_out(field))
    }
}

/// Declares the rules' modules and lists the rules: one line registers a rule.
macro_rules! rules {
    ($list:ident: $($module:ident),* $(,)?) => {
        $(mod $module;)*
        /// In the order in which they are tried.
        pub static $list: &[&Rule] = &[$(&$module::RULE),*];
    };
}

rules! { ERRORS:
    await_added,
    returned_early,
    command_reordered,
    command_added,
    command_removed,
    run_renamed,
    state_key_changed,
    state_value_changed,
    call_target_changed,
    call_payload_changed,
    call_options_changed,
    promise_changed,
    signal_changed,
    attach_target_changed,
    output_changed,
    name_changed,
    command_replaced,
}

rules! { NOTES:
    sleep_duration_changed,
    send_delay_changed,
    payload_unchecked,
}

rules! { DEPLOYMENT:
    protocol_unsupported,
    service_missing,
    service_type_changed,
    handler_missing,
    handler_type_changed,
    input_rejected,
}

/// For rules about the deployment's manifest: they apply to no divergence of commands.
fn never_applies(_view: &DivergenceView<'_>) -> bool {
    false
}

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    ERRORS.iter().chain(DEPLOYMENT).chain(NOTES).copied()
}

/// The rule of this name.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// The rule that judges this divergence.
fn judge(view: &DivergenceView<'_>) -> &'static Rule {
    ERRORS.iter().find(|rule| (rule.applies)(view)).expect("the last rule applies to every divergence")
}

/// The notes on two commands that replay accepts as the same.
fn notes<'p>(view: &'p DivergenceView<'_>) -> impl Iterator<Item = &'static Rule> + 'p {
    NOTES.iter().filter(|rule| (rule.applies)(view)).copied()
}
