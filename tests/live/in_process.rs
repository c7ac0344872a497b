//! Candidates of the Rust SDK, served by this very process: plain `cargo test` has a live candidate with no other runtime.

#[allow(dead_code, reason = "its recorder serves it another way")]
#[path = "../../fixtures/sdks/rust/candidates.rs"]
mod candidates;

use restate_sdk::prelude::{Endpoint, HttpServer};

/// Serves a variant on a thread of its own; the address it listens on.
pub fn serve(variant: &str) -> String {
    let variant = candidates::Variant::new(variant);
    serve_endpoint(move || candidates::endpoint(&variant))
}

/// Serves any services likewise.
pub fn serve_endpoint(endpoint: impl FnOnce() -> Endpoint + Send + 'static) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            HttpServer::new(endpoint()).serve_with_cancel(listener, std::future::pending::<()>()).await;
        });
    });
    receiver.recv().unwrap()
}

/// Every closure that ran in this process.
pub fn closures() -> String {
    candidates::closures_run().iter().map(|(variant, name)| format!("{variant} {name}\n")).collect()
}
