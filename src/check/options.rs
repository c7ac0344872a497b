//! The options of an offline check.

use super::selection::Selection;
use crate::rules::Redaction;

/// Which journals to check, and how much to report.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub redaction: Redaction,
    pub selection: Selection,
    /// Whether the report shows both sides of a journal that does not replay, from top to bottom.
    pub timelines: bool,
    /// Whether to inject a divergence into each compatible trace, to prove that the check catches it.
    pub prove: bool,
}
