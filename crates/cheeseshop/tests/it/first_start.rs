//! From nothing to a working index with one command.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use cheeseshop_test_support::postgres;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Api, CHEAP_HASH, DEADLINE, Home, Server, Surroundings as _};

#[tokio::test]
async fn the_first_start_makes_everything_and_prints_the_password_once() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let password = server
        .root_password
        .clone()
        .expect("the password is printed");
    assert_eq!(server.announcement.matches(&password).count(), 1);
    assert!(
        server.announcement.contains(&format!(
            "Install with: pip install --index-url {}/root/pypi/+simple/ NAME",
            server.url
        )),
        "{}",
        server.announcement
    );
    let mode = std::fs::metadata(home.data_dir()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);

    let root = server.root().await;
    let index = root.document("root/pypi").await;
    assert_eq!(index["result"]["type"], "mirror");
    let log = server.stop();
    assert!(!log.contains(&password), "the password is in the log");
}

#[tokio::test]
async fn the_second_start_finds_what_the_first_has_made() {
    let home = Home::new();
    let first = Server::start(&home, &[]);
    let password = first.root_password.clone().unwrap();
    let root = first.root().await;
    root.create_user("bob", "secret").await;
    first.stop();

    let second = Server::start(&home, &[]);
    assert_eq!(second.root_password, None, "{}", second.announcement);
    let root = Api::login(&second.url, "root", &password).await;
    let users = root.document("?no_projects=").await;
    assert!(users["result"].get("bob").is_some(), "{users}");
    second.stop();
}

#[tokio::test]
async fn init_makes_the_same_without_serving() {
    let home = Home::new();
    let output = home.run(&["init"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let password = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("Created the user `root` with the password: "))
        .expect("the password is printed")
        .to_owned();

    let again = home.run(&["init"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout, "");
    assert!(again.stderr.contains("nothing to do"), "{again:?}");

    let server = Server::start(&home, &[]);
    assert_eq!(server.root_password, None);
    Api::login(&server.url, "root", &password).await;
}

/// The password in the file of a first start that did not print it.
fn kept_password(home: &Home) -> String {
    let file = home.data_dir().join("root-password");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    text.trim_end().to_owned()
}

/// The journal, a container's log, supervisord, a file: nothing of that forgets.
#[tokio::test]
async fn a_password_that_nobody_would_see_goes_to_a_file_until_there_is_another() {
    let home = Home::new();
    let mut command = home.cheeseshop(&["serve", "--listen", "127.0.0.1:0"]);
    command.env_remove("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD");
    let server = Server::spawn(&home, command);
    let password = kept_password(&home);
    assert!(
        !server.announcement.contains(&password),
        "{}",
        server.announcement
    );
    let file = home.data_dir().join("root-password");
    assert!(
        server
            .announcement
            .contains(&format!("its password is in {}", file.display())),
        "{}",
        server.announcement
    );
    Api::login(&server.url, "root", &password).await;

    let output = home.run_with_input(&["passwd", "root"], "another-one\n");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!file.exists(), "{output:?}");
    assert!(!server.stop().contains(&password));
}

/// Starts a server that prints no password.
fn start_quietly(home: &Home, arguments: &[&str]) -> Server {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], CHEAP_HASH, arguments].concat();
    let mut command = home.cheeseshop(&arguments);
    command.env("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD", "never");
    Server::spawn(home, command)
}

