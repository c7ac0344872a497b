//! The options of an offline check.

use super::selection::Selection;
use crate::rules::Redaction;

/// Which journals to check, and how much to report.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub redaction: Redaction,
    pub selection: Selection,
    /// Whether a report shows both sides of a journal that does not replay, from top to bottom.
    pub timelines: bool,
    /// Whether a divergence is injected into each trace, to see it caught.
    pub prove: bool,
}
