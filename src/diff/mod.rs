//! How recorded and replayed commands differ: first in lockstep, as an SDK replays, which gives the verdict; then,
//! where they diverge, aligned as whole sequences, which explains it. Judging a divergence is left to
//! [`crate::rules`].

mod align;
mod commands;
mod inject;
mod lockstep;
pub mod payload;
mod stop;

pub use align::{Alignment, Divergence, Replayed, Row, Rows, Shape, align};
pub use commands::Commands;
pub use inject::{inject, inject_into};
pub use lockstep::{Lockstep, replay_entries, replay_trace};
pub use stop::{AddedAwait, Side, Stop, Undecodable, Verdict};
