//! Moving in without an export: from a stopped devpi-server's directory, and from a running one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Instant;

use cheeseshop_test_support::{DevpiServer, Sdist, Upstream};
use reqwest::Method;
use serde_json::{Value, json};

use super::kill::count;
use super::routes::{Picture, assert_same};
use super::world::{self, World};
use super::{run, serve};
use crate::support::{Api, CHEAP_HASH, DEADLINE, Home};

/// As test support starts devpi-server.
const COST: &[&str] = &[
    "--argon2-memory-cost=8",
    "--argon2-time-cost=1",
    "--argon2-parallelism=1",
];

const SECRET: &str = "VGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHMgb25seSE=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_of_a_stopped_devpi_server_comes_in() {
    let upstream = Upstream::start().await;
    let home = Home::new();
    let directory = home.path().join("devpi");
    let devpi = DevpiServer::start(&directory, world::PASSWORD, &[]);
    let world = World::make(&devpi.url(), &upstream).await;
    let before = Picture::take(&devpi.url(), &world).await;

    let path = directory.display().to_string();
    let refused = home.run(&[&["import", &path], CHEAP_HASH].concat());
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("still running"), "{refused:?}");
    devpi.stop();

    let report = home.path().join("report.json");
    run(
        &home,
        &[
            "import",
            "--hard-links",
            "--report",
            report.to_str().unwrap(),
            &path,
        ],
    );
    super::reports::assert_nothing_lost(&report);
    let server = serve(&home);
    let here = Picture::take(&server.url, &world).await;
    assert_same("devpi-server", &before, "we", &here);
    Api::login(&server.url, "bob", world::PASSWORD).await;
}

/// The command that follows a server.
struct Following {
    child: Child,
    lines: BufReader<ChildStderr>,
}

impl Following {
    fn start(home: &Home, devpi: &DevpiServer, more: &[&str]) -> Self {
        let secret = home.path().join("secret");
        let (url, secret) = (devpi.url(), secret.to_str().unwrap());
        let arguments = ["import", "--follow", &url, "--secret-file", secret];
        let arguments = [&arguments, COST, CHEAP_HASH, more].concat();
        let mut command = home.cheeseshop(&arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it says this.
    fn wait_for(&mut self, text: &str) {
        let mut said = String::new();
        while !said.contains(text) {
            let read = self.lines.read_line(&mut said).unwrap();
            assert!(read > 0, "it ended without saying {text:?}:\n{said}");
        }
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Reads what it still says, and waits for its end.
    fn finish(mut self) {
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}:\n{said}");
    }
}

/// The digests of the files of the project `late`, and the projects of an index.
async fn changed(url: &str) -> (Vec<String>, Value) {
    let api = Api::login(url, "bob", world::PASSWORD).await;
    let document = async |path: &str| -> Value {
        let request = api.request(Method::GET, path);
        let answer = request.header("Accept", "application/json").send().await;
        serde_json::from_slice(&answer.unwrap().bytes().await.unwrap()).unwrap()
    };
    let late = document("bob/dev/late").await;
    let releases = late["result"].as_object().unwrap().values();
    let mut digests: Vec<String> = releases
        .flat_map(|release| release["+links"].as_array().unwrap())
        .map(|link| link["hash_spec"].as_str().unwrap().to_owned())
        .collect();
    digests.sort();
    let index = document("bob/prod").await;
    (digests, index["result"]["projects"].clone())
}

fn make_secret(path: &Path) {
    fs::write(path, SECRET).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_devpi_server_is_followed_until_the_switch() {
    let upstream = Upstream::start().await;
    let home = Home::new();
    let secret = home.path().join("secret");
    make_secret(&secret);
    let options = [
        "--role",
        "primary",
        "--secretfile",
        secret.to_str().unwrap(),
    ];
    let devpi = DevpiServer::start(&home.path().join("devpi"), world::PASSWORD, &options);
    let world = World::make(&devpi.url(), &upstream).await;
    let bob = Api::login(&devpi.url(), "bob", world::PASSWORD).await;
    for number in 0..60 {
        let name = format!("many{number}");
        let file = Sdist::named(&name).file("x", name.clone()).build();
        bob.upload("bob/prod", &file).await;
    }

    // Killed again and again in the middle, while people go on working.
    let blobs = home.data_dir().join("blobs");
    let mut killed = 0;
    for part in 1..=3_usize {
        let mut following = Following::start(&home, &devpi, &[]);
        let deadline = Instant::now() + DEADLINE;
        while count(&blobs) < part * 15 && following.is_running() {
            assert!(Instant::now() < deadline, "it does not get on");
            std::thread::yield_now();
        }
        if following.is_running() {
            following.child.kill().unwrap();
            killed += 1;
        }
        following.child.wait().unwrap();
        let late = Sdist::named("late").version(&part.to_string()).build();
        bob.upload("bob/dev", &late).await;
        let gone = format!("bob/prod/many{part}?force");
        let answer = bob.send(Method::DELETE, &gone, &json!(null)).await;
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    assert_eq!(killed, 3);

    // Left alone it arrives, keeps up, and ends when it is told to.
    let mut following = Following::start(&home, &devpi, &[]);
    following.wait_for("in sync with");
    let fourth = Sdist::named("late").version("4").build();
    bob.upload("bob/dev", &fourth).await;
    following.wait_for("in sync with");
    let id = following.child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.unwrap().success());
    following.finish();

    // Once more at the moment of the switch.
    let fifth = Sdist::named("late").version("5").build();
    bob.upload("bob/dev", &fifth).await;
    Following::start(&home, &devpi, &["--until-in-sync"]).finish();
    let before = Picture::take(&devpi.url(), &world).await;
    let there = changed(&devpi.url()).await;
    assert_eq!(there.0.len(), 5, "{there:?}");
    devpi.stop();

    let server = serve(&home);
    let here = Picture::take(&server.url, &world).await;
    assert_same("devpi-server", &before, "we", &here);
    assert_eq!(changed(&server.url).await, there);
}
