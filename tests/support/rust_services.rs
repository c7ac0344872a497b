//! Services of the Rust SDK, served by the test process: a live candidate that needs nothing but Rust.

use restate_sdk::prelude::{Endpoint, HttpServer};

#[path = "../../fixtures/sdks/rust/candidates.rs"]
#[expect(dead_code, reason = "the recorder of the fixtures serves them in another way")]
pub mod candidates;

/// Serves an endpoint on a thread of its own; the URL it listens on.
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

/// Serves a variant of the fixtures' services; the URL it listens on.
pub fn serve(variant: &str) -> String {
    let variant = candidates::Variant::new(variant);
    serve_endpoint(move || candidates::endpoint(&variant))
}
