//! Servers for tests: what they have, and that nothing of them is left.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use cheeseshop_test_support::{Wheel, python_client, python_packages};
use serde_json::Value;

use crate::support::{Api, BETWEEN_LOOKS, DEADLINE, Home, finish};

/// The example of the library's documentation.
#[path = "../../../../client/examples/team_index.rs"]
#[expect(dead_code, reason = "its `main` is for people")]
mod team_index;

/// A throwaway server, and what it has said of itself.
pub(super) struct Throwaway {
    child: Child,
    pub(super) said: Value,
    pub(super) url: String,
}

/// The command that starts one.
fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.bare_cheeseshop(&["serve", "--ephemeral"]);
    command.args(arguments).stderr(Stdio::inherit());
    command
}

/// Lets a command speak its one line, and reads it.
fn line_of(child: &mut Child) -> Value {
    let stdout = child.stdout.take().unwrap();
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"))
}

impl Throwaway {
    pub(super) fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::spawn(command(home, arguments))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let said = line_of(&mut child);
        let url = said["url"].as_str().unwrap().to_owned();
        Self { child, said, url }
    }

    pub(super) fn password(&self, user: &str) -> &str {
        self.said["users"][user]["password"].as_str().unwrap()
    }

    pub(super) async fn api(&self, user: &str) -> Api {
        Api::login(&self.url, user, self.password(user)).await
    }

    fn signal(&self, name: &str) {
        signal(u64::from(self.child.id()), name);
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(process: u64, name: &str) {
    let process = process.to_string();
    let status = Command::new("kill").args(["-s", name, &process]).status();
    assert!(status.unwrap().success());
}

/// Waits for something that takes a moment.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The directories of throwaway servers of a home.
fn directories(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("cheeseshop-ephemeral-"))
        .collect()
}

const LAYOUT: &str = r#"
version = 1
[users.ann]
password = "ann-password"
[users.ben]
[indexes."ann/dev"]
bases = ["root/pypi", "ben/base"]
[indexes."ben/base"]
volatile = false
acl_upload = ["ann", "ben"]
"#;

#[tokio::test]
async fn it_has_the_users_and_indexes_of_its_layout() {
    let home = Home::new();
    home.write("layout.toml", LAYOUT);
    let mut server = Throwaway::start(&home, &["--layout", "layout.toml"]);
    assert_eq!(server.said["pid"], server.child.id());
    assert_eq!(server.password("ann"), "ann-password");
    let dev = &server.said["indexes"]["ann/dev"];
    assert_eq!(dev["url"], format!("{}/ann/dev/", server.url));
    assert_eq!(dev["simple"], format!("{}/ann/dev/+simple/", server.url));

    let ann = server.api("ann").await;
    let wheel = Wheel::named("hello").build();
    ann.upload("ben/base", &wheel).await;
    assert_eq!(ann.files("ann/dev", "hello").await.len(), 1);
    let root = server.api("root").await;
    let mirror = root.document("root/pypi").await;
    assert_eq!(mirror["result"]["type"], "mirror");
    assert_eq!(mirror["result"]["mirror_url"], Value::Null, "{mirror}");
    // Nothing is known of it, and nobody is asked.
    assert_eq!(ann.files("root/pypi", "no-such").await, []);
    server.api("ben").await;

    assert_eq!(directories(&home).len(), 1);
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(directories(&home).is_empty());
}

#[tokio::test]
async fn root_has_the_password_that_a_file_gives_it() {
    let home = Home::new();
    let file = home.write("secret", "geheimes-wort\n");
    let setting = format!("auth.root_password_file={}", file.display());
    let server = Throwaway::start(&home, &["--set", &setting]);
    assert_eq!(server.password("root"), "geheimes-wort");
    server.api("root").await;
}

#[tokio::test]
async fn without_a_layout_there_is_root_and_an_interrupt_ends_it() {
    let home = Home::new();
    let mut server = Throwaway::start(&home, &[]);
    assert_eq!(server.said["users"].as_object().unwrap().len(), 1);
    server.api("root").await;
    // Tests try wrong passwords as often as they like.
    let stranger = Api::anonymous(&server.url);
    for _ in 0..8 {
        let refused = stranger.try_login("root", "wrong").await;
        assert_eq!(refused.unwrap_err(), 401);
    }
    server.signal("INT");
    assert!(server.wait().success());
    assert!(directories(&home).is_empty());
}

#[tokio::test]
async fn nothing_of_the_machine_changes_it() {
    let home = Home::new();
    home.write(".config/cheeseshop/cheeseshop.toml", "no = settings\n");
    home.write(
        ".config/pip/pip.conf",
        "[global]\nindex-url = http://pip.test/simple/\n",
    );
    let mut command = command(&home, &[]);
    command
        .env("CHEESESHOP_SERVER__LISTEN", "127.0.0.1:1")
        .env("CHEESESHOP_DATA_DIR", home.data_dir())
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9");
    let server = Throwaway::spawn(command);
    let root = server.api("root").await;
    let mirror = root.document("root/pypi").await;
    assert_eq!(mirror["result"]["mirror_url"], Value::Null, "{mirror}");
    assert!(!home.data_dir().exists());
}

