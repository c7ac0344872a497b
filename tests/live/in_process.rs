//! Candidates of the Rust SDK, served by this very process: plain `cargo test` has a live candidate with no other runtime.

#[allow(dead_code, reason = "its recorder serves it another way")]
#[path = "../../fixtures/sdks/rust/candidates.rs"]
mod candidates;

#[path = "../common/serving.rs"]
mod serving;

#[allow(unused_imports, reason = "the suite of the cluster has services of its own too")]
pub use serving::serve_endpoint;

/// Serves a variant on a thread of its own; the address it listens on.
pub fn serve(variant: &str) -> String {
    let variant = candidates::Variant::new(variant);
    serve_endpoint(move || candidates::endpoint(&variant))
}

/// Every closure that ran in this process.
pub fn closures() -> String {
    candidates::closures_run().iter().map(|(variant, name)| format!("{variant} {name}\n")).collect()
}
