//! What an operator can get wrong: each one clear message with a way out, and nothing lost.

use std::net::TcpListener;

use cheeseshop_test_support::loopback_port;

use crate::support::{Home, Output, Server, Surroundings as _};

fn message(output: &Output) -> &str {
    assert_eq!(output.stdout, "", "talk belongs to standard error");
    output.stderr.trim_end()
}

#[test]
fn a_port_in_use_leaves_nothing_behind() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = home.run(&["serve", "--listen", &address]);
    assert_eq!(output.code, Some(2));
    assert_eq!(
        message(&output),
        format!(
            "error: cannot listen on {address}: the port is in use by another program\n\
             hint: stop that program, or choose another port with --listen HOST:PORT"
        )
    );
    assert!(!home.data_dir().exists());
}

#[test]
fn the_second_server_of_a_directory_is_told_who_has_it() {
    let home = Home::new();
    let first = Server::start(&home, &[]);
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, Some(2));
    let data_dir = home.data_dir().canonicalize().unwrap();
    let told = message(&output);
    let expected = format!(
        "error: the data directory {} is in use by `cheeseshop serve` (process {} on ",
        data_dir.display(),
        first.id()
    );
    assert!(told.starts_with(&expected), "{told}");
    let hint = ")\nhint: stop that one first, or choose another directory with --data-dir";
    assert!(told.ends_with(hint), "{told}");
    first.kill();
    // A killed server holds nothing.
    Server::start(&home, &[]).stop();
}

#[test]
fn all_wrong_settings_are_told_at_once() {
    let home = Home::new();
    let file = home.write(
        "shop.toml",
        "[server]\nlisten_on = [\"127.0.0.1:0\"]\noutside_url = \"ftp://x.test\"\n\n\
         [mirror]\nrequest_timeout = \"soon\"\n\n[blobs]\nbucket = \"b\"\n",
    );
    let file = file.to_str().unwrap();
    let mut command = home.cheeseshop(&["serve", "--config", file, "--set", "log.fromat=json"]);
    command.env("CHEESESHOP_AUTH__ARGON2__ITERATIONS", "0");
    let output = crate::support::finish(command, "");
    assert_eq!(output.code, Some(2));
    let found = message(&output);
    for expected in [
        format!("{file}:2: `server.listen_on`: there is no such setting"),
        format!("{file}:3: `server.outside_url`: must be an http or https URL"),
        format!("{file}:6: `mirror.request_timeout`: `soon` is not a time such as"),
        format!("{file}:9: `blobs.bucket`: belongs to `blobs.kind = \"s3\"`, which is \"local\""),
        "flag --set: `log.fromat`: there is no such setting; did you mean `log.format`?".to_owned(),
        "environment variable CHEESESHOP_AUTH__ARGON2__ITERATIONS: `auth.argon2.iterations`: \
         `0` is not a whole number from 1 to 1000"
            .to_owned(),
    ] {
        assert!(found.contains(&expected), "{expected}\n--\n{found}");
    }
    assert!(
        found.starts_with("error: 6 problems in the settings:\n"),
        "{found}"
    );
    assert!(!home.data_dir().exists());
}

#[test]
fn a_settings_file_that_is_not_there_is_told() {
    let home = Home::new();
    let output = home.run(&["serve", "--config", "nowhere.toml"]);
    assert_eq!(output.code, Some(2));
    assert!(
        message(&output).contains("nowhere.toml: cannot be read: No such file or directory"),
        "{output:?}"
    );
}

#[test]
fn a_data_directory_that_is_a_file_is_told() {
    let home = Home::new();
    home.write("data", "");
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, Some(2));
    let found = message(&output);
    assert!(found.contains(" cannot be made: "), "{found}");
    assert!(found.contains("hint: check owner and mode"), "{found}");
}

#[test]
fn an_unreadable_data_directory_is_told() {
    // Root may read everything, so the system is asked to give that up where it can.
    let home = Home::new();
    let data_dir = home.data_dir();
    std::fs::create_dir(&data_dir).unwrap();
    let command = as_nobody(&home, &["serve", "--listen", "127.0.0.1:0"]);
    let output = crate::support::finish(command, "");
    assert_eq!(output.code, Some(2), "{output:?}");
    let found = message(&output);
    assert!(
        found.starts_with(&format!(
            "error: the data directory {} cannot be ",
            data_dir.display()
        )),
        "{found}"
    );
    assert!(found.contains("Permission denied"), "{found}");
    assert!(found.contains("hint: check owner and mode"), "{found}");
}

/// The program run by somebody who does not own the data directory, which nobody else may read.
fn as_nobody(home: &Home, arguments: &[&str]) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    let mode = |bits| std::fs::Permissions::from_mode(bits);
    let data_dir = home.data_dir();
    let is_root = std::fs::metadata("/proc/self").map(|me| {
        use std::os::unix::fs::MetadataExt as _;
        me.uid() == 0
    });
    if is_root.unwrap() {
        std::fs::set_permissions(home.path(), mode(0o755)).unwrap();
        std::fs::set_permissions(&data_dir, mode(0o700)).unwrap();
        // The program itself may lie where only root may look.
        let program = home.path().join("cheeseshop");
        std::fs::copy(env!("CARGO_BIN_EXE_cheeseshop"), &program).unwrap();
        let mut command = home.cheeseshop(arguments);
        let mut copied = std::process::Command::new(program);
        copied
            .args(command.get_args())
            .in_surroundings_of(&command)
            .current_dir("/")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .uid(65_534)
            .gid(65_534);
        std::mem::swap(&mut command, &mut copied);
        command
    } else {
        std::fs::set_permissions(&data_dir, mode(0o000)).unwrap();
        home.cheeseshop(arguments)
    }
}

