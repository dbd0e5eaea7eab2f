//! Upstreams that fail, lie or dawdle, as far as pages are concerned.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_app::mirror::MirrorSettings;
use cheeseshop_test_support::{Fault, Gate, Upstream, Wheel};
use serde_json::json;

use super::support::{Bench, impatient, settings};

fn failed(result: Result<Option<cheeseshop_app::mirror::ListingState>, Error>) -> (bool, Duration) {
    match result {
        Err(Error::UpstreamFailed {
            message,
            timeout,
            retry_after,
        }) => {
            assert!(message.contains("`flask`"), "{message}");
            (timeout, retry_after)
        }
        other => panic!("expected a failing upstream, got {other:?}"),
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(503),
        Fault::Status(500),
        Fault::Status(429),
        Fault::Status(403),
        Fault::DropConnection,
        Fault::Truncate { after: 20 },
        Fault::Body {
            content_type: "application/vnd.pypi.simple.v1+json".to_owned(),
            bytes: Bytes::from_static(b"{\"meta\": {\"api-version\": \"2.0\"}, \"files\": []}"),
        },
        Fault::Body {
            content_type: "application/json".to_owned(),
            bytes: Bytes::from_static(b"{]"),
        },
        Fault::Body {
            content_type: "text/html".to_owned(),
            bytes: Bytes::from_static(b"<html><a href='/login'>Welcome to our hotel</a></html>"),
        },
        Fault::Redirect("file:///etc/passwd".to_owned()),
    ]
}

#[tokio::test]
async fn an_empty_page_is_a_project_without_files() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let nothing = Fault::Body {
        content_type: "text/html".to_owned(),
        bytes: Bytes::from_static(b"\n"),
    };
    upstream.fault("/simple/flask/", nothing);
    let index = bench.pypi(&upstream).await;
    let state = bench.listing(&index, "flask").await.unwrap().unwrap();
    assert!(state.listing.page.files.is_empty());
}

#[tokio::test]
async fn unknown_is_an_error_and_never_absent() {
    for fault in faults() {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        upstream.publish(&Wheel::named("flask").build());
        upstream.fault("/simple/flask/", fault.clone());
        let index = bench.pypi(&upstream).await;
        let (timeout, retry_after) = failed(bench.listing(&index, "flask").await);
        assert!(!timeout, "{fault:?}");
        assert!(!retry_after.is_zero(), "{fault:?}");
    }
}

#[tokio::test]
async fn the_last_good_answer_stands_in_marked_stale() {
    for fault in faults() {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        // A 304 could not be truncated.
        upstream.set_validators(false);
        upstream.publish(&Wheel::named("flask").build());
        let index = bench.pypi(&upstream).await;
        bench.listed(&index, "flask").await;
        bench.advance(1800);
        upstream.fault("/simple/flask/", fault.clone());
        let state = bench.listed(&index, "flask").await;
        assert!(state.stale && !state.gone, "{fault:?}");
        assert_eq!(state.listing.page.files.len(), 1);
        upstream.clear_faults("/simple/flask/");
        bench.advance(60);
        assert!(!bench.listed(&index, "flask").await.stale, "{fault:?}");
    }
}

#[tokio::test]
async fn a_failing_upstream_is_not_hammered() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.fault("/simple/flask/", Fault::RetryAfter(503, 30));
    let index = bench.pypi(&upstream).await;
    for _ in 0..5 {
        failed(bench.listing(&index, "flask").await);
    }
    assert_eq!(upstream.count("/simple/flask/"), 1);
    bench.advance(29);
    let (_, retry_after) = failed(bench.listing(&index, "flask").await);
    assert_eq!(retry_after, Duration::from_secs(1));
    assert_eq!(upstream.count("/simple/flask/"), 1);
    bench.advance(1);
    failed(bench.listing(&index, "flask").await);
    assert_eq!(upstream.count("/simple/flask/"), 2);
}

#[tokio::test]
async fn a_dead_upstream_is_left_alone_for_projects_that_are_held() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    upstream.publish(&Wheel::named("django").build());
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    bench.listed(&index, "django").await;
    bench.advance(1800);
    upstream.fault_everywhere(Fault::DropConnection);
    assert!(bench.listed(&index, "flask").await.stale);
    assert!(bench.listed(&index, "django").await.stale);
    assert_eq!(
        upstream.count("/simple/django/"),
        1,
        "it was not asked again"
    );
}

#[tokio::test]
async fn a_hanging_upstream_is_a_timeout_and_its_answer_still_counts() {
    let bench = Bench::with(impatient()).await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let gate = Gate::closed();
    upstream.fault("/simple/flask/", Fault::Hang(gate.clone()));
    let index = bench.pypi(&upstream).await;
    let (timeout, _) = failed(bench.listing(&index, "flask").await);
    assert!(timeout);
    gate.open();
    bench.mirrors.settle().await;
    let state = bench.listed(&index, "flask").await;
    assert!(!state.stale);
    assert_eq!(
        upstream.count("/simple/flask/"),
        1,
        "the first request brought it"
    );
}

