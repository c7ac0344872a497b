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
//! | [`replay`] | the runtime's side of the conversation with a live candidate, without I/O |
//! | [`rules`] | one file a rule: what a divergence is called, and what to do about it |
//! | [`policy`] | `rehearse.toml`: severities, ignored places, acceptances, and the gate that a run must pass |
//! | [`report`] | verdicts, summary, groups of one cause |
//! | [`transport`] | the network towards candidates: HTTP, Lambda, identity keys, the manifest |
//! | [`check`] | the pipe for one journal, and for millions, offline and live |
//! | [`admin`] | the admin API of a running cluster: client, SQL, selection |
//! | [`record`] | copying journals out of a running cluster |
//! | [`operate`] | stuck invocations, their causes, and plans to free them |
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
//!     if invocation.judgement.verdict == Verdict::Mismatch {
//!         let first = &invocation.judgement.findings[0];
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

pub mod admin;
pub mod check;
pub mod cli;
pub mod diff;
pub mod journal;
pub mod operate;
mod platform;
pub mod policy;
pub mod protocol;
pub mod record;
pub mod render;
pub mod replay;
pub mod report;
pub mod rules;
pub mod source;
pub mod transport;
