//! The runtime's side of the conversation with a candidate, without I/O: what to send, and what the answer means.
//!
//! [`LiveJudge`] judges one journal: a [`Tripwire`] gets the SDK's own verdict, a [`Tracer`] what the candidate does from
//! there on, to explain it. Neither lets a `ctx.run` closure run: in the first the SDK never leaves replay, in the second
//! every id that the candidate could wait for has a result, or a fence.

mod answer;
mod judge;
mod request;
mod sdk;
mod tracer;
mod tripwire;

pub use answer::{Answer, AnswerReader, AttemptEnd, Listen};
pub use judge::{Agreement, AttemptRequest, Explain, LiveJudge, LiveJudged, Purpose, as_told};
pub use request::Attempt;
pub use sdk::Sdk;
pub use tracer::Tracer;
pub use tripwire::{HandlerFailure, Issued, SdkVerdict, Tripwire};
