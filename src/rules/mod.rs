//! The rules: each names one kind of divergence, in a file of its own whose doc comment is its `explain` page.
//!
//! A rule judges one divergence; this module goes through them. The first rule that applies wins, and the last one
//! applies to all, so that no divergence is lost.

mod finding;
mod timeline;

pub use finding::{
    Cause, Change, CommandShown, Context, ContextRow, Excuse, Finding, Findings, Notes, Part, Redaction,
};
pub use timeline::{Mark, TimelineRow, TimelineStep, timeline};

use crate::diff::Shape;
use crate::journal::CommandKind;
use crate::journal::command::{Command, Compared, FieldDifference, fields};

/// How much a finding weighs, heaviest first. Rules have [`Error`](Self::Error) or [`Note`](Self::Note); a policy may
/// give a finding any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Replay fails here.
    Error,
    /// Replay fails here, and the policy says that this is to be looked at, not to be stopped by.
    Warn,
    /// Replay does not mind; a person may want to know.
    Note,
    /// The policy does not want to hear of it.
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
    /// The source file, whose doc comment is the page.
    page: &'static str,
    applies: fn(&Place<'_>) -> bool,
}

impl Rule {
    /// What it detects, why replay breaks, an example, what to do.
    pub fn page(&self) -> String {
        let lines = self.page.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// The first sentence of what the page says to do.
    pub fn advice(&self) -> String {
        let page = self.page().replace('\n', " ");
        let advice = page.split("What to do: ").nth(1).unwrap_or_default();
        let end = advice.find(". ").unwrap_or(advice.len());
        advice[..end].trim_end_matches('.').to_owned()
    }

    /// The first sentence of the page.
    pub fn title(&self) -> String {
        let page = self.page();
        page.split("\n\n").next().unwrap_or_default().replace('\n', " ")
    }
}

/// A divergence as rules see it.
#[derive(Debug)]
pub struct Place<'a> {
    pub shape: Shape,
    pub recorded: Option<&'a Command<'a>>,
    pub replayed: Option<&'a Command<'a>>,
    /// Every field that differs, whether compared or not.
    pub differences: Vec<FieldDifference<'a>>,
}

impl Place<'_> {
    /// The kind of a command that is there on both sides with other fields.
    fn changed_kind(&self) -> Option<CommandKind> {
        (self.shape == Shape::Changed).then_some(())?;
        self.recorded.map(|command| command.kind)
    }

    /// Whether a compared field differs.
    fn changes(&self, field: &str) -> bool {
        self.differences
            .iter()
            .any(|difference| difference.field.name == field && difference.field.compared == Compared::Always)
    }

    /// Whether this is the one compared field that differs, or none does but a completion id.
    fn changes_only(&self, field: &str) -> bool {
        self.differences
            .iter()
            .filter(|difference| difference.field.compared == Compared::Always)
            .all(|difference| difference.field.name == field)
    }

    fn differs(&self, field: &str) -> bool {
        self.differences.iter().any(|difference| difference.field.name == field)
    }

    /// Whether the trace says nothing of a field that the recording has and replay compares.
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

/// One line a rule.
macro_rules! rules {
    ($list:ident: $($module:ident),* $(,)?) => {
        $(mod $module;)*
        /// In the order in which they are asked.
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

/// What is told of a deployment by its manifest is no divergence of commands.
fn of_the_deployment(_place: &Place<'_>) -> bool {
    false
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    ERRORS.iter().chain(DEPLOYMENT).chain(NOTES).copied()
}

/// The rule of this name.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// Judges a divergence.
fn judge(place: &Place<'_>) -> &'static Rule {
    ERRORS.iter().find(|rule| (rule.applies)(place)).expect("the last rule applies to all")
}

/// What is worth a note where two commands replay as one.
fn notes<'p>(place: &'p Place<'_>) -> impl Iterator<Item = &'static Rule> + 'p {
    NOTES.iter().filter(|rule| (rule.applies)(place)).copied()
}