/// Waits until the file of the made-up password is gone.
async fn wait_until_forgotten(home: &Home, server: &Server) {
    let deadline = Instant::now() + DEADLINE;
    while home.data_dir().join("root-password").exists() {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_file_of_a_made_up_password_goes_when_a_request_sets_another() {
    let home = Home::new();
    let server = start_quietly(&home, &[]);
    let password = kept_password(&home);
    let root = Api::login(&server.url, "root", &password).await;
    let response = root
        .send(Method::PATCH, "root", &json!({"password": "another-one"}))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    wait_until_forgotten(&home, &server).await;
    Api::login(&server.url, "root", "another-one").await;
    assert!(!server.stop().contains(&password));
}

#[tokio::test]
async fn the_file_of_a_made_up_password_stays_as_long_as_it_is_right() {
    let home = Home::new();
    start_quietly(&home, &[]).stop();
    let password = kept_password(&home);
    let set = |password: &str| {
        let arguments = [&["passwd", "root"], CHEAP_HASH].concat();
        home.run_with_input(&arguments, &format!("{password}\n"))
    };
    // The same again, in another hash.
    let output = set(&password).succeeded("passwd");
    assert!(!output.stderr.contains("removed"), "{output:?}");
    assert_eq!(kept_password(&home), password);

    // It was outdated while no server ran, by something that did not think of it.
    let output = set("another-one").succeeded("passwd");
    assert!(output.stderr.contains("removed"), "{output:?}");
    let text = format!("{password}\n");
    home.write("data/root-password", &text);
    let server = start_quietly(&home, &[]);
    wait_until_forgotten(&home, &server).await;
    server.stop();

    // What an operator has put there is none of ours.
    home.write("data/root-password", "in the safe\n");
    let output = set("one-more").succeeded("passwd");
    assert!(!output.stderr.contains("removed"), "{output:?}");
    assert!(home.data_dir().join("root-password").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_a_made_up_password_goes_when_another_node_sets_one() {
    let database = postgres().await;
    let url = format!("--database-url={}", database.url);
    let homes = [Home::new(), Home::new()];
    let one = start_quietly(&homes[0], &[&url]);
    let two = start_quietly(&homes[1], &[&url]);
    assert!(!homes[1].data_dir().join("root-password").exists());
    let password = kept_password(&homes[0]);
    let root = Api::login(&two.url, "root", &password).await;
    let response = root
        .send(Method::PATCH, "root", &json!({"password": "another-one"}))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    wait_until_forgotten(&homes[0], &one).await;
    one.stop();
    two.stop();
}

#[test]
fn where_a_made_up_password_is_printed_is_a_setting() {
    for (wanted, on_a_terminal, is_printed) in [
        ("terminal", true, true),
        ("terminal", false, false),
        ("always", false, true),
        ("never", true, false),
    ] {
        let home = Home::new();
        let mut command = home.cheeseshop(&["init"]);
        if on_a_terminal {
            let program = env!("CARGO_BIN_EXE_cheeseshop");
            let inner = command;
            command = std::process::Command::new("script");
            command
                .args(["--quiet", "--return", "--command"])
                .arg(format!("{program} init"))
                .arg("/dev/null")
                .in_surroundings_of(&inner)
                .current_dir(home.path())
                .stdin(std::process::Stdio::null());
        }
        command.env("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD", wanted);
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{wanted} {printed}");
        assert!(printed.contains("Created the user `root`"), "{printed}");
        assert_eq!(
            printed.contains("with the password: "),
            is_printed,
            "{wanted} {on_a_terminal}: {printed}"
        );
        let file = home.data_dir().join("root-password");
        assert_eq!(file.exists(), !is_printed, "{wanted} {on_a_terminal}");
    }
}

#[tokio::test]
async fn the_password_of_root_can_come_from_a_file_that_is_needed_once() {
    let home = Home::new();
    let file = home.write("secret", "geheimes-wort\n");
    let setting = format!("auth.root_password_file={}", file.display());
    let server = Server::start(&home, &["--set", &setting]);
    assert!(
        server
            .announcement
            .contains("Created the user `root` with the password of `auth.root_password_file`"),
        "{}",
        server.announcement
    );
    Api::login(&server.url, "root", "geheimes-wort").await;
    let announcement = server.announcement.clone();
    let said = announcement + &server.stop();
    assert!(!said.contains("geheimes-wort"), "{said}");
    assert!(!home.data_dir().join("root-password").exists());

    // From then on it is of no account, whatever becomes of it.
    std::fs::write(&file, "short\n").unwrap();
    Server::start(&home, &["--set", &setting]).stop();
    std::fs::remove_file(&file).unwrap();
    let server = Server::start(&home, &["--set", &setting]);
    Api::login(&server.url, "root", "geheimes-wort").await;
}

#[tokio::test]
async fn the_password_of_root_can_be_a_credential_of_the_service_manager() {
    let home = Home::new();
    let setting = "auth.root_password_file=credential:root-password";
    let refused = home.run(&["init", "--set", setting]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("the unit needs LoadCredential=root-password:/path/of/the/file"),
        "{refused:?}"
    );
    home.write("credentials/root-password", "geheimes-wort");
    let mut command = home.cheeseshop(&["serve", "--listen", "127.0.0.1:0", "--set", setting]);
    command.env("CREDENTIALS_DIRECTORY", home.path().join("credentials"));
    let server = Server::spawn(&home, command);
    Api::login(&server.url, "root", "geheimes-wort").await;
    // Commands by hand do not have it, and do not need it.
    let output = home.run(&["gc", "--set", setting]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[tokio::test]
async fn an_unusable_file_stops_the_first_start_and_leaves_it_to_be_repeated() {
    let home = Home::new();
    let file = home.write("secret", "geheim1\n");
    let setting = format!("auth.root_password_file={}", file.display());
    for command in ["init", "serve"] {
        let output = home.run(&[command, "--set", &setting]);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(
            output.stderr.contains(&format!(
                "`auth.root_password_file`: {}: is too short: 8 characters are the least",
                file.display()
            )),
            "{output:?}"
        );
        assert!(!output.stderr.contains("geheim1"), "{output:?}");
        assert!(!output.stdout.contains("Created"), "{output:?}");
    }
    std::fs::write(&file, "geheimes-wort\n").unwrap();
    let server = Server::start(&home, &["--set", &setting]);
    Api::login(&server.url, "root", "geheimes-wort").await;
}

#[test]
fn devpis_name_takes_the_file_where_no_password_is_given() {
    for (arguments, kind) in [
        (&[][..], "given"),
        (&["--root-passwd", ""], "empty"),
        (&["--root-passwd", "x"], "given"),
    ] {
        let home = Home::new();
        let file = home.write("secret", "geheimes-wort");
        let arguments = [super::support::CHEAP_HASH, arguments].concat();
        let mut command = home.devpi("devpi-init", &arguments);
        command.env("CHEESESHOP_AUTH__ROOT_PASSWORD_FILE", file);
        let output = super::support::finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
        let expected = format!("created user 'root' with the {kind} password");
        assert!(output.stdout.contains(&expected), "{output:?}");
    }
}

#[tokio::test]
async fn the_data_directory_follows_the_xdg_specification() {
    for (variable, value, expected) in [
        ("XDG_DATA_HOME", "share", "share/cheeseshop"),
        ("OTHER", "x", ".local/share/cheeseshop"),
    ] {
        let home = Home::new();
        let mut command = home.bare_cheeseshop(&["init"]);
        command.env(variable, home.path().join(value));
        let status = command.status().unwrap();
        assert!(status.success());
        assert!(home.path().join(expected).join("cheeseshop.db").is_file());
    }
}

#[tokio::test]
async fn the_first_mirror_follows_the_configured_upstream_before_the_users_pip() {
    let home = Home::new();
    home.write(
        ".config/pip/pip.conf",
        "[global]\nindex-url = http://me:hunter2@pip.test/simple/\n",
    );
    let server = Server::start(&home, &[]);
    assert!(
        server.announcement.contains("pip.test/simple/ (from "),
        "{}",
        server.announcement
    );
    assert!(!server.announcement.contains("hunter2"));
    server.stop();

    let home = Home::new();
    home.write(
        ".config/pip/pip.conf",
        "[global]\nindex-url = http://pip.test/simple/\n",
    );
    let server = Server::start(
        &home,
        &["--set=mirror.root_pypi_url=http://own.test/simple/"],
    );
    let root = server.root().await;
    let index = root.document("root/pypi").await;
    assert_eq!(index["result"]["mirror_url"], "http://own.test/simple/");
}

#[tokio::test]
async fn a_server_without_its_files_is_not_ready() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let ready = async || {
        let response = server.anonymous().get("+health/ready").await;
        response.status()
    };
    assert_eq!(ready().await, StatusCode::OK);
    let blobs = home.data_dir().join("blobs");
    let away = home.path().join("unmounted");
    std::fs::rename(&blobs, &away).unwrap();
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    let live = server.anonymous().get("+health/live").await;
    assert_eq!(live.status(), StatusCode::OK);
    std::fs::rename(&away, &blobs).unwrap();
    assert_eq!(ready().await, StatusCode::OK);
    let log = server.stop();
    assert!(log.contains("not ready"), "{log}");
}
