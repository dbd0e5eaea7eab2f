//! Terminals, pipes and signals: what people see, what programs read, and what is left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use cheeseshop_test_support::{Wheel, python_client};
use serde_json::{Value, json};

use super::shop::use_unasked;
use super::stand::{Stand, is_running};
use super::twins::Side;
use crate::support::{BETWEEN_LOOKS, DEADLINE, Home, Output, finish};

/// Runs a command on a terminal of its own.
fn on_a_terminal(stand: &Stand, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = terminal(stand, arguments);
    command.envs(variables.iter().copied());
    finish(command, "")
}

/// A terminal that runs a command; what is written to it is typed.
fn terminal(stand: &Stand, arguments: &[&str]) -> Command {
    let words: Vec<&str> = [env!("CARGO_BIN_EXE_cheeseshop")]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let inner = stand.command(arguments);
    let mut command = Command::new("script");
    command
        .args([
            "--quiet",
            "--return",
            "--command",
            &words.join(" "),
            "/dev/null",
        ])
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .current_dir(stand.home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn colour_is_for_terminals_that_want_it() {
    let stand = Stand::at_our_server().await;
    let line = "using server: ";
    let bold = format!("\x1b[1m{line}");
    for (variables, is_coloured) in [
        (&[] as &[(&str, &str)], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("PY_COLORS", "0")], false),
        // devpi's own variable wins.
        (&[("PY_COLORS", "1"), ("NO_COLOR", "1")], true),
    ] {
        let output = on_a_terminal(&stand, &["use"], variables);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.stdout.contains(line), "{output:?}");
        assert_eq!(
            output.stdout.contains(&bold),
            is_coloured,
            "{variables:?} {output:?}"
        );
        assert_eq!(
            output.stdout.contains('\x1b'),
            is_coloured,
            "{variables:?} {output:?}"
        );
    }
    let piped = stand.done(&["use"]);
    assert!(!piped.stdout.contains('\x1b'), "{piped:?}");
    let mut command = stand.command(&["use"]);
    command.env("PY_COLORS", "1");
    let wanted = finish(command, "");
    assert!(wanted.stdout.contains(&bold), "{wanted:?}");
}

#[tokio::test]
async fn progress_is_for_people() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    stand.done(&["use", "bob/dev"]);
    let wheel = Wheel::named("pkg").build();
    std::fs::write(stand.home.path().join(&wheel.name), &wheel.bytes).unwrap();
    let erased = "\r\x1b[K";
    let seen = on_a_terminal(&stand, &["upload", &wheel.name], &[("NO_COLOR", "1")]);
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert!(seen.stdout.contains(erased), "{seen:?}");
    let piped = stand.done(&["upload", &wheel.name]);
    assert!(!(piped.stdout + &piped.stderr).contains(['\r', '\x1b']));
}

