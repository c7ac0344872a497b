//! An await on something that had not completed, where the recorded run went on.
//!
//! The journal holds commands behind this place, so the recorded run did not wait here. The candidate does, and there is
//! no recorded result to wake it up with: SDKs say that an `await` could not be replayed (RT0016).
//!
//! The Java SDK's own machine (all of its versions up to 2.8) and old versions of other SDKs raise no error. They suspend,
//! which looks well from outside: for good, if a run is awaited, for no run runs while replaying; otherwise until what is
//! awaited has completed. Replay goes on then, and RT0016 may come of it later.
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
