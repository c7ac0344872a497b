//! A field that the trace leaves out, and that was therefore not compared.
//!
//! Hand-written traces may leave out what is not known. Replay on a real deployment compares these fields; this check
//! did not.
//!
//! What to do: write the field into the trace, or check against a trace taken from a real deployment.

use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "payload-unchecked", level: Level::Note, page: include_str!("payload_unchecked.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.leaves_out_compared()
}
