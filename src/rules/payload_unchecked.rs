//! A field that the trace leaves out, and that was therefore not compared.
//!
//! Hand-written traces may leave out fields whose values are unknown. Replay on a real deployment compares these
//! fields; this check did not.
//!
//! What to do: write the field into the trace, or check against a trace taken from a real deployment.

use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "payload-unchecked", level: Level::Note, page: include_str!("payload_unchecked.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.leaves_out_compared()
}
