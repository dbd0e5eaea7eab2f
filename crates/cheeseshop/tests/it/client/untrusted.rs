//! A server that cannot prove who it is gets nothing secret.

use cheeseshop_test_support::{CertificateAuthority, Upstream};

use super::twins::Side;

#[tokio::test]
async fn what_cannot_be_verified_is_asked_without_secrets() {
    let authority = CertificateAuthority::new();
    // It is no devpi server; what it is asked, and how, is what matters.
    let server = Upstream::builder().tls(&authority).start().await;
    let side = Side::ours_alone();
    let root = format!("{}/", server.origin());
    let state = side.home.path().join(".devpi/client");
    std::fs::create_dir_all(&state).unwrap();
    let current = serde_json::json!({
        "index": format!("{root}root/dev"), "login": format!("{root}+login"), "username": "root",
    });
    std::fs::write(state.join("current.json"), current.to_string()).unwrap();
    let logins = serde_json::json!({
        "auth": {&root: [["root", "the-token"]]},
        "basic_auth": {&root: ["front", "the-password"]},
    });
    std::fs::write(state.join("auth.json"), logins.to_string()).unwrap();
    let secrets = || -> Vec<bool> {
        let requests = server.requests();
        server.reset_requests();
        requests
            .iter()
            .map(|request| {
                request.header("x-devpi-auth").is_some()
                    || request.header("authorization").is_some()
            })
            .collect()
    };

    for arguments in [&["use"] as &[&str], &["use", "root/prod", "--set-cfg"]] {
        let output = side.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(secrets(), [false], "{arguments:?}: {output:?}");
    }
    // Nothing else even tries.
    for arguments in [
        &["index"] as &[&str],
        &["login", "root", "--password", "x"],
        &["getjson", "/"],
    ] {
        let output = side.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("SSL verification failed"), "{output:?}");
        assert!(secrets().is_empty(), "{arguments:?}");
    }
    // Once it is trusted, it gets them.
    let bundle = authority.write_pem(side.home.path());
    let arguments = ["use", "--ca-bundle", bundle.to_str().unwrap()];
    let output = side.command(&arguments).output().unwrap();
    assert!(secrets().contains(&true), "{output:?}");
    // It was no devpi server, so what was in use is in use.
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(state.join("current.json")).unwrap()).unwrap();
    assert_eq!(kept, current);
}