#[tokio::test]
async fn a_hanging_upstream_leaves_the_held_listing() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    // Patience ends only now that the upstream is to say nothing.
    let bench = bench.restart(impatient()).await;
    bench.advance(1800);
    upstream.publish(&Wheel::named("flask").version("2.0").build());
    let gate = Gate::closed();
    upstream.fault("/simple/flask/", Fault::Hang(gate.clone()));
    assert!(bench.listed(&index, "flask").await.stale);
    // In the pause nobody waits again.
    assert!(bench.listed(&index, "flask").await.stale);
    gate.open();
    bench.mirrors.settle().await;
    let state = bench.listed(&index, "flask").await;
    assert!(!state.stale);
    assert_eq!(state.listing.page.files.len(), 2);
    assert_eq!(upstream.count("/simple/flask/"), 2);
}

#[tokio::test]
async fn a_fetch_in_the_background_ends_too() {
    let bench = Bench::with(MirrorSettings {
        list_timeout: impatient().request_timeout * 2,
        ..impatient()
    })
    .await;
    let upstream = Upstream::start().await;
    let gate = Gate::closed();
    upstream.fault("/simple/flask/", Fault::Hang(gate.clone()));
    let index = bench.pypi(&upstream).await;
    failed(bench.listing(&index, "flask").await);
    // Would wait for ever.
    bench.mirrors.settle().await;
    failed(bench.listing(&index, "flask").await);
    gate.open();
}

#[tokio::test]
async fn an_older_serial_is_refused_after_a_second_look() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    upstream.publish(&Wheel::named("flask").version("2.0").build());
    upstream.set_project_serial("flask", 2000);
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    upstream.remove_file("flask", &Wheel::named("flask").version("2.0").build().name);
    upstream.set_project_serial("flask", 1999);
    bench.advance(1800);
    let state = bench.listed(&index, "flask").await;
    assert!(state.stale);
    assert_eq!(state.listing.page.files.len(), 2);
    let requests = upstream.requests_to("/simple/flask/");
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2].header("cache-control"), Some("no-cache"));
    // A page that lost its serial is no better.
    upstream.set_serials(false);
    bench.advance(60);
    assert!(bench.listed(&index, "flask").await.stale);
    upstream.set_serials(true);
    upstream.set_project_serial("flask", 2001);
    bench.advance(60);
    let state = bench.listed(&index, "flask").await;
    assert!(!state.stale);
    assert_eq!(state.listing.page.files.len(), 1);
}

#[tokio::test]
async fn serials_can_be_ignored() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    upstream.set_project_serial("flask", 2000);
    let keys = json!({"mirror_ignore_serial_header": true});
    let index = bench.mirror("pypi", &upstream.url(), keys).await;
    bench.listed(&index, "flask").await;
    upstream.publish(&Wheel::named("flask").version("2.0").build());
    upstream.set_project_serial("flask", 1000);
    bench.advance(1800);
    let state = bench.listed(&index, "flask").await;
    assert!(!state.stale);
    assert_eq!(state.listing.page.files.len(), 2);
    assert_eq!(state.listing.last_serial, None);
}

#[tokio::test]
async fn pages_over_the_limit_are_refused() {
    let bench = Bench::with(MirrorSettings {
        max_listing_bytes: 1000,
        ..settings()
    })
    .await;
    let upstream = Upstream::start().await;
    for number in 0..20 {
        upstream.publish(
            &Wheel::named("flask")
                .version(&format!("1.{number}"))
                .build(),
        );
    }
    let index = bench.pypi(&upstream).await;
    for compressed in [false, true] {
        upstream.set_compression(compressed);
        bench.advance(60);
        assert!(matches!(
            bench.listing(&index, "flask").await,
            Err(Error::TooLarge(_))
        ));
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.fault(
        "/simple/flask/",
        Fault::Redirect(format!("{}flask/", upstream.url())),
    );
    let index = bench.pypi(&upstream).await;
    failed(bench.listing(&index, "flask").await);
    assert_eq!(upstream.count("/simple/flask/"), 11);
}

#[tokio::test]
async fn links_count_from_where_a_redirect_led() {
    let bench = Bench::new().await;
    let (front, back) = (Upstream::start().await, Upstream::start().await);
    back.set_links(cheeseshop_test_support::Links::Relative);
    let wheel = Wheel::named("flask").build();
    back.publish(&wheel);
    front.fault(
        "/simple/flask/",
        Fault::Redirect(format!("{}flask/", back.url())),
    );
    let index = bench.pypi(&front).await;
    let state = bench.listed(&index, "flask").await;
    assert_eq!(state.listing.page.files[0].url, back.file_url(&wheel));
}

#[tokio::test]
async fn more_flights_than_allowed_are_turned_away() {
    let bench = Arc::new(
        Bench::with(MirrorSettings {
            max_concurrent_flights: 1,
            ..settings()
        })
        .await,
    );
    let upstream = Upstream::start().await;
    let gate = Gate::closed();
    upstream.fault_everywhere(Fault::Hang(gate.clone()));
    let index = bench.pypi(&upstream).await;
    let waiting: Vec<_> = (0..16)
        .map(|number| {
            let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
            tokio::spawn(async move { bench.listing(&index, &format!("p{number}")).await })
        })
        .collect();
    gate.wait_for_arrivals(1).await;
    // On this one thread all others took their places before the first came to the gate.
    let turned_away = bench.listing(&index, "one-too-many").await;
    assert!(matches!(turned_away, Err(Error::Busy)), "{turned_away:?}");
    assert_eq!(gate.arrivals(), 1, "one at a time");
    gate.open();
    upstream.clear_faults("*");
    for task in waiting {
        assert!(task.await.unwrap().unwrap().is_none());
    }
}
