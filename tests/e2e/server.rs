//! A real Restate server, on free ports and with its data in a temporary folder.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rehearsal::admin::{Access, Admin, AdminError};
use serde_json::{Value, json};

use crate::provisioning;

/// A server. Dropping it ends the server and removes its data.
pub struct Server {
    child: Child,
    folder: PathBuf,
    /// The folder, where it is temporary.
    _temporary: Option<tempfile::TempDir>,
    ports: [u16; 3],
    environment: Vec<(String, String)>,
    runtime: tokio::runtime::Runtime,
    pub admin: Admin,
    ingress: Admin,
}

/// A port below the range from which the kernel takes ports for everybody else: it stays free until the server listens,
/// and while the server restarts.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() * 16;
    loop {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from(number % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// A new server for a suite; `None` where the suite is left out.
    pub fn start(suite: &str) -> Option<Self> {
        Self::start_with(suite, &[])
    }

    /// The same with settings of the server, `RESTATE_…`.
    pub fn start_with(suite: &str, environment: &[(&str, &str)]) -> Option<Self> {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(suite, temporary.path(), environment)?;
        server._temporary = Some(temporary);
        Some(server)
    }

    /// The same on data that stays.
    pub fn start_in(suite: &str, folder: &Path, environment: &[(&str, &str)]) -> Option<Self> {
        if !provisioning::ready(suite) {
            return None;
        }
        let folder = folder.to_owned();
        let ports = [free_port(), free_port(), free_port()];
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let child = spawn(&folder, ports, &environment);
        let client = |port: u16| {
            let access = Access { patience: Duration::from_secs(30), ..Access::default() };
            Admin::new(&format!("http://127.0.0.1:{port}"), access).unwrap()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut server = Self {
            child,
            folder,
            _temporary: None,
            ports,
            environment,
            runtime,
            admin: client(ports[0]),
            ingress: client(ports[1]),
        };
        server.wait_until_ready();
        Some(server)
    }

    pub fn url(&self) -> String {
        self.admin.url()
    }

    pub fn ingress_url(&self) -> String {
        self.ingress.url()
    }

    /// Kills the server, as a failing machine would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again on the same data and ports.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.folder, self.ports, &self.environment);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended ({status}): {}", self.log());
            }
            // The admin API listens some time before it finds the partitions.
            let ready = self.block_on(async {
                let quick = Access { patience: Duration::ZERO, timeout: Duration::from_secs(5), token: None };
                let admin = Admin::new(&self.url(), quick.clone())?;
                admin
                    .query_json::<Value>(
                        "select id from sys_journal where id = 'inv_1000000000000000000000000000000000'",
                    )
                    .await?;
                Admin::new(&self.ingress.url(), quick)?.get(&["restate", "health"]).send().await.map(drop)
            });
            if ready.is_ok() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "the server is not ready: {ready:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Registers the deployment at `url`; its id.
    pub fn register(&self, url: &str) -> String {
        let answer = self.block_on(self.admin.post(&["deployments"]).json(&json!({"uri": url})).send());
        answer.unwrap().json::<Value>().unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub fn query(&self, sql: &str) -> Vec<Value> {
        self.block_on(self.admin.query_json(sql)).unwrap()
    }

    /// Sends an invocation of `["Order", key, "process"]`; its id.
    pub fn send(&self, target: &[&str], parameter: &Value) -> String {
        self.block_on(self.sending(target, parameter)).unwrap()
    }

    pub async fn sending(&self, target: &[&str], parameter: &Value) -> Result<String, AdminError> {
        let mut path = target.to_vec();
        path.push("send");
        let answer = self.ingress.post(&path).json(parameter).send().await?.json::<Value>()?;
        Ok(answer["invocationId"].as_str().unwrap().to_owned())
    }

    /// Waits until `probe` returns a value.
    pub fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = probe() {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "gave up waiting: {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, ports: [u16; 3], environment: &[(String, String)]) -> Child {
    let address = |port: u16| format!("127.0.0.1:{port}");
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(provisioning::restate_server())
        .args(["--node-name", "rehearse"])
        .env("RESTATE_BASE_DIR", folder.join("data"))
        .env("DO_NOT_TRACK", "1")
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_ADMIN__BIND_ADDRESS", address(ports[0]))
        .env("RESTATE_INGRESS__BIND_ADDRESS", address(ports[1]))
        .env("RESTATE_BIND_ADDRESS", address(ports[2]))
        .env("RESTATE_DEFAULT_NUM_PARTITIONS", "2")
        .env("RESTATE_LOG_FILTER", "warn")
        // Suspend soon after the last progress.
        .env("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "1s")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
