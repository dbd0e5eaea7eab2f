//! `devpi-passwd`, on a terminal and without one.

use std::process::Stdio;

use super::{initialised, run, serve};
use crate::support::{Api, CHEAP_HASH, Home, Output, finish};

/// Runs a program on a terminal of its own and gives an answer after each prompt.
const ON_A_TERMINAL: &str = r#"
import os, pty, sys, termios, time
answers, command = sys.argv[1].split("|"), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
printed = b""
while True:
    try:
        piece = os.read(terminal, 1024)
    except OSError:
        break
    if not piece:
        break
    printed += piece
    if printed.endswith(b": ") and answers:
        # A password is typed when the terminal no longer shows it, which is a moment after the prompt.
        hidden = printed.rsplit(b"\n", 1)[-1].startswith((b"enter", b"repeat"))
        deadline = time.monotonic() + 10
        while hidden and termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.001)
        os.write(terminal, answers.pop(0).encode() + b"\n")
        printed += b"\n"
sys.stdout.write(printed.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

fn on_a_terminal(home: &Home, arguments: &[&str], answers: &[&str]) -> Output {
    let arguments = [CHEAP_HASH, arguments].concat();
    let wanted = home.devpi("devpi-passwd", &arguments);
    let mut command = std::process::Command::new("python3");
    command
        .args(["-c", ON_A_TERMINAL, &answers.join("|")])
        .arg(wanted.get_program())
        .args(wanted.get_args())
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish(command, "")
}

#[tokio::test]
async fn a_terminal_is_asked_twice() {
    let home = initialised();
    let output = on_a_terminal(&home, &["root"], &["new password", "new password"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("enter password for root: "),
        "{output:?}"
    );
    assert!(
        output.stdout.contains("repeat password for root: "),
        "{output:?}"
    );
    assert!(!output.stdout.contains("new password"), "{output:?}");
    let server = serve(&home, &[]);
    Api::login(&server.url, "root", "new password").await;

    // Beside the server, with the user asked for, and to the empty password.
    let output = on_a_terminal(&home, &[], &["root", "one", "other", "", ""]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("User to set password for: "),
        "{output:?}"
    );
    assert_eq!(output.stdout.matches("password don't match").count(), 1);
    server.stop();
    let server = serve(&home, &[]);
    Api::login(&server.url, "root", "").await;
}

#[test]
fn three_tries_are_enough() {
    let home = initialised();
    let output = on_a_terminal(&home, &["root"], &["a", "b", "c", "d", "e", "f", "g", "g"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        output.stdout.matches("enter password").count(),
        3,
        "{output:?}"
    );
    assert!(
        output.stdout.contains("fatal: no password set"),
        "{output:?}"
    );
}

#[test]
fn an_unknown_user_is_told_before_a_password_is_asked_for() {
    let home = initialised();
    let output = run(&home, "devpi-passwd", &["nobody"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(output.stderr, "fatal: user 'nobody' not found\n");
    let output = run(&home, "devpi-passwd", &[]);
    assert_eq!(output.stderr, "fatal: No user name provided.\n");
}

#[tokio::test]
async fn without_a_terminal_the_first_line_counts() {
    let home = initialised();
    let set = |input: &str| {
        let arguments = [CHEAP_HASH, &["root"]].concat();
        finish(home.devpi("devpi-passwd", &arguments), input)
    };
    let output = set("one\ntwo\n");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("password don't match"), "{output:?}");
    for input in ["one\none\n", "two\n"] {
        let output = set(input);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    let server = serve(&home, &[]);
    Api::login(&server.url, "root", "two").await;
}