#[test]
fn a_corrupted_database_is_told_and_left_alone() {
    let home = Home::new();
    Server::start(&home, &[]).stop();
    let file = home.data_dir().join("cheeseshop.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..100].fill(b'x');
    std::fs::write(&file, &bytes).unwrap();

    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let found = message(&output);
    assert!(
        found.contains("the database file is damaged or is no SQLite database"),
        "{found}"
    );
    assert!(
        found.contains("hint: nothing was changed; put a backup"),
        "{found}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_database_server_that_is_not_there_is_told_without_the_password() {
    let home = Home::new();
    let port = loopback_port();
    let url = format!("postgres://shop:hunter2@127.0.0.1:{port}/shop");
    let output = home.run(&["init", "--database-url", &url]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let found = message(&output);
    assert!(!found.contains("hunter2"), "{found}");
    assert!(
        found.contains("the database server is unavailable"),
        "{found}"
    );
    assert!(
        found.contains("hint: is the database server running"),
        "{found}"
    );
}

#[test]
fn commands_do_not_make_a_directory_that_was_mistyped() {
    let home = Home::new();
    for arguments in [
        &["passwd", "root"][..],
        &["gc"][..],
        &["audit", "verify"][..],
    ] {
        let output = home.run(arguments);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert_eq!(
            message(&output),
            format!(
                "error: there is nothing at {}\n\
                 hint: `cheeseshop serve` or `cheeseshop init` makes a data directory; \
                 --data-dir names another one",
                home.data_dir().display()
            )
        );
        assert!(!home.data_dir().exists());
    }
}

#[test]
fn an_unknown_command_is_told() {
    let output = Home::new().run(&["serv"]);
    assert_eq!(output.code, Some(2));
    assert!(message(&output).contains("'serve'"), "{output:?}");
}

/// Runs `config check` and `serve` with the same settings; both must find the same problems.
fn problems_of(home: &Home, settings: &[&str]) -> String {
    let mut found = Vec::new();
    for (command, code) in [(&["config", "check"][..], 1), (&["serve"][..], 2)] {
        let mut arguments = command.to_vec();
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let output = home.run(&arguments);
        assert_eq!(output.code, Some(code), "{output:?}");
        let text = message(&output).to_owned();
        assert!(text.contains("\nhint: "), "{text}");
        assert!(!text.contains("internal error"), "{text}");
        found.push(text);
    }
    assert_eq!(found[0], found[1]);
    assert!(!home.data_dir().exists());
    found.swap_remove(0)
}

#[test]
fn settings_that_could_not_work_are_told_before_anything_is_made() {
    let home = Home::new();
    let found = problems_of(
        &home,
        &[
            "mirror.ca_bundle=/nowhere.pem",
            "mirror.proxy=me:hunter2",
            "mirror.user_agent=two\nlines",
            "log.filter=foo==bar",
            "server.listen=",
        ],
    );
    assert!(!found.contains("hunter2"), "{found}");
    for expected in [
        "flag --set: `mirror.ca_bundle`: cannot read the CA bundle `/nowhere.pem`: No such file \
         or directory (os error 2); name a readable PEM file",
        "flag --set: `mirror.proxy`: the proxy setting is neither a URL nor `none` or \
         `environment`; write it as `http://HOST:PORT`",
        "flag --set: `mirror.user_agent`: ",
        "flag --set: `log.filter`: `foo==bar` is no filter: ",
        "write a level, or targets with levels: `warn,cheeseshop_app=debug`",
        "flag --set: `server.listen`: there is no address to listen on; write HOST:PORT, for \
         example 127.0.0.1:3141",
    ] {
        assert!(found.contains(expected), "{expected}\n--\n{found}");
    }
    assert!(found.starts_with("error: 5 problems"), "{found}");
}

#[test]
fn addresses_that_are_none_are_told_each() {
    let found = problems_of(&Home::new(), &["server.listen=3141, 127.0.0.1:http, :1"]);
    for wrong in ["3141", "127.0.0.1:http", ":1"] {
        let expected = format!("flag --set: `server.listen`: `{wrong}` is no address");
        assert!(found.contains(&expected), "{expected}\n--\n{found}");
    }
}

#[test]
fn a_bucket_without_tls_or_key_is_told_before_anybody_is_asked() {
    let found = problems_of(
        &Home::new(),
        &[
            "blobs.kind=s3",
            "blobs.endpoint=http://s3.test/",
            "blobs.ca_file=/nowhere.pem",
        ],
    );
    for expected in [
        "default: `blobs.bucket`: is needed for `blobs.kind = \"s3\"`",
        "flag --set: `blobs.endpoint`: is without TLS; use an https URL, or permit it with \
         `allow_http = true`",
        "default: `blobs.access_key`: is missing; give it together with `secret_key`, or set \
         `machine_role = true`",
        "flag --set: `blobs.ca_file`: cannot read `/nowhere.pem`: No such file or directory",
    ] {
        assert!(found.contains(expected), "{expected}\n--\n{found}");
    }
    assert!(found.starts_with("error: 4 problems"), "{found}");

    let found = problems_of(
        &Home::new(),
        &["blobs.kind=s3", "blobs.bucket=b", "blobs.access_key=a"],
    );
    assert!(
        found.contains("flag --set: `blobs.access_key`: it and `secret_key` (or"),
        "{found}"
    );
}
