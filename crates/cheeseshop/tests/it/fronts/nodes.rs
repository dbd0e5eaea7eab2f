//! Several nodes behind nginx and haproxy: one may go, and what changes something is never done twice.

use std::os::unix::fs::PermissionsExt;

use cheeseshop_test_support::{
    BuiltFile, CertificateAuthority, Haproxy, Nginx, Wheel, loopback_port, noise, postgres, s3,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::dying::Dying;
use super::haproxy::{Front, start as start_haproxy};
use super::load::Load;
use super::{Visitor, generate};
use crate::support::{Api, CHEAP_HASH, Home, Server, in_bucket_and_database};

/// Who stands in front.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Nginx,
    Haproxy,
}

/// Either of them, running.
enum Running {
    Nginx(#[expect(dead_code, reason = "ends with this")] Nginx),
    Haproxy(#[expect(dead_code, reason = "ends with this")] Haproxy),
}

/// Starts it with these nodes; `server` is any of those that are servers.
fn start(kind: Kind, server: &Server, nodes: &[&str]) -> (Home, Visitor, Running) {
    let options: Vec<String> = nodes.iter().map(|node| format!("--node={node}")).collect();
    start_with(kind, server, &options)
}

/// The same with these options.
fn start_with(kind: Kind, server: &Server, options: &[String]) -> (Home, Visitor, Running) {
    let home = Home::new();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match kind {
        Kind::Nginx => {
            let authority = CertificateAuthority::new();
            let ports = (loopback_port(), loopback_port());
            let site = generate(&home, server, &authority, ports, &[], &options);
            let nginx = Nginx::start(&home.path().join("nginx"), &[&site], ports.0, "root");
            let visitor = visitor(&authority, ports.0);
            (home, visitor, Running::Nginx(nginx))
        }
        Kind::Haproxy => {
            let Front {
                haproxy,
                port,
                authority,
                ..
            } = start_haproxy(&home, &options);
            let visitor = visitor(&authority, port);
            (home, visitor, Running::Haproxy(haproxy))
        }
    }
}

/// Somebody with HTTP/1.1 and a connection for each request. Any other request haproxy ends without a word, by
/// which it tells the client to send it again.
fn visitor(authority: &CertificateAuthority, port: u16) -> Visitor {
    Visitor::configured(authority, port, |client| {
        client.http1_only().pool_max_idle_per_host(0)
    })
}

async fn upload(visitor: &Visitor, bob: &Api, file: &BuiltFile) -> StatusCode {
    let request = bob.upload_request("bob/dev", file).build().unwrap();
    let body = request.body().unwrap().as_bytes().unwrap().to_vec();
    let answer = visitor
        .request(Method::POST, "/bob/dev/")
        .header("content-type", request.headers()["content-type"].clone())
        .body(body)
        .send()
        .await
        .unwrap();
    answer.status()
}

/// Small ones and large ones in turn.
fn release(number: usize) -> BuiltFile {
    let size = if number.is_multiple_of(2) {
        10
    } else {
        400_000
    };
    Wheel::named("pkg")
        .version(&format!("1.{number}"))
        .file("pkg/data.bin", noise(size))
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_may_have_done_before_it_died_is_not_done_by_another() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "secret").await;
    let ours = server.url.trim_start_matches("http://");
    for kind in [Kind::Nginx, Kind::Haproxy] {
        bob.create_index("bob/dev", &json!({"bases": []})).await;
        let dying = Dying::start();
        let (_home, visitor, _front) = start(kind, &server, &[&dying.address, ours]);
        let visitor = visitor.with_login("bob", "secret");
        let mut kept = 0;
        let mut failed = 0;
        for number in 0..8 {
            match upload(&visitor, &bob, &release(number)).await {
                StatusCode::OK => kept += 1,
                StatusCode::BAD_GATEWAY => failed += 1,
                other => panic!("{kind:?}: {other}"),
            }
        }
        assert_eq!(dying.count("POST"), failed, "{kind:?}");
        assert!(failed > 0 && kept > 0, "{kind:?}: {failed} and {kept}");
        assert_eq!(bob.files("bob/dev", "pkg").await.len(), kept, "{kind:?}");
        let gone = bob.send(Method::DELETE, "bob/dev", &json!({})).await;
        assert!(gone.status().is_success());
    }
}

/// A document that is not in the first packet of its request.
fn long() -> serde_json::Value {
    json!({"bases": [], "title": "x".repeat(300_000)})
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_and_removed_by_one_node() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "secret").await;
    let ours = server.url.trim_start_matches("http://");
    for (kind, method) in [
        (Kind::Nginx, Method::PUT),
        (Kind::Nginx, Method::DELETE),
        (Kind::Haproxy, Method::PUT),
        (Kind::Haproxy, Method::DELETE),
    ] {
        // Each time anew: a node that has died often is left alone.
        let dying = Dying::start();
        let (_home, visitor, _front) = start(kind, &server, &[&dying.address, ours]);
        let visitor = visitor.with_login("bob", "secret");
        let mut failed = 0;
        let mut done = 0;
        for number in 0..8 {
            let index = format!("bob/i{number}");
            let mut document = json!({});
            if method == Method::DELETE {
                bob.create_index(&index, &json!({"bases": []})).await;
            } else {
                document = [long(), json!({"bases": []})][number % 2].clone();
            }
            let path = format!("/{index}");
            let answer = visitor.send(method.clone(), &path, &document).await;
            let is_there = bob.get(&index).await.status().is_success();
            match answer.status() {
                StatusCode::BAD_GATEWAY => failed += 1,
                status => {
                    assert!(status.is_success(), "{kind:?} {method}: {status}");
                    done += 1;
                }
            }
            let is_made = (method == Method::PUT) == answer.status().is_success();
            assert_eq!(is_there, is_made, "{kind:?} {method}");
            if is_there {
                bob.send(Method::DELETE, &index, &json!({})).await;
            }
        }
        assert_eq!(dying.count(method.as_str()), failed, "{kind:?} {method}");
        assert!(
            failed > 0 && done > 0,
            "{kind:?} {method}: {failed}, {done}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_server_is_not_sent_anything_twice_either() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    for kind in [Kind::Nginx, Kind::Haproxy] {
        let dying = Dying::of_changes();
        let (_home, visitor, _front) = start(kind, &server, &[&dying.address]);
        // Often enough to meet the connection that was kept, whichever process of nginx has it.
        for round in 1..=6 {
            for method in [Method::PUT, Method::DELETE, Method::POST] {
                assert_eq!(visitor.get("/bob").await.status(), StatusCode::OK);
                let answer = visitor.send(method.clone(), "/bob/dev", &json!({})).await;
                assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{kind:?}");
                let count = dying.count(method.as_str());
                assert_eq!(count, round, "{kind:?} {method}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_asked_twice_is_and_what_was_not_sent_goes_elsewhere() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "secret").await;
    let ours = server.url.trim_start_matches("http://");
    for kind in [Kind::Nginx, Kind::Haproxy] {
        bob.create_index("bob/dev", &json!({"bases": []})).await;
        bob.upload("bob/dev", &release(100)).await;
        let dying = Dying::start();
        let (_home, visitor, front) = start(kind, &server, &[&dying.address, ours]);
        for _ in 0..8 {
            let answer = visitor.get("/bob/dev/+simple/pkg/").await;
            assert_eq!(answer.status(), StatusCode::OK, "{kind:?}");
        }
        assert!(dying.count("GET") > 0, "{kind:?}");
        drop(front);

        // Nobody is there at all.
        let nobody = format!("127.0.0.1:{}", loopback_port());
        let (_home, visitor, _front) = start(kind, &server, &[&nobody, ours]);
        let visitor = visitor.with_login("bob", "secret");
        for number in 0..6 {
            let status = upload(&visitor, &bob, &release(number)).await;
            assert_eq!(status, StatusCode::OK, "{kind:?} {number}");
        }
        for _ in 0..4 {
            let made = visitor.send(Method::PUT, "/bob/new", &long()).await;
            assert_eq!(made.status(), StatusCode::OK, "{kind:?}");
            let removed = visitor.send(Method::DELETE, "/bob/new", &json!({})).await;
            assert!(removed.status().is_success(), "{kind:?}: {removed:?}");
        }
        let gone = bob.send(Method::DELETE, "bob/dev", &json!({})).await;
        assert!(gone.status().is_success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_nodes_may_go_without_a_failed_request() {
    let database = postgres().await;
    let bucket = s3().await;
    let homes = [Home::new(), Home::new()];
    let settings = in_bucket_and_database(&homes[0], &bucket, database.url.as_str());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let one = Server::start(&homes[0], &settings);
    let file = Wheel::named("pkg").build();
    let bob = one.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    bob.upload("bob/dev", &file).await;
    let listed = bob.files("bob/dev", "pkg").await;
    let path = listed[0].url.replace(&one.url, "");
    for kind in [Kind::Nginx, Kind::Haproxy] {
        let two = Server::start(&homes[1], &settings);
        let nodes = [&two, &one].map(|server| server.url.as_str());
        let (_home, visitor, _front) = start(kind, &one, &nodes);
        let page = ("/bob/dev/+simple/pkg/".to_owned(), None);
        let wanted = [
            page.clone(),
            (path.clone(), Some(file.sha256.clone())),
            page,
        ];
        let load = Load::start(&visitor, &wanted);
        load.pass(60).await;
        // Not asked to: it is gone in the middle of whatever it does.
        two.kill();
        load.pass(120).await;
        load.end_without_failure().await;
    }
    one.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_the_certificate_of_a_stranger_is_not_asked() {
    let home = Home::new();
    let authority = CertificateAuthority::new();
    let (certificate, key) = authority.issue(&[super::NAME, "localhost"]);
    let both = home.write("server.pem", &format!("{certificate}{key}"));
    std::fs::set_permissions(&both, PermissionsExt::from_mode(0o600)).unwrap();
    let set = format!("--set=tls.certificate={}", both.display());
    let port = loopback_port();
    let address = format!("https://127.0.0.1:{port}");
    let mut arguments = vec!["serve", "--listen", &address, &set];
    arguments.extend(CHEAP_HASH);
    let server = Server::spawn(&home, home.cheeseshop(&arguments));
    let own = home.write("own.pem", authority.pem());
    let other = home.write("other.pem", CertificateAuthority::new().pem());
    for kind in [Kind::Nginx, Kind::Haproxy] {
        for (file, expected) in [(&own, true), (&other, false)] {
            let options = [
                set.clone(),
                format!("--node={address}"),
                format!("--node-ca={}", file.display()),
            ];
            let (_home, visitor, _front) = start_with(kind, &server, &options);
            let answer = visitor.get("/+health/live").await;
            assert_eq!(answer.status().is_success(), expected, "{kind:?}");
        }
    }
    server.stop();
}
