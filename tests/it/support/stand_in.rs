//! A stand-in for a deployment over HTTP/1.1, which does what no real deployment can be made to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rehearsal::journal::InvocationId;
use serde_json::{Value, json};

use super::folders::read;

pub const RECORDED: &str = "fixtures/clean/process/recorded.jsonl";
pub const INVOCATION: &str = "application/vnd.restate.invocation.v6";

/// A request as it arrived.
pub struct Request {
    pub path: String,
    pub body: Vec<u8>,
    /// The number of attempts that arrived before this one.
    pub before: usize,
}

impl Request {
    /// Whether the request is about this invocation.
    pub fn is_of(&self, id: &str) -> bool {
        self.body.windows(id.len()).any(|window| window == id.as_bytes())
    }
}

pub struct StandIn {
    pub address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    dead: Arc<AtomicBool>,
    attempts: Arc<AtomicUsize>,
}

impl StandIn {
    /// Answers discovery with `manifest`, and each attempt with `answer`.
    pub fn new(manifest: Value, answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let manifest = manifest.to_string();
        Self::of_both(
            move |_, stream| respond(stream, "200 OK", "application/json", manifest.as_bytes()),
            answer,
            "127.0.0.1:0".parse().unwrap(),
        )
    }

    /// Answers discovery and attempts, on this address.
    pub fn of_both(
        discovery: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
        answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
        address: SocketAddr,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (open, dead, attempts) = (Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::default(), Arc::default());
        let stand_in = Self { address, open, dead, attempts };
        let (open, dead, attempts) = (stand_in.open.clone(), stand_in.dead.clone(), stand_in.attempts.clone());
        let (discovery, answer) = (Arc::new(discovery), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if dead.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (discovery, answer) = (Arc::clone(&discovery), Arc::clone(&answer));
                let (attempts, open) = (Arc::clone(&attempts), Arc::clone(&open));
                std::thread::spawn(move || {
                    let Some(mut request) = read_request(&stream) else { return };
                    if request.path.ends_with("/discover") {
                        discovery(&request, &mut stream);
                    } else {
                        request.before = attempts.fetch_add(1, Ordering::SeqCst);
                        answer(&request, &mut stream);
                    }
                    // The connection closes when its last handle is dropped.
                    let peer = stream.peer_addr().ok();
                    open.lock().unwrap().retain(|other| other.peer_addr().ok() != peer);
                });
            }
        });
        stand_in
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of attempts so far.
    pub fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }

    /// A function that lets the deployment crash, for good.
    pub fn crash(&self) -> impl Fn() + Send + Sync + 'static {
        let (open, dead, address) = (self.open.clone(), self.dead.clone(), self.address);
        move || {
            dead.store(true, Ordering::SeqCst);
            // The accepting thread has to wake up to see that it must end.
            let _ = TcpStream::connect(address);
            break_off(&open);
        }
    }

    /// A function that breaks off every open connection, as a crash does, while new ones are accepted at once.
    pub fn stumble(&self) -> impl Fn() + Send + Sync + 'static {
        let open = self.open.clone();
        move || break_off(&open)
    }
}

fn break_off(open: &Mutex<Vec<TcpStream>>) {
    for stream in open.lock().unwrap().drain(..) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Reads a request to its end.
fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    Some(Request { path: first.split(' ').nth(1)?.to_owned(), body, before: 0 })
}

pub fn respond(stream: &mut TcpStream, status: &str, content_type: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nx-restate-server: restate-sdk-typescript/1.17.2\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// The head of an answer whose body follows in chunks.
pub fn respond_head(stream: &mut TcpStream, content_type: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
}

/// Repeats the same bytes until the client closes the connection.
pub fn respond_without_end(stream: &mut TcpStream, content_type: &str, bytes: &[u8]) {
    respond_head(stream, content_type);
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    while stream.write_all(&chunk).is_ok() {}
}

pub fn manifest() -> Value {
    json!({ "protocolMode": "REQUEST_RESPONSE", "minProtocolVersion": 5, "maxProtocolVersion": 7, "services": [
        { "name": "Order", "ty": "VIRTUAL_OBJECT", "handlers": [{ "name": "process", "ty": "EXCLUSIVE" }] },
    ] })
}

/// A frame of the invocation protocol.
pub fn frame(ty: u16, message: &[u8]) -> Vec<u8> {
    let mut frame = ty.to_be_bytes().to_vec();
    frame.extend([0, 0]);
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// Answers error 570 at command 12, the sentinel after the recorded commands of [`RECORDED`]: everything was replayed.
pub fn replayed(stream: &mut TcpStream) {
    respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\xba\x04\x20\x0c"));
}

/// A file with copies of [`RECORDED`] under `count` ids, and the ids in the order of the file.
pub fn journals(count: u64) -> (tempfile::NamedTempFile, Vec<String>) {
    let text = read(RECORDED);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let recorded = first["id"].as_str().unwrap();
    let ids: Vec<String> =
        (1..=count).map(|number| InvocationId::from_numbers(number.swap_bytes(), 7).to_string()).collect();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for id in &ids {
        file.write_all(text.replace(recorded, id).as_bytes()).unwrap();
    }
    (file, ids)
}
