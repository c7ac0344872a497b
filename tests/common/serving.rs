//! Services of the Rust SDK, served by this very process.

use restate_sdk::prelude::{Endpoint, HttpServer};

/// Serves them on a thread of its own; the address it listens on.
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
