//! devpi-server and we, started the same way, and what a scenario does with both.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use cheeseshop_test_support::{DevpiServer, Upstream};
use serde_json::json;

use super::super::support::{BETWEEN_LOOKS, DEADLINE, Home, Server};
use super::difference::{Difference, differences};
use super::normal::Normal;
use super::wire::{Answer, Request, post};

/// The password of every user, also of `root`.
pub(super) const PASSWORD: &str = "a long enough password";

/// Both servers, as a scenario sees them.
pub(super) struct Pair {
    devpi: Side,
    ours: Side,
    pub(super) upstream: Upstream,
    scenario: RefCell<&'static str>,
    found: RefCell<Vec<Difference>>,
    steps: RefCell<usize>,
    _devpi: DevpiServer,
    _ours: Server,
    _homes: (Home, Home),
}

/// One of the servers.
pub(super) struct Side {
    pub(super) address: String,
    normal: Normal,
    tokens: RefCell<HashMap<String, String>>,
}

/// The answers of both to one request.
pub(super) struct Both {
    pub(super) devpi: Answer,
    pub(super) ours: Answer,
}

impl Pair {
    /// Starts both, with this upstream for mirrors.
    pub(super) fn start(upstream: Upstream) -> Self {
        let homes = (Home::new(), Home::new());
        let devpi = DevpiServer::start(
            &homes.0.path().join("devpi"),
            PASSWORD,
            &["--request-timeout", "10"],
        );
        homes
            .1
            .devpi_init(&["--no-root-pypi", "--root-passwd", PASSWORD]);
        let ours = Server::spawn(
            &homes.1,
            homes
                .1
                .devpi_server(&["--host", "127.0.0.1", "--request-timeout", "10"]),
        );
        let pair = Self {
            devpi: Side::new(&devpi.address()),
            ours: Side::new(ours.url.trim_start_matches("http://")),
            upstream,
            scenario: RefCell::new(""),
            found: RefCell::default(),
            steps: RefCell::default(),
            _devpi: devpi,
            _ours: ours,
            _homes: homes,
        };
        pair.log_in("root");
        pair
    }

    /// What follows belongs to this scenario.
    pub(super) fn begin(&self, scenario: &'static str) {
        *self.scenario.borrow_mut() = scenario;
    }

    /// Sends the request to both and compares the answers.
    pub(super) fn same(&self, request: &Request) -> Both {
        self.compare(request, request)
    }

    /// Sends to each a request of its own: one that holds what the server has said before.
    pub(super) fn compare(&self, to_devpi: &Request, to_us: &Request) -> Both {
        let both = Both {
            devpi: self.devpi.send(to_devpi),
            ours: self.ours.send(to_us),
        };
        let step = format!("{}: {}", self.scenario.borrow(), to_devpi.label());
        self.found.borrow_mut().extend(differences(
            &step,
            to_devpi,
            (&both.devpi, &self.devpi.normal),
            (&both.ours, &self.ours.normal),
        ));
        *self.steps.borrow_mut() += 1;
        both
    }

    /// Sends several one after the other.
    pub(super) fn all<'r>(&self, requests: impl IntoIterator<Item = &'r Request>) {
        for request in requests {
            self.same(request);
        }
    }

    /// A preparation: both must succeed; how they say so is compared elsewhere.
    pub(super) fn prepare(&self, request: &Request) -> Both {
        let both = Both {
            devpi: self.devpi.send(request),
            ours: self.ours.send(request),
        };
        for (who, answer) in [("devpi", &both.devpi), ("we", &both.ours)] {
            assert!(
                answer.is_success(),
                "{}: {}: {who} answered {} {}: {}",
                self.scenario.borrow(),
                request.label(),
                answer.status,
                answer.reason,
                answer.text()
            );
        }
        both
    }

    /// Asks us again until the answer is as expected: what a mirror has learned is written down
    /// after it was told.
    pub(super) fn wait_until_we(&self, request: &Request, is_ready: impl Fn(&Answer) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_ready(&self.ours.send(request)) {
            assert!(
                Instant::now() < deadline,
                "{}: still not so",
                request.label()
            );
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Makes a user on both and logs in.
    pub(super) fn user(&self, name: &str) {
        self.prepare(&super::wire::put(
            &format!("/{name}"),
            &json!({"password": PASSWORD}),
        ));
        self.log_in(name);
    }

    /// Logs in on both.
    pub(super) fn log_in(&self, name: &str) {
        self.devpi.log_in(name, PASSWORD);
        self.ours.log_in(name, PASSWORD);
    }

    /// The login tokens of a user: devpi's, ours.
    pub(super) fn tokens(&self, name: &str) -> [String; 2] {
        [&self.devpi, &self.ours].map(|side| side.tokens.borrow()[name].clone())
    }

    /// Makes an index on both, as its owner.
    pub(super) fn index(&self, name: &str, config: &serde_json::Value) {
        let owner = name.split('/').next().unwrap_or_default();
        self.prepare(&super::wire::put(&format!("/{name}"), config).by(owner));
    }

    /// The differences so far, and how many requests were compared.
    pub(super) fn into_result(self) -> (Vec<Difference>, usize) {
        (self.found.take(), self.steps.take())
    }
}

impl Side {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            normal: Normal::of(address),
            tokens: RefCell::default(),
        }
    }

    fn send(&self, request: &Request) -> Answer {
        let tokens = self.tokens.borrow();
        let credentials = request.user.as_ref().map(|user| {
            let token = tokens
                .get(user)
                .unwrap_or_else(|| panic!("nobody has logged in `{user}`"));
            format!("{user}:{token}")
        });
        request.send(&self.address, credentials.as_deref())
    }

    fn log_in(&self, user: &str, password: &str) {
        let answer =
            post("/+login", &json!({"user": user, "password": password})).send(&self.address, None);
        let token = answer
            .document()
            .and_then(|document| document["result"]["password"].as_str().map(str::to_owned))
            .unwrap_or_else(|| panic!("login of {user}: {} {}", answer.status, answer.text()));
        self.tokens.borrow_mut().insert(user.to_owned(), token);
    }
}
