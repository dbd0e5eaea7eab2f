//! A real browser: Chromium without a window, told what to do over a pipe (Chrome DevTools Protocol).

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Debian's Chromium that has no window at all.
const PROGRAM: &str = "chromium-headless-shell";

/// How long the browser may take for anything.
const DEADLINE: Duration = Duration::from_mins(1);

/// Reads orders from the first pipe and writes answers to the second, as file descriptors 3 and 4.
const START: &str = r#"orders=$1; answers=$2; shift 2; exec "$@" 3<"$orders" 4>"$answers""#;

/// A browser with one page open. It ends with this value.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    orders: File,
    answers: Receiver<Value>,
    /// What came before its turn.
    events: VecDeque<Value>,
    number: u64,
    session: Option<String>,
    /// Problems that the console has shown since the last look.
    complaints: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with an empty page and nothing remembered.
    pub fn start() -> Self {
        let is_there = Command::new("sh")
            .args(["-c", "command -v \"$1\"", "sh", PROGRAM])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        assert!(
            is_there,
            "there is no Chromium; apt-get install {PROGRAM} fonts-dejavu-core"
        );
        let folder = tempfile::tempdir().expect("the temporary directory is writable");
        let [orders, answers] = ["orders", "answers"].map(|name| folder.path().join(name));
        let made = Command::new("mkfifo").args([&orders, &answers]).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let child = Command::new("sh")
            .args(["-c", START, "browser"])
            .args([&orders, &answers])
            .arg(PROGRAM)
            .args([
                "--remote-debugging-pipe",
                // The tests run as root in a sandbox, which leaves no room for another one.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--no-proxy-server",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        // Each of the two waits for the other end, in the shell's order.
        let orders = OpenOptions::new()
            .write(true)
            .open(orders)
            .expect("the pipe is there");
        let answers = File::open(answers).expect("the pipe is there");
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).unwrap_or_default();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            orders,
            answers: receiver,
            events: VecDeque::new(),
            number: 0,
            session: None,
            complaints: Vec::new(),
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Opens an address and waits until what its markup names is there.
    pub fn open(&mut self, address: &str) {
        self.events.clear();
        let answer = self.call("Page.navigate", &json!({ "url": address }));
        assert_eq!(answer["errorText"], Value::Null, "{address}");
        self.wait_for("Page.loadEventFired");
    }

    /// Waits until the page is drawn, with the fonts and images that its style names. Where a page
    /// may run nothing, that never comes.
    pub fn settle(&mut self) {
        self.evaluate(
            "document.fonts.ready.then(() => new Promise(done => \
             requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))",
        );
    }

    /// The value of an expression of JavaScript in the page. It is run by the browser's tools, so
    /// that the page's policy says nothing about it.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        );
        assert_eq!(
            answer["exceptionDetails"],
            Value::Null,
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// A property of the style of the first element that fits.
    pub fn style(&mut self, selector: &str, property: &str) -> String {
        let value = self.evaluate(&format!(
            "getComputedStyle(document.querySelector({})).getPropertyValue({})",
            json!(selector),
            json!(property)
        ));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key, such as `Tab`.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                &json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}),
            );
        }
    }

    /// What its user prefers: features of media queries with their values.
    pub fn prefer(&mut self, features: &[(&str, &str)]) {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Makes the window so many pixels wide and high.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// The errors and warnings that the console has shown since the last call, such as those about
    /// something that the page's policy forbids.
    pub fn complaints(&mut self) -> Vec<String> {
        // What the page has caused so far comes before the answer to another order.
        self.evaluate("1");
        std::mem::take(&mut self.complaints)
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut order = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let sent = self.orders.write_all(format!("{order}\0").as_bytes());
        assert!(sent.is_ok(), "{PROGRAM} has ended or cannot be started");
        let deadline = Instant::now() + DEADLINE;
        loop {
            let message = self.receive(deadline, method);
            if message["id"] == json!(self.number) {
                assert_eq!(message["error"], Value::Null, "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    fn wait_for(&mut self, event: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let message = match self.events.pop_front() {
                Some(message) => message,
                None => self.receive(deadline, event),
            };
            if message["method"] == json!(event) {
                return;
            }
        }
    }

    fn receive(&mut self, deadline: Instant, what: &str) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = self
            .answers
            .recv_timeout(left)
            .unwrap_or_else(|error| panic!("{PROGRAM}: no {what}: {error}"));
        match message["method"].as_str() {
            Some("Log.entryAdded") => {
                let entry = &message["params"]["entry"];
                self.complaints
                    .push(entry["text"].as_str().unwrap_or_default().to_owned());
            }
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown") => {
                self.complaints.push(message["params"].to_string());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
