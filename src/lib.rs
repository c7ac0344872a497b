//! `rehearsal` tells, before a deploy, whether new code can replay the invocations that are in flight.
//!
//! A durable execution engine (Restate) recovers an invocation by running its code again against the recorded
//! journal. If the code issues other operations than the journal holds, the invocation gets stuck (RT0016). This
//! library compares recorded journals with what a candidate deployment does when it re-executes them, and says for
//! each invocation whether it would replay, and if not, what changed.
//!
//! [`open`] reads journals and traces, [`check`] judges each invocation, and a [`Report`] collects the judgements.
//! The folders form a pipeline, and a module imports only modules above it in this list:
//!
//! | module | what it does |
//! |---|---|
//! | `journal` | recorded journals as plain data, and the one table of each command's fields |
//! | `protocol` | bytes ⇄ messages, without I/O |
//! | `source` | reads journals from Arrow files, rows as JSON and the readable form |
//! | `diff` | lockstep replay, which gives the verdict, and alignment of both sequences, which explains it |
//! | `replay` | the runtime's side of the conversation with a live candidate, without I/O |
//! | `rules` | one file per rule: the name of a divergence, and what to do about it |
//! | `policy` | `rehearse.toml`: severities, ignored places, acceptances, and the gate that a run has to pass |
//! | `report` | verdicts, the summary, and groups of invocations with one cause |
//! | `transport` | the network towards candidates: HTTP, Lambda, identity keys, the manifest |
//! | `check` | judges one journal, or millions of them, offline and live |
//! | `admin` | the admin API of a running cluster: client, SQL, selection |
//! | `record` | copies journals out of a running cluster |
//! | `operate` | stuck invocations, their causes, and plans to free them |
//! | `render` | one file per output format |
//! | `cli` | turns flags into settings, and a report into an exit status |
//!
//! ```
//! use rehearsal::{Input, Options, Verdict, check, open};
//!
//! # fn main() -> Result<(), rehearsal::SourceError> {
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

// These lints apply to the library only. The lints of Cargo.toml apply to tests and benchmarks as well, where an `unwrap`
// is an assertion, and where printing is how results are shown.
#![warn(
    clippy::allow_attributes,
    clippy::exit,
    clippy::iter_over_hash_type,
    clippy::mem_forget,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

// The public surface. The modules are public for the binary, the tests and the benchmarks; their contents may change
// from one version to the next.
pub use check::{Options, Selection, check};
pub use journal::{IdOrder, InvocationId, InvocationInfo};
pub use report::{Group, HandlerCoverage, Invocation, Judgement, Report, Summary, Verdict};
pub use rules::{Cause, Change, CommandShown, Excuse, Finding, Level, Redaction};
pub use source::{Corpus, Ids, Input, Lost, Problem, SourceError, open};

#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod journal;
#[doc(hidden)]
pub mod operate;
mod platform;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod protocol;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod render;
#[doc(hidden)]
pub mod replay;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rules;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod transport;
