//! The released devpi client and pip against a server that shows nothing without a login.

use std::process::Stdio;

use cheeseshop_test_support::{Wheel, client_command, python_client};
use serde_json::json;

use super::shop::installed;
use crate::support::{Home, Output, Server, finish};

/// Runs a client in a folder of its own, off the threads of the test.
async fn client(home: &Home, name: &'static str, arguments: &[&str]) -> Output {
    let folder = home.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let mut command = client_command(&python_client(name), &folder);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(command, "")
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devpi_and_pip_get_in_with_a_login_and_not_without() {
    let home = Home::new();
    let arguments = [
        "--set=mirror.root_pypi_url=http://127.0.0.1:9/",
        "--set=auth.login_required=true",
    ];
    let server = Server::start(&home, &arguments);
    let bob = server.new_user("bob", "bobs-password").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let wheel = Wheel::named("pkg").build();
    bob.upload("bob/dev", &wheel).await;

    let devpi = async |arguments: &[&str]| {
        let output = client(&home, "devpi-client", arguments).await;
        let talk = format!("{}{}", output.stdout, output.stderr);
        (output.code, talk)
    };
    let (code, talk) = devpi(&["use", &server.url]).await;
    assert_eq!(code, Some(0), "{talk}");
    let (code, talk) = devpi(&["use", "-l"]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(talk.contains("403"), "{talk}");
    let (code, talk) = devpi(&["login", "bob", "--password", "bobs-password"]).await;
    assert_eq!(code, Some(0), "{talk}");
    let (code, talk) = devpi(&["use", "bob/dev"]).await;
    assert!(
        code == Some(0) && talk.contains("bob/dev (logged in as bob)"),
        "{talk}"
    );
    let (code, talk) = devpi(&["list"]).await;
    assert!(code == Some(0) && talk.contains("pkg"), "{talk}");

    let index = format!("{}/bob/dev/+simple/", server.url);
    let with_password = index.replacen("://", "://bob:bobs-password@", 1);
    for (index, gets_in) in [(&index, false), (&with_password, true)] {
        let install = ["install", "--target", "there", "--index-url", index, "pkg"];
        let output = client(&home, "pip", &install).await;
        assert_eq!(output.code == Some(0), gets_in, "{output:?}");
    }
    assert_eq!(installed(&home.path().join("pip/there")), ["pkg-1.0"]);
}
