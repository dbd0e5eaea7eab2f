use std::time::Duration;

use cheeseshop_app::Settings;
use cheeseshop_app::settings::MirrorSettings;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::{Fault, Gate, Upstream, UpstreamFile, Wheel};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Server, file_path, noise};

#[tokio::test]
async fn upstream_trouble_is_never_a_404() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("django").build();
    upstream.publish(&wheel);
    server.mirror(&upstream).await;
    for fault in [
        Fault::Status(503),
        Fault::Status(500),
        Fault::DropConnection,
    ] {
        upstream.fault(&upstream.project_path("django"), fault.clone());
        let answer = server.anonymous().get("/root/mirror/+simple/django/").await;
        assert!(
            matches!(answer.status.as_u16(), 502 | 504),
            "{fault:?}: {} {}",
            answer.status,
            answer.text()
        );
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(wait >= 1);
        assert!(!answer.text().contains(&upstream.address()) || answer.text().len() < 500);
        upstream.clear_faults(&upstream.project_path("django"));
        server.clock.advance(SignedDuration::from_hours(1));
    }
    let answer = server.anonymous().get("/root/mirror/+simple/django/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let unknown = server
        .anonymous()
        .get("/root/mirror/+simple/unknown/")
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_silent_upstream_is_a_504_with_a_time() {
    let settings = Settings {
        mirror: MirrorSettings {
            request_timeout: Duration::from_millis(100),
            list_timeout: Duration::from_millis(100),
            ..MirrorSettings::default()
        },
        ..Settings::default()
    };
    let server = Server::with(settings, HttpSettings::default()).await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    let gate = Gate::closed();
    upstream.fault_everywhere(Fault::Hang(gate.clone()));
    server.mirror(&upstream).await;
    for (path, accept) in [
        ("/root/mirror/+simple/django/", "text/html"),
        ("/root/mirror/+simple/", "text/html"),
        ("/root/mirror/django", "application/json"),
    ] {
        let answer = server
            .anonymous()
            .get_with(path, &[("accept", accept)])
            .await;
        assert_eq!(answer.status, 504, "{path} {}", answer.text());
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    gate.open();
}

#[tokio::test]
async fn a_stale_page_says_so() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    server.mirror(&upstream).await;
    let path = "/root/mirror/+simple/django/";
    let fresh = server.anonymous().get(path).await;
    assert_eq!(fresh.status, 200);
    assert_eq!(fresh.header("x-cheeseshop-stale"), "");
    upstream.fault_everywhere(Fault::Status(503));
    server.clock.advance(SignedDuration::from_hours(2));
    let stale = server.anonymous().get(path).await;
    assert_eq!(stale.status, 200, "{}", stale.text());
    assert_eq!(stale.header("x-cheeseshop-stale"), "upstream");
    assert!(stale.header("warning").starts_with("110 "));
    assert_eq!(stale.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn the_serial_of_the_upstream_is_passed_on() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    upstream.set_serials(true);
    upstream.set_project_serial("django", 4711);
    server.mirror(&upstream).await;
    for _ in 0..2 {
        let page = server.anonymous().get("/root/mirror/+simple/django/").await;
        assert_eq!(page.header("x-pypi-last-serial"), "4711");
    }
}

#[tokio::test]
async fn an_index_over_a_mirror_tells_no_serial() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    server.mirror(&upstream).await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"bases": ["root/mirror"]}))
        .await;
    // An upload would hide the mirror, and whoever mirrors us would miss the serial then.
    let page = server
        .anonymous()
        .get_json("/alice/dev/+simple/django/")
        .await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.header("x-pypi-last-serial"), "");
    assert!(page.json()["meta"].get("_last-serial").is_none());
}

#[tokio::test]
async fn a_refresh_asks_the_upstream_again_and_ends_at_the_page() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").version("1.0").build());
    server.mirror(&upstream).await;
    let alice = server.user("alice").await;
    server
        .index(
            &alice,
            "dev",
            json!({"bases": ["root/mirror"], "mirror_whitelist": ["*"]}),
        )
        .await;
    let page = "/alice/dev/+simple/django/";
    let as_json = [("accept", "application/vnd.pypi.simple.v1+json")];
    let names = server
        .anonymous()
        .get_with(page, &as_json)
        .await
        .file_names();
    assert_eq!(names.len(), 1);
    upstream.publish(&Wheel::named("django").version("2.0").build());
    let refresh = server
        .anonymous()
        .json("POST", "/alice/dev/+simple/django/refresh", &json!({}))
        .await;
    assert_eq!(refresh.status, 302, "{}", refresh.text());
    let base = url::Url::parse("http://localhost/alice/dev/+simple/django/refresh").unwrap();
    let target = base.join(refresh.header("location")).unwrap();
    assert_eq!(target.path(), page);
    // As devpi's client follows it.
    let followed = server.anonymous().get_json(target.path()).await;
    assert_eq!(followed.status, 200);
    assert_eq!(followed.file_names().len(), 2);
}