#[test]
fn it_ends_with_its_parent_even_when_that_is_killed() {
    let home = Home::new();
    // A parent between it and the test. `exec` would make them one.
    let mut parent = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_cheeseshop");
    parent
        .args(["-c", &format!("{program} serve --ephemeral & wait")])
        .env_clear()
        .env("TMPDIR", home.path())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut parent = parent.spawn().unwrap();
    let said = line_of(&mut parent);
    assert_ne!(said["pid"], parent.id());
    assert_eq!(directories(&home).len(), 1);
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("its directory is gone", || directories(&home).is_empty());
    let address = said["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap();
    until("it listens no more", || {
        std::net::TcpStream::connect(address).is_err()
    });
}

#[test]
fn what_a_killed_one_has_left_the_next_one_removes() {
    let home = Home::new();
    let running = Throwaway::start(&home, &[]);
    let mut killed = Throwaway::start(&home, &[]);
    assert_eq!(directories(&home).len(), 2);
    killed.signal("KILL");
    assert!(!killed.wait().success());
    assert_eq!(directories(&home).len(), 2);
    let mut next = Throwaway::start(&home, &[]);
    assert_eq!(directories(&home).len(), 2);
    next.signal("TERM");
    assert!(next.wait().success());
    let address = running.url.strip_prefix("http://").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    assert_eq!(directories(&home).len(), 1);
}

#[test]
fn what_cannot_be_made_is_told_and_leaves_nothing() {
    let home = Home::new();
    let large = format!("version = 1\n#{}", "#".repeat(16 << 20));
    for (layout, expected) in [
        (large.as_str(), "layout.toml: it is too large"),
        (
            "version = 1\n[groups]\n",
            "groups: this version of the format has no such table",
        ),
        (
            "version = 1\n[indexes.\"root/x\"]\nbases = [\"root/none\"]\n",
            "index root/x: there is no index root/none to inherit from",
        ),
        // What only a server refuses.
        (
            "version = 1\n[users.ann]\npassword = \"\"\n",
            "user ann: the server answered 400",
        ),
    ] {
        home.write("layout.toml", layout);
        let mut command =
            home.bare_cheeseshop(&["serve", "--ephemeral", "--layout", "layout.toml"]);
        command.stdin(Stdio::null());
        let output = finish(command, "");
        assert_eq!(output.code, Some(2), "{output:?}");
        assert_eq!(output.stdout, "");
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert!(directories(&home).is_empty());
    }
    let alone = home.run(&["serve", "--layout", "layout.toml"]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.stderr.contains("--ephemeral"), "{}", alone.stderr);
}

#[test]
fn data_of_another_server_is_not_touched() {
    let home = Home::new();
    let other = home.data_dir();
    let path = other.display();
    for setting in [
        format!("database.url=sqlite://{path}/cheeseshop.db"),
        format!("blobs.path={path}"),
    ] {
        let mut command = home.bare_cheeseshop(&["serve", "--ephemeral", "--set", &setting]);
        command.stdin(Stdio::null());
        let output = finish(command, "");
        assert_eq!(output.code, Some(2), "{setting}: {output:?}");
        let expected = "in a directory of its own: leave the setting";
        assert!(output.stderr.contains(expected), "{output:?}");
        assert!(
            !other.exists() && directories(&home).is_empty(),
            "{setting}"
        );
    }
}

#[tokio::test]
async fn the_example_of_the_library_does_what_it_says() {
    let home = Home::new();
    let server = Throwaway::start(&home, &[]);
    let wheel = Wheel::named("hello").build();
    let path = home.path().join(&wheel.name);
    std::fs::write(&path, &wheel.bytes).unwrap();
    let password = server.password("root");
    for _ in 0..2 {
        let projects = team_index::upload_for_team(&server.url, password, &path)
            .await
            .unwrap();
        assert_eq!(projects, ["hello"]);
    }
}

/// The blocks of a manual page in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/manual")
        .join(page);
    let text = std::fs::read_to_string(page).unwrap();
    let begin = format!("```{language}\n");
    let blocks = text.split(&begin).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_pytest_example_of_the_manual_works() {
    let page = "testing-against-a-server.md";
    let home = Home::new();
    let (layouts, programs) = (blocks(page, "toml"), blocks(page, "python"));
    let ([layout], [fixture, test]) = (&layouts[..], &programs[..]) else {
        panic!("the page has other blocks: {layouts:#?} {programs:#?}");
    };
    home.write("layout.toml", layout);
    home.write("conftest.py", fixture);
    home.write("test_release.py", test);
    let wheel = Wheel::named("hello-shop").build();
    let dist = home.path().join("dist");
    std::fs::create_dir(&dist).unwrap();
    std::fs::write(dist.join(&wheel.name), &wheel.bytes).unwrap();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, program) in [
        (
            "cheeseshop",
            PathBuf::from(env!("CARGO_BIN_EXE_cheeseshop")),
        ),
        ("twine", python_client("twine")),
    ] {
        std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
    }
    let python = python_packages("pytest", &["pytest==9.2.0"]).join("bin/python");
    let mut command = home.bare_cheeseshop(&[]);
    let variables: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command = Command::new(python);
    command
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .env_clear()
        .envs(variables)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("1 passed"), "{}", output.stdout);
    assert!(directories(&home).is_empty());
}
