//! A headless Chromium, driven through the DevTools protocol: JSON messages over a pipe, each ended by a zero byte.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// No request to the page takes this long, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A browser with one page in it.
pub struct Chromium {
    process: Child,
    commands: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    session: String,
    sent: Cell<u64>,
    /// What the browser reported without being asked: requests, errors, log entries.
    events: RefCell<Vec<Value>>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts the browser with an empty page.
    pub fn start(program: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads commands from descriptor 3 and writes answers to 4. The shell connects them to our pipes.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"])
            .args(["--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--force-device-scale-factor=1", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (send, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.by_ref().read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if send.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            process,
            commands: RefCell::new(commands),
            messages,
            session: String::new(),
            sent: Cell::new(0),
            events: RefCell::default(),
            _profile: profile,
        };
        let target = browser.send("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.send("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.send(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    fn try_send(&self, method: &str, parameters: Value) -> Option<Value> {
        let id = self.sent.get() + 1;
        self.sent.set(id);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.commands.borrow_mut().write_all(&bytes).ok()?;
        loop {
            let message = self.next()?;
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return Some(message["result"].clone());
            }
            self.events.borrow_mut().push(message);
        }
    }

    fn next(&self) -> Option<Value> {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => Some(message),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("Chromium does not answer"),
        }
    }

    pub fn send(&self, method: &str, parameters: Value) -> Value {
        self.try_send(method, parameters).unwrap_or_else(|| panic!("Chromium is gone before it answers {method}"))
    }

    /// Opens a page and waits until it has loaded; how long that took.
    pub fn open(&self, url: &str) -> Duration {
        self.events.borrow_mut().clear();
        let begun = Instant::now();
        let answer = self.send("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        while !self.events.borrow().iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next().expect("Chromium is gone");
            self.events.borrow_mut().push(event);
        }
        begun.elapsed()
    }

    /// The value of an expression; a promise is awaited.
    pub fn value(&self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.send("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            assert!(begun.elapsed() < PATIENCE, "never: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key.
    pub fn press(&self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        let text = if key == "Enter" { "\r" } else { text };
        let codes =
            [("Tab", 9), ("Enter", 13), ("Escape", 27), ("ArrowLeft", 37), ("ArrowRight", 39), ("ArrowDown", 40)];
        let code = codes.iter().find(|(name, _)| *name == key).map_or(0, |(_, code)| *code);
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
            self.send("Input.dispatchKeyEvent", event);
        }
    }

    /// Clicks in the middle of the first element that matches the selector.
    pub fn click(&self, selector: &str) {
        let place = self.value(&format!(
            "(() => {{ const element = document.querySelector({selector:?}); element.scrollIntoView({{ block: 'center' }});
                const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.send("Input.dispatchMouseEvent", event);
        }
    }

    pub fn window(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.send("Emulation.setDeviceMetricsOverride", size);
    }

    /// `light` or `dark`.
    pub fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.send("Emulation.setEmulatedMedia", features);
    }

    pub fn scripts(&self, run: bool) {
        self.send("Emulation.setScriptExecutionDisabled", json!({ "value": !run }));
    }

    /// Writes a picture of the window, for people to look at.
    pub fn picture(&self, file: &Path) {
        let answer = self.send("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Errors of scripts, messages of the console, and refusals of the browser.
    pub fn complaints(&self) -> Vec<Value> {
        let complaints =
            ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"];
        self.events_of(&complaints)
    }

    /// The URLs that were requested, including the page itself.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.events_of(&["Network.requestWillBeSent"]);
        requests.iter().map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    fn events_of(&self, methods: &[&str]) -> Vec<Value> {
        let events = self.events.borrow();
        let wanted = events.iter().filter(|event| methods.iter().any(|method| event["method"] == *method));
        wanted.cloned().collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser ends after this command. If it does not, it is killed.
        let _ = self.commands.borrow_mut().write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