#[tokio::test]
async fn a_broken_download_breaks_the_connection() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("django")
        .file("django/big.bin", noise(200_000))
        .build();
    upstream.publish(&wheel);
    server.mirror(&upstream).await;
    let path = format!("/root/mirror/{}", crate::support::file_path(&wheel));
    for fault in [
        Fault::WrongBytes,
        Fault::Truncate { after: 1000 },
        Fault::DropConnection,
    ] {
        upstream.fault(&upstream.file_path(&wheel), fault.clone());
        let answer = server.anonymous().get(&path).await;
        assert!(
            matches!(answer.status.as_u16(), 502 | 504) || answer.broken,
            "{fault:?}: {} with {} of {} bytes",
            answer.status,
            answer.body.len(),
            wheel.size(),
        );
        assert!(answer.body.len() < wheel.bytes.len(), "{fault:?}");
        upstream.clear_faults(&upstream.file_path(&wheel));
        server.clock.advance(SignedDuration::from_hours(1));
    }
    let answer = server.anonymous().get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.body, wheel.bytes);
    assert!(!answer.broken);
}

#[tokio::test]
async fn the_name_of_a_private_project_is_not_told_to_an_upstream() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    let public = Wheel::named("secret").version("9.0").build();
    upstream.publish(&public);
    server.mirror(&upstream).await;
    let alice = server.user("alice").await;
    let bases = json!({"bases": ["root/mirror"]});
    server.index(&alice, "dev", bases.clone()).await;
    server.index(&alice, "open", bases).await;
    let private = Wheel::named("secret").version("1.0").build();
    alice.publish("alice/dev", &private).await;

    let absent = "/alice/dev/+f/abc/0123456789abc/secret-8.0-py3-none-any.whl";
    let foreign = format!("/alice/dev/{}", file_path(&public));
    let external = "/alice/dev/+e/http_localhost_files/secret-9.0-py3-none-any.whl";
    for path in [absent, &foreign, external] {
        for suffix in ["", ".metadata"] {
            let answer = alice.get(&format!("{path}{suffix}")).await;
            assert_eq!(answer.status, 404, "{path}{suffix}");
        }
        assert_eq!(alice.get_json(path).await.status, 404, "{path}");
    }
    let refresh = "/alice/dev/+simple/secret/refresh";
    assert_eq!(alice.send("POST", refresh, &[]).await.status, 302);
    assert_eq!(alice.get("/alice/dev/+simple/secret/").await.status, 200);
    assert_eq!(upstream.count(&upstream.project_path("secret")), 0);

    // Where nothing is private, the same URLs mean the upstream's file.
    for index in ["alice/open", "root/mirror"] {
        let path = format!("/{index}/{}", file_path(&public));
        assert_eq!(alice.get(&path).await.status, 200, "{path}");
    }
    // And neither does one that is held meanwhile come through.
    assert_eq!(alice.get(&foreign).await.status, 404);
    let allow = json!({"mirror_whitelist": ["secret"]});
    alice.json("PATCH", "/alice/dev", &allow).await;
    assert_eq!(alice.get(&foreign).await.status, 200);
    alice.publish("alice/open", &private).await;
    let path = format!("/alice/open/{}", file_path(&public));
    assert_eq!(alice.get(&path).await.status, 404, "it was hot before");
}

#[tokio::test]
async fn a_file_from_before_all_clocks_is_served() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("django").build();
    let old = UpstreamFile::from(&wheel).upload_time(Some("1912-06-23T00:00:00Z"));
    upstream.publish_file(old);
    server.mirror(&upstream).await;
    let alice = server.user_with_dev("alice").await;
    let push = json!({"name": "django", "version": "1.0", "targetindex": "alice/dev"});
    let pushed = alice.json("PUSH", "/root/mirror", &push).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    for index in ["root/mirror", "alice/dev"] {
        for suffix in ["", ".metadata"] {
            let path = format!("/{index}/{}{suffix}", file_path(&wheel));
            for _ in 0..2 {
                for method in ["HEAD", "GET"] {
                    let answer = alice.send(method, &path, &[]).await;
                    assert_eq!(answer.status, 200, "{method} {path}");
                }
            }
            let described = alice.get_json(&path).await;
            assert_eq!(described.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn an_index_that_takes_uploads_lets_nobody_rely_on_what_it_passes_on() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    server.mirror(&upstream).await;
    let alice = server.user("alice").await;
    let bases = json!({"bases": ["root/mirror"]});
    server.index(&alice, "dev", bases).await;
    for (index, promise) in [("root/mirror", "max-age=600"), ("alice/dev", "no-cache")] {
        for page in ["", "django/"] {
            let path = format!("/{index}/+simple/{page}");
            let answer = server.anonymous().get(&path).await;
            assert_eq!(answer.header("cache-control"), promise, "{path}");
        }
    }
    // A client that kept the page for ten minutes would go on installing the upstream's file.
    let own = Wheel::named("django").version("1.0+ours").build();
    alice.publish("alice/dev", &own).await;
    let page = server.anonymous().get("/alice/dev/+simple/django/").await;
    assert_eq!(page.text().matches("<a ").count(), 1, "{}", page.text());
}
