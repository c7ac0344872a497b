//! The runtime's side of the conversation with a candidate, without I/O: what to send, and what the answer means.
//!
//! [`tripwire`] gets the SDK's own verdict; [`trace`] gets the candidate's whole step trace, to explain it. Neither
//! lets a `ctx.run` closure run: in the first the SDK never leaves replay, in the second every result is there
//! already.

pub(crate) mod agreement;
mod answer;
mod request;
mod sdk;
pub mod trace;
pub mod tripwire;

pub use answer::{Answer, AnswerReader, Ended, Listen};
pub use request::Attempt;
pub use sdk::Sdk;
pub use trace::Tracer;
pub use tripwire::{Outcome, Tripwire};
