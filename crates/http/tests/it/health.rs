use cheeseshop_app::Settings;
use cheeseshop_http::HttpSettings;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

use crate::support::{Server, file_path};

#[tokio::test]
async fn health_is_answered_to_anybody() {
    let server = Server::start().await;
    for path in ["/+health/live", "/+health/ready"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), "ok\n");
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() {
    let handle = PrometheusBuilder::new().install_recorder().unwrap();
    let http = HttpSettings {
        prometheus: Some(handle),
        ..HttpSettings::default()
    };
    let server = Server::with(Settings::default(), http).await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish(
            "alice/dev",
            &cheeseshop_test_support::Wheel::named("flask").build(),
        )
        .await;
    for _ in 0..3 {
        server.anonymous().get("/alice/dev/+simple/flask/").await;
    }
    server.anonymous().get("/alice/dev/+simple/none/").await;
    server
        .anonymous()
        .get("/very/secret/path/that/nobody/knows")
        .await;
    let text = server.anonymous().get("/metrics").await.text();
    let line = |start: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start} in {text}"))
            .to_owned()
    };
    let page = "cheeseshop_http_requests_total{route=\"/{user}/{index}/+simple/{project}/\"";
    assert!(line(&format!("{page},status=\"200\"}}")).ends_with(" 3"));
    assert!(line(&format!("{page},status=\"404\"}}")).ends_with(" 1"));
    assert!(
        line("cheeseshop_http_requests_total{route=\"unmatched\",status=\"404\"}").ends_with(" 1")
    );
    assert!(text.contains("cheeseshop_http_request_duration_seconds"));
    // The first page was made, the other two were at hand.
    let hot = "cheeseshop_http_hot_answers_total{route=\"/{user}/{index}/+simple/{project}/\"}";
    assert!(line(hot).ends_with(" 2"));
    for secret in ["flask", "secret", "alice"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn without_a_recorder_there_are_no_metrics() {
    let server = Server::start().await;
    assert_eq!(server.anonymous().get("/metrics").await.status, 404);
}

#[tokio::test]
async fn pages_and_small_files_are_hot_for_known_callers_of_any_kind() {
    let handle = PrometheusBuilder::new().install_recorder().unwrap();
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    server.index(&alice, "public", json!({})).await;
    let wheel = cheeseshop_test_support::Wheel::named("flask").build();
    for index in ["private", "public"] {
        alice.publish(&format!("alice/{index}"), &wheel).await;
    }
    let hot = || {
        handle
            .render()
            .lines()
            .filter(|line| line.starts_with("cheeseshop_http_hot_answers_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>()
    };
    let file = file_path(&wheel);
    for (user, index) in [
        (&alice, "private"),
        (&alice, "public"),
        (&server.anonymous(), "public"),
    ] {
        for rest in ["+simple/flask/", file.as_str(), &format!("{file}.metadata")] {
            let path = format!("/alice/{index}/{rest}");
            assert_eq!(user.get(&path).await.status, 200, "{path}");
            let before = hot();
            let again = user.get(&path).await;
            assert_eq!(again.status, 200, "{path}");
            assert_eq!(hot(), before + 1, "{path} was not hot");
        }
    }
}