/// A project whose backend starts a program, says so, and never comes to an end.
fn write_endless_project(stand: &Stand) {
    stand.write(
        "project/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"endless\"\nbackend-path = [\".\"]\n\
         [project]\nname = \"endless\"\nversion = \"1.0\"\n",
    );
    let mark = stand.home.path().join("started");
    stand.write(
        "project/endless.py",
        &format!(
            "import subprocess, time\ndef build_sdist(folder, settings=None):\n    \
             other = subprocess.Popen(['sleep', '600'])\n    \
             print(other.pid, file=open({mark:?}, 'w'), flush=True)\n    other.wait()\n"
        ),
    );
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// How somebody ends a command.
#[derive(Clone, Copy, Debug)]
enum End {
    Signal(&'static str),
    /// Ctrl-C on the terminal.
    Key,
}

#[tokio::test]
async fn whoever_ends_an_upload_ends_the_build_and_nothing_is_left() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    stand.done(&["use", "bob/dev"]);
    write_endless_project(&stand);
    let python = python_client("build").with_file_name("python");
    let build = [
        "upload",
        "--sdist",
        "--no-isolation",
        "-p",
        python.to_str().unwrap(),
    ];
    let mark = stand.home.path().join("started");
    for (end, code) in [
        (End::Signal("INT"), 130),
        (End::Signal("TERM"), 143),
        (End::Signal("HUP"), 129),
        (End::Key, 130),
    ] {
        let mut command = match end {
            End::Signal(_) => stand.command(&build),
            End::Key => terminal(&stand, &build),
        };
        command
            .current_dir(stand.home.path().join("project"))
            .stdin(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + DEADLINE;
        let started = loop {
            match std::fs::read_to_string(&mark) {
                Ok(id) if id.ends_with('\n') => break id.trim().to_owned(),
                _ => assert!(Instant::now() < deadline, "{end:?}: no build was started"),
            }
            std::thread::sleep(BETWEEN_LOOKS);
        };
        assert!(!entries(&stand.scratch()).is_empty());
        match end {
            End::Signal(name) => {
                let id = child.id().to_string();
                let sent = Command::new("kill").args(["-s", name, &id]).status();
                assert!(sent.unwrap().success());
            }
            End::Key => child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap(),
        }
        // Its standard input stays open: an end of that is not what ends it.
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{end:?}");
        drop(stdin);
        assert_eq!(entries(&stand.scratch()), Vec::<String>::new(), "{end:?}");
        while is_running(&started) {
            assert!(Instant::now() < deadline, "{end:?}: {started} goes on");
            std::thread::sleep(BETWEEN_LOOKS);
        }
        std::fs::remove_file(&mark).unwrap();
    }
}

/// Reads one line of what a command prints, and no more.
fn first_line(mut command: Command) -> (String, Output) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    let output = Output {
        code: output.status.code(),
        stdout: line.clone(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (line, output)
}

/// A server that answers everything with a document; it ends with the test.
fn serve(document: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
                        X-Devpi-API-Version: 2\r\n";
            let length = document.len();
            write!(stream, "{head}Content-Length: {length}\r\n\r\n{document}").unwrap();
        }
    });
    url
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // Far more than a pipe holds.
    let projects: Vec<_> = (0..20_000)
        .map(|number| format!("project-{number}"))
        .collect();
    let document =
        json!({"type": "indexconfig", "result": {"type": "stage", "projects": projects}});
    let url = serve(document.to_string());
    let client = Side::ours_alone();
    use_unasked(&client, &url);
    for arguments in [
        &["list"] as &[&str],
        &["getjson", "/bob/dev"],
        &["--help"],
        &["upload", "--help"],
    ] {
        let (line, output) = first_line(client.command(arguments));
        assert!(!line.is_empty(), "{arguments:?}: {output:?}");
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr, "", "{arguments:?}");
    }
    let home = Home::new();
    let (line, output) = first_line(home.cheeseshop(&["generate", "completions", "bash"]));
    assert!(!line.is_empty());
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

#[test]
fn json_with_a_strangers_text_does_not_steer_the_terminal() {
    let name = "a\u{9b}2J\u{7f}b";
    let result = json!({"type": "stage", "title": name, "projects": [name]});
    let url = serve(json!({"type": "indexconfig", "result": result}).to_string());
    let client = Side::ours_alone();
    use_unasked(&client, &url);
    for arguments in [
        &["list", "--json"] as &[&str],
        &["index", "--json"],
        &["getjson", "/bob/dev"],
    ] {
        let output = finish(client.command(arguments), "");
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        let is_command = |it: char| it.is_control() && it != '\n';
        assert!(!output.stdout.contains(is_command), "{output:?}");
        let read: Value = serde_json::from_str(&output.stdout).unwrap();
        assert!(read.to_string().contains(name), "{arguments:?}: {read}");
    }
}

#[test]
fn a_part_of_what_was_asked_for_is_not_told_as_the_whole() {
    let home = Home::new();
    for mut command in [
        home.cheeseshop(&["config", "show"]),
        home.cheeseshop(&["gen-config", "nginx", "--server-name=shop.test"]),
        home.cheeseshop(&["init"]),
        home.devpi("devpi-gen-config", &[]),
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        command.stdout(full.unwrap());
        let output = finish(command, "");
        assert_ne!(output.code, Some(0), "{output:?}");
        let told = ": standard output cannot be written to: No space left on device";
        assert!(output.stderr.contains(told), "{output:?}");
    }
}

#[test]
fn whoever_does_not_listen_to_talk_either_gets_what_was_asked_for() {
    let home = Home::new();
    // Nobody reads standard error.
    let mut command = home.cheeseshop(&["config", "check"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer);
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");

    let client = Side::ours_alone();
    let mut command = client.command(&["env", "http://127.0.0.1:1/bob/dev"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer);
    let output = finish(command, "");
    assert!(matches!(output.code, Some(0..=2)), "{output:?}");
}
