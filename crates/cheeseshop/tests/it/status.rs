//! `cheeseshop status`: asking a running server.

use cheeseshop_test_support::loopback_port;

use crate::support::{Home, Server};

#[test]
fn status_prints_what_the_server_says() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let output = home.run(&["status", &server.url]);
    assert_eq!(output.code, Some(0), "{output:?}");
    for expected in ["role      MASTER", "serial    ", "server-keyvalue-parsing"] {
        assert!(output.stdout.contains(expected), "{expected}: {output:?}");
    }
    let output = home.run(&["status", "--json", &server.url]);
    let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["role"], "MASTER");
}

#[test]
fn no_server_is_told() {
    let url = format!("http://127.0.0.1:{}/", loopback_port());
    let output = Home::new().run(&["status", &url]);
    assert_eq!(output.code, Some(2));
    assert!(
        output
            .stderr
            .starts_with(&format!("error: {url} gave no status: no answer")),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("hint: is `cheeseshop serve` running there?")
    );
}
