//! A proxy before a real admin API that breaks connections as networks and servers do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// The connection ends after this many bytes of answers.
    Cut(u64),
    /// Answers stop after this many bytes, and the connection stays open.
    Silence(u64),
    /// This many bytes of answers pass in a millisecond.
    Slow(u64),
    /// This head answers every request.
    Answer(&'static str),
}

pub struct Proxy {
    pub url: String,
    /// Bytes of answers that have passed.
    pub answered: Arc<AtomicU64>,
}

impl Proxy {
    /// `fault` says what happens to each connection, by its number from 0.
    pub fn start(upstream: &str, fault: impl Fn(u64) -> Fault + Send + Sync + 'static) -> Self {
        Self::start_with(upstream, fault, || ())
    }

    /// `before` runs before each piece of a request goes on to the server.
    pub fn start_with(
        upstream: &str,
        fault: impl Fn(u64) -> Fault + Send + Sync + 'static,
        before: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let before = Arc::new(before);
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answered = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&answered);
        std::thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming()) {
                let Ok(client) = client else { continue };
                let fault = fault(number);
                let (upstream, counted, before) = (upstream.clone(), Arc::clone(&counted), Arc::clone(&before));
                std::thread::spawn(move || {
                    // Either side may end the connection.
                    let _ = serve(client, &upstream, fault, &counted, move || before());
                });
            }
        });
        Self { url, answered }
    }
}

fn serve(
    mut client: TcpStream,
    upstream: &str,
    fault: Fault,
    counted: &AtomicU64,
    before: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    if let Fault::Answer(head) = fault {
        let mut request = [0; 16 << 10];
        while client.read(&mut request)? > 0 {
            client.write_all(head.as_bytes())?;
        }
        return Ok(());
    }
    let mut server = TcpStream::connect(upstream)?;
    let (mut requests, mut onwards) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let mut piece = [0; 4 << 10];
        while let Ok(read @ 1..) = requests.read(&mut piece) {
            before();
            if onwards.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = onwards.shutdown(Shutdown::Both);
    });
    let mut through = 0u64;
    let mut buffer = [0; 4 << 10];
    loop {
        let read = server.read(&mut buffer)?;
        if read == 0 {
            return client.shutdown(Shutdown::Both);
        }
        let mut allowed = read;
        match fault {
            Fault::Cut(limit) if through + read as u64 > limit => {
                allowed = (limit - through) as usize;
            }
            Fault::Silence(limit) if through + read as u64 > limit => {
                std::thread::sleep(Duration::from_secs(30));
                return Ok(());
            }
            Fault::Slow(rate) => std::thread::sleep(Duration::from_millis(read as u64 / rate)),
            _ => {}
        }
        client.write_all(&buffer[..allowed])?;
        through += allowed as u64;
        counted.fetch_add(allowed as u64, Ordering::Relaxed);
        if allowed < read {
            return client.shutdown(Shutdown::Both);
        }
    }
}
