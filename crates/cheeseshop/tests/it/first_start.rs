//! From nothing to a working index with one command.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::StatusCode;

use crate::support::{Api, Home, Server};

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

/// What systemd does for a service: its output is the journal, and `JOURNAL_STREAM` says which file that is.
#[test]
fn a_log_does_not_keep_the_password() {
    use std::os::unix::fs::MetadataExt as _;

    for (stands_for_the_journal, is_told) in [(true, false), (false, true)] {
        let home = Home::new();
        let journal = std::fs::File::create(home.path().join("journal")).unwrap();
        let other = std::fs::File::create(home.path().join("other")).unwrap();
        let of = if stands_for_the_journal {
            &journal
        } else {
            &other
        };
        let file = of.metadata().unwrap();
        let mut command = home.cheeseshop(&["init"]);
        command
            .env("JOURNAL_STREAM", format!("{}:{}", file.dev(), file.ino()))
            .stdout(journal);
        assert!(command.status().unwrap().success());
        let printed = std::fs::read_to_string(home.path().join("journal")).unwrap();
        assert!(printed.contains("Created the user `root`"), "{printed}");
        assert_eq!(printed.contains("the password: "), is_told, "{printed}");
    }
}

/// What supervisord does for a program: it keeps the output, and says that the program is its own.
#[test]
fn a_log_of_supervisord_does_not_keep_the_password() {
    let home = Home::new();
    let mut command = home.cheeseshop(&["init"]);
    let output = command.env("SUPERVISOR_ENABLED", "1").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("Created the user `root`"), "{printed}");
    assert!(!printed.contains("the password: "), "{printed}");
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
