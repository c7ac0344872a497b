//! A diff: where recorded and replayed commands differ.
//!
//! There are two passes. Lockstep replay compares commands one by one, as an SDK does, and gives the verdict. Where it
//! finds a divergence, alignment compares both sequences as a whole, which explains the verdict. [`crate::rules`]
//! judges the divergences.

mod align;
mod commands;
mod inject;
mod lockstep;
pub mod payload;
mod stop;

pub use align::{AlignedRow, AlignedRows, Alignment, Divergence, Replayed, Shape, align};
pub use commands::Commands;
pub use inject::{inject, inject_into};
pub use lockstep::{Lockstep, replay_entries, replay_trace};
pub use stop::{AddedAwait, Side, Stop, Undecodable, Verdict};
