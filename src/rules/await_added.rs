//! An await on something that had not completed, where the recorded run went on.
//!
//! The journal holds commands behind this place, so the recorded run did not wait here. The candidate does, and there is
//! no recorded result to wake it up with: SDKs say that an `await` could not be replayed (RT0016); older ones suspend and
//! never get past this place.
//!
//! Example: a sleep, call or run that was started and only awaited later is now awaited at once; `Promise.race` became
//! `Promise.all`.
//!
//! What to do: await where the recorded run awaited, for what is in flight.

use crate::diff::Shape;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "await-added", level: Level::Error, page: include_str!("await_added.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.shape == Shape::Awaited
}
