//! The real haproxy in front of one server.

use std::path::PathBuf;

use cheeseshop_test_support::{CertificateAuthority, Haproxy, Wheel, loopback_port, noise};
use reqwest::{Method, StatusCode, Version};
use serde_json::json;

use super::load::Load;
use super::{NAME, Visitor, certificate, header, listen};
use crate::support::{CHEAP_HASH, Home, Server};

/// haproxy, and somebody who comes through it.
pub(super) struct Front {
    pub(super) haproxy: Haproxy,
    pub(super) visitor: Visitor,
    /// Where haproxy speaks TLS.
    pub(super) port: u16,
    plain_port: u16,
    pub(super) authority: CertificateAuthority,
}

/// Starts haproxy as `gen-config` has it with these options.
pub(super) fn start(home: &Home, options: &[&str]) -> Front {
    let authority = CertificateAuthority::new();
    let (port, plain_port) = (loopback_port(), loopback_port());
    let (certificate, key) = certificate(home, &authority, &[NAME]);
    let both = [certificate, key].map(|path| std::fs::read_to_string(path).unwrap());
    let both = home.write("both.pem", &both.concat());
    let file: PathBuf = home.path().join("haproxy.cfg");
    let arguments = [
        "gen-config".to_owned(),
        "haproxy".to_owned(),
        format!("--output={}", file.display()),
        format!("--server-name={NAME}"),
        format!("--certificate={}", both.display()),
        format!("--listen=127.0.0.1:{port}"),
        format!("--redirect-from=127.0.0.1:{plain_port}"),
    ];
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(options);
    home.run(&arguments).succeeded("gen-config");
    Front {
        haproxy: Haproxy::start(home.path(), &file, port),
        visitor: Visitor::new(&authority, port),
        port,
        plain_port,
        authority,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_passes_on_what_it_should_and_nothing_else() {
    let home = Home::new();
    let server = Server::start(&home, &[super::ACCEL]);
    let bob = server.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let file = Wheel::named("big")
        .file("big/data.bin", noise(900_000))
        .build();
    bob.upload("bob/dev", &file).await;
    let front = start(
        &home,
        &[
            &listen(&server),
            "--immutable-accounts",
            "--allow-status=192.0.2.1",
            "--set=tls.hsts=2d",
        ],
    );
    let visitor = &front.visitor;

    let spoofed = [
        ("forwarded", "for=6.6.6.6;host=evil.test;proto=http"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.test"),
        ("x-real-ip", "6.6.6.6"),
        ("x-outside-url", "http://evil.test/"),
        ("x-request-id", "chosen-by-a-caller"),
        ("x-sendfile-type", "X-Accel-Redirect"),
    ];
    let answer = visitor.get_with("/+api", &spoofed).await;
    assert_eq!(answer.version(), Version::HTTP_2);
    assert!(!header(&answer, "strict-transport-security").is_empty());
    assert!(!header(&answer, "x-request-id").contains("chosen"));
    let document: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        document["result"]["login"],
        format!("{}/+login", visitor.url)
    );
    assert!(!server.log().contains("6.6.6.6"), "{}", server.log());
    let listed = bob.files("bob/dev", "big").await;
    let path = listed[0].url.replace(&server.url, "");
    let answer = visitor.get_with(&path, &spoofed).await;
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
    let answer = visitor.get_with(&path, &[("range", "bytes=1-3")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);

    for path in [
        "/metrics",
        "/+status",
        "//+status",
        "/%2Bstatus",
        "/%2bstatus/",
        "//metrics",
    ] {
        assert_eq!(
            visitor.get(path).await.status(),
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let insider = visitor.clone().with_login("bob", "secret");
    for path in ["/bob", "/bob/", "//bob", "///eve"] {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = insider
                .send(method, path, &json!({"password": "new"}))
                .await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(header(&answer, "allow"), "GET, HEAD, POST");
        }
    }
    let answer = insider
        .send(Method::PUT, "/bob/new", &json!({"bases": []}))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);

    let plain = format!("http://127.0.0.1:{}/bob?a=b", front.plain_port);
    let answer = visitor.get(&plain).await;
    assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
    assert!(header(&answer, "location").starts_with("https://"));
    let answer = visitor.send(Method::POST, &plain, &json!({})).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    drop(front.haproxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_stays_so_with_and_without_the_path_that_the_server_is_below() {
    let home = Home::new();
    let outside = "--set=server.outside_url=https://elsewhere.test/py.pi";
    let server = Server::start(&home, &[outside]);
    server.new_user("bob", "secret").await;
    let options = [
        &listen(&server),
        outside,
        "--immutable-accounts",
        "--allow-status=192.0.2.1",
    ];
    let front = start(&home, &options);
    let bob = front.visitor.clone().with_login("bob", "secret");
    for path in [
        "/py.pi/metrics",
        "/metrics",
        "//py.pi/+status",
        "/+status",
        "/py.pi/%2Bstatus",
    ] {
        assert_eq!(
            bob.get(path).await.status(),
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    for path in ["/py.pi/bob", "/bob", "//py.pi/bob/", "/py.pi//bob"] {
        let answer = bob.send(Method::DELETE, path, &json!({})).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(bob.get("/py.pi/bob").await.status(), StatusCode::OK);
    let answer = bob
        .send(Method::PUT, "/py.pi/bob/dev", &json!({"bases": []}))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    drop(front.haproxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_anew_behind_haproxy_is_waited_for() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let file = Wheel::named("pkg").build();
    bob.upload("bob/dev", &file).await;
    let listed = bob.files("bob/dev", "pkg").await;
    let path = listed[0].url.replace(&server.url, "");
    let front = start(&home, &[&listen(&server)]);
    let page = ("/bob/dev/+simple/pkg/".to_owned(), None);
    let wanted = [page.clone(), (path, Some(file.sha256)), page];
    let load = Load::start(&front.visitor, &wanted);
    load.pass(60).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    server.stop();
    let arguments = [&["serve", "--listen", &address], CHEAP_HASH].concat();
    let server = Server::spawn(&home, home.cheeseshop(&arguments));
    load.pass(60).await;
    load.end_without_failure().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_passed_on_at_the_rate_that_was_chosen() {
    let home = Home::new();
    let outside = "--set=server.outside_url=https://elsewhere.test/py.pi";
    let server = Server::start(&home, &[outside]);
    server.new_user("bob", "secret").await;
    let front = start(&home, &[&listen(&server), outside, "--login-rate=4"]);
    let bob = front.visitor.clone().with_login("bob", "secret");
    let form = json!({"user": "bob", "password": "secret"});
    for path in [
        "/+login",
        "/py.pi/%2Blogin/",
        "//+login",
        "/bob/+token-create",
    ] {
        let answer = bob.send(Method::POST, path, &form).await;
        assert_ne!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    for path in ["/+login", "/py.pi/bob/%2btoken-create"] {
        let answer = bob.send(Method::POST, path, &form).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(header(&answer, "retry-after"), "60");
    }
    // Nothing else counts, and the page itself does not.
    let page = bob.get_with("/+login", &[("accept", "text/html")]).await;
    assert_eq!(page.status(), StatusCode::OK);
    for _ in 0..6 {
        assert_eq!(bob.get("/bob").await.status(), StatusCode::OK);
    }
    drop(front.haproxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_must_or_may_show_a_certificate_where_that_is_wanted() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let people = CertificateAuthority::new();
    let file = home.write("people.pem", people.pem());
    let wanted = format!("--client-ca={}", file.display());
    let identity = |authority: &CertificateAuthority| {
        let (certificate, key) = authority.issue_client("bob");
        reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap()
    };
    for (more, nobody_is_served) in [
        (None, false),
        (Some("--client-certificates=optional"), true),
    ] {
        let own = listen(&server);
        let mut options = vec![own.as_str(), &wanted];
        options.extend(more);
        let front = start(&home, &options);
        let asked = async |who: Option<reqwest::Identity>| {
            let visitor = Visitor::configured(&front.authority, front.port, |client| match who {
                Some(identity) => client.identity(identity),
                None => client,
            });
            visitor.request(Method::GET, "/+api").send().await.is_ok()
        };
        assert!(asked(Some(identity(&people))).await);
        assert_eq!(asked(None).await, nobody_is_served);
        let stranger = CertificateAuthority::new();
        assert!(!asked(Some(identity(&stranger))).await);
        drop(front.haproxy);
    }
}
