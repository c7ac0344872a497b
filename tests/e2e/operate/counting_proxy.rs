//! A proxy before a real admin API that counts requests and answers, and that can refuse, be slow, and cut answers off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Shared {
    /// Milliseconds of delay before each part of an answer.
    delay: AtomicU64,
    /// Answers are cut off after this many bytes; 0 means never.
    cut_after: AtomicUsize,
    /// Not 0 where connections are closed at once.
    refusing: AtomicUsize,
    answered: Mutex<BTreeMap<String, Vec<u16>>>,
}

pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start(server: &str) -> Self {
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        let in_thread = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, server.clone(), in_thread.clone()));
                }
            });
        });
        Self { url: format!("http://{}", receiver.recv().unwrap()), shared }
    }

    pub fn delay(&self, delay: Duration) {
        self.shared.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    pub fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::Relaxed);
    }

    pub fn refuse(&self, yes: bool) {
        self.shared.refusing.store(yes.into(), Ordering::Relaxed);
    }

    /// `PATCH /invocations/…/resume` and the like, with the statuses that the server answered.
    pub fn answered(&self) -> BTreeMap<String, Vec<u16>> {
        self.shared.answered.lock().unwrap().clone()
    }
}

async fn pass(client: TcpStream, server: String, shared: Arc<Shared>) {
    if shared.refusing.load(Ordering::Relaxed) > 0 {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // A connection carries one request at a time, and each starts in a segment of its own.
    let asked = Arc::new(Mutex::new(None::<String>));
    let asking = asked.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if buffer[..read].starts_with(b"PATCH ") {
                let line = String::from_utf8_lossy(&buffer[..read]).lines().next().unwrap().to_owned();
                let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
                *asking.lock().unwrap() = Some(path);
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        // The server also answers a client that was killed, so that every answer is counted.
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    let mut client_is_there = true;
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        // A request counts even if its client was killed before the answer.
        if let Some(path) = asked.lock().unwrap().take() {
            let status = String::from_utf8_lossy(&buffer[9..12]).parse().unwrap();
            shared.answered.lock().unwrap().entry(path).or_default().push(status);
        }
        tokio::time::sleep(Duration::from_millis(shared.delay.load(Ordering::Relaxed))).await;
        let cut = shared.cut_after.load(Ordering::Relaxed);
        passed += read;
        if cut > 0 && passed > cut {
            let _ = to_client.write_all(&buffer[..read - (passed - cut).min(read)]).await;
            return;
        }
        if client_is_there && to_client.write_all(&buffer[..read]).await.is_err() {
            client_is_there = false;
        }
    }
}
