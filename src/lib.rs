//! Will new code replay what is already in flight?
//!
//! A durable execution engine (Restate) recovers an invocation by running its code again against the recorded
//! journal. Code that issues other operations than recorded leaves the invocation stuck (RT0016). This library holds
//! recorded journals against what a candidate deployment did when it was re-executed, and says for each invocation
//! whether it would replay, and if not, what changed.
//!
//! The tree is the pipeline, and imports point one way, down this list:
//!
//! | module | what it does |
//! |---|---|
//! | [`journal`] | what was recorded: plain data, and the one table of each command's fields |
//! | [`protocol`] | bytes ⇄ messages, without I/O |
//! | [`source`] | where journals come from: Arrow, rows as JSON, the readable form |
//! | [`diff`] | replay in lockstep, for the verdict; alignment of both sequences, to explain it |
//! | [`rules`] | one file a rule: what a divergence is called, and what to do about it |
//! | [`policy`] | `rehearse.toml`: what weighs how much, what is ignored, what was accepted |
//! | [`gate`] | what a run is held to, and why it did not pass |
//! | [`report`] | verdicts, summary, groups of one cause |
//! | [`replay`] | the runtime's side of the conversation with a live candidate, without I/O |
//! | [`candidate`] | a live candidate, over the network |
//! | [`check`] | the pipe for one journal, and for millions |
//! | [`cluster`] | a running cluster, over its admin API |
//! | [`render`] | one file a format |
//! | [`cli`] | flags in, exit status out |
//!
//! ```
//! use rehearsal::check::{Options, check};
//! use rehearsal::report::Verdict;
//! use rehearsal::source::{Input, open};
//!
//! # fn main() -> Result<(), rehearsal::source::SourceError> {
//! let recorded = [Input::Path("fixtures/demo/recorded.arrow".into())];
//! let candidate = [Input::Path("fixtures/demo/trace.jsonl".into())];
//! let (recorded, candidate, ids) = open(&recorded, &candidate)?;
//! let mut stuck = Vec::new();
//! check(&recorded, &candidate, &ids, &Options::default(), |invocation| {
//!     if invocation.verdict == Verdict::Mismatch {
//!         let first = &invocation.findings[0];
//!         stuck.push(format!("{}: {} at command {}", ids.id(invocation.order), first.rule, first.command_index));
//!     }
//!     true
//! });
//! assert_eq!(stuck.len(), 3);
//! assert!(stuck[0].ends_with("call-payload-changed at command 5"));
//! # Ok(())
//! # }
//! ```

// Beyond the lints of Cargo.toml, which hold for tests and benchmarks too: there an `unwrap` is an assertion, and a print
// is for whoever runs them.
#![warn(
    clippy::allow_attributes,
    clippy::exit,
    clippy::iter_over_hash_type,
    clippy::mem_forget,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

pub mod candidate;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod diff;
pub mod gate;
pub mod journal;
mod platform;
pub mod policy;
pub mod protocol;
pub mod render;
pub mod replay;
pub mod report;
pub mod rules;
pub mod source;
