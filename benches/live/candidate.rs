//! A candidate: a deployment to check against, with the CPU time that its process takes.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A candidate of `fixtures/record`, on Node.
pub struct TypeScript {
    child: Child,
    port: u16,
}

fn sdk(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sdks/typescript").join(script)
}

impl TypeScript {
    /// Starts the candidate. The error says what is missing.
    pub fn start() -> Result<Self, String> {
        let provisioned = Command::new(sdk("provision.sh")).stdin(Stdio::null()).output().unwrap();
        if !provisioned.status.success() {
            return Err(String::from_utf8_lossy(&provisioned.stderr).trim().to_owned());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut serve = Command::new(sdk("serve.sh"));
        let child = serve.arg(port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut started = Self { child: child.spawn().unwrap(), port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.child.try_wait().unwrap().is_none(), "the candidate ended");
            assert!(Instant::now() < deadline, "the candidate does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(started)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/base", self.port)
    }

    /// Seconds of CPU that the candidate has used so far.
    pub fn cpu(&self) -> f64 {
        // These fields are utime and stime.
        seconds(&format!("/proc/{}/stat", self.child.id()), [14, 15])
    }
}

impl Drop for TypeScript {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU of all children that have ended.
pub fn cpu_of_children() -> f64 {
    // These fields are cutime and cstime.
    seconds("/proc/self/stat", [16, 17])
}

/// The sum of two fields of a stat file in seconds. The fields are counted from 1, as in proc(5), in ticks of 10 ms.
fn seconds(stat: &str, fields: [usize; 2]) -> f64 {
    let text = std::fs::read_to_string(stat).unwrap();
    // The second field is a name in parentheses, which may contain spaces.
    let after_name: Vec<&str> = text[text.rfind(')').unwrap() + 2..].split(' ').collect();
    fields.iter().map(|field| after_name[field - 3].parse::<f64>().unwrap() / 100.0).sum()
}
