//! Project pages: formats, freshness, and what survives.

use std::sync::Arc;

use cheeseshop_domain::{Event, EventKind};
use cheeseshop_packaging::simple::{Status, Yanked};
use cheeseshop_storage::database::indexes;
use cheeseshop_storage::{DatabaseError, Origin};
use cheeseshop_test_support::{Fault, Formats, Gate, Links, Sdist, Upstream, UpstreamFile, Wheel};
use futures_util::future::join_all;
use serde_json::json;

use super::support::{Bench, flask, settings};

#[tokio::test]
async fn a_json_page_comes_whole() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").requires_python(">=3.8").build();
    upstream.publish(&wheel);
    upstream.publish_file(UpstreamFile::from(&Sdist::named("flask").build()).yanked("broken"));
    upstream.set_status("flask", "archived", Some("moved"));
    let index = bench.pypi(&upstream).await;

    let state = bench.listed(&index, "Flask").await;
    assert!(!state.stale && !state.gone);
    let page = &state.listing.page;
    assert_eq!(page.name, "flask");
    assert_eq!(page.versions, ["1.0"]);
    assert_eq!(page.status.as_ref().unwrap().status, Status::Archived);
    assert!(page.last_serial.is_some());
    let file = &page.files[0];
    assert_eq!(file.filename, wheel.name);
    assert_eq!(file.url, upstream.file_url(&wheel));
    assert_eq!(file.size, Some(wheel.size()));
    assert_eq!(file.requires_python.as_deref(), Some(">=3.8"));
    assert_eq!(file.hashes.sha256().unwrap().to_string(), wheel.sha256);
    assert!(file.upload_time.is_some());
    assert_eq!(page.files[1].yanked, Yanked::Yes(Some("broken".to_owned())));

    let request = &upstream.requests()[0];
    let accept = request.header("accept").unwrap();
    assert!(
        accept.starts_with("application/vnd.pypi.simple.v1+json"),
        "{accept}"
    );
    assert!(accept.contains("text/html"), "{accept}");
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("cheeseshop/")
    );
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn html_and_relative_links_are_enough() {
    for (formats, links) in [
        (Formats::Html, Links::Absolute),
        (Formats::Html, Links::Relative),
        (Formats::Json, Links::Relative),
    ] {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        upstream.set_formats(formats);
        upstream.set_links(links);
        let wheel = Wheel::named("flask").requires_python(">=3.8,<4").build();
        upstream.publish(&wheel);
        let index = bench.pypi(&upstream).await;
        let state = bench.listed(&index, "flask").await;
        let file = &state.listing.page.files[0];
        assert_eq!(file.url, upstream.file_url(&wheel), "{formats:?} {links:?}");
        assert_eq!(file.requires_python.as_deref(), Some(">=3.8,<4"));
        assert_eq!(file.hashes.sha256().unwrap().to_string(), wheel.sha256);
        assert!(file.upload_time.is_some());
        assert_eq!(state.listing.page.versions, ["1.0"]);
    }
}

#[tokio::test]
async fn a_packed_page_is_unpacked() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.set_compression(true);
    for number in 0..200 {
        upstream.publish(
            &Wheel::named("flask")
                .version(&format!("1.{number}"))
                .build(),
        );
    }
    let index = bench.pypi(&upstream).await;
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        200
    );
}

#[tokio::test]
async fn many_at_once_make_one_request() {
    let bench = Arc::new(Bench::new().await);
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let gate = Gate::closed();
    upstream.fault("/simple/flask/", Fault::Hang(gate.clone()));
    let index = bench.pypi(&upstream).await;
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
            tokio::spawn(async move { bench.listed(&index, "flask").await })
        })
        .collect();
    gate.wait_for_arrivals(1).await;
    gate.open();
    let states = join_all(waiting).await;
    for state in &states {
        assert_eq!(state.as_ref().unwrap().listing.page.files.len(), 1);
    }
    assert_eq!(upstream.count("/simple/flask/"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing() {
    let bench = Arc::new(Bench::new().await);
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let gate = Gate::closed();
    upstream.fault("/simple/flask/", Fault::Hang(gate.clone()));
    let index = bench.pypi(&upstream).await;
    let first = tokio::spawn({
        let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
        async move { bench.listed(&index, "flask").await }
    });
    gate.wait_for_arrivals(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        1
    );
    assert_eq!(upstream.count("/simple/flask/"), 1);
}

#[tokio::test]
async fn a_fresh_page_is_not_asked_for_and_an_expired_one_conditionally() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let index = bench
        .mirror("pypi", &upstream.url(), json!({"mirror_cache_expiry": 100}))
        .await;
    let first = bench.listed(&index, "flask").await;
    bench.advance(99);
    bench.listed(&index, "flask").await;
    assert_eq!(upstream.count("/simple/flask/"), 1);
    bench.advance(1);
    let second = bench.listed(&index, "flask").await;
    assert!(!second.stale);
    assert!(Arc::ptr_eq(&first.listing, &second.listing));
    let requests = upstream.requests_to("/simple/flask/");
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[1].header("if-none-match"),
        first.listing.etag.as_deref()
    );
    assert!(first.listing.etag.is_some());
    // The 304 has renewed it.
    bench.advance(99);
    bench.listed(&index, "flask").await;
    assert_eq!(upstream.count("/simple/flask/"), 2);
    bench.advance(1);
    upstream.publish(&Wheel::named("flask").version("2.0").build());
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        2
    );
}

#[tokio::test]
async fn without_validators_pages_still_renew() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.set_validators(false);
    upstream.set_serials(false);
    upstream.publish(&Wheel::named("flask").build());
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    bench.mirrors.settle().await;
    bench.advance(3600);
    assert!(!bench.listed(&index, "flask").await.stale);
    bench.mirrors.settle().await;
    let changes = bench.events().await;
    let changes = changes
        .iter()
        .filter(|kind| *kind == "mirror_listing_changed");
    assert_eq!(changes.count(), 1, "the same page again is no change");
}

#[tokio::test]
async fn a_listing_survives_a_restart_and_is_revalidated_when_due() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let index = bench.pypi(&upstream).await;
    let before = bench.listed(&index, "flask").await;
    let bench = bench.restart(settings()).await;
    let after = bench.listed(&index, "flask").await;
    assert_eq!(after.listing.page, before.listing.page);
    assert_eq!(upstream.count("/simple/flask/"), 1, "it was still fresh");
    bench.advance(1800);
    let bench = bench.restart(settings()).await;
    assert!(!bench.listed(&index, "flask").await.stale);
    let requests = upstream.requests_to("/simple/flask/");
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[1].header("if-none-match"),
        before.listing.etag.as_deref()
    );
}

#[tokio::test]
async fn a_project_that_the_upstream_does_not_have_is_absent_for_a_minute_at_most() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let index = bench.pypi(&upstream).await;
    assert!(bench.listing(&index, "flask").await.unwrap().is_none());
    assert!(bench.listing(&index, "flask").await.unwrap().is_none());
    assert_eq!(upstream.count("/simple/flask/"), 1);
    assert_eq!(
        upstream.count("/simple/"),
        0,
        "lists of names decide nothing"
    );
    upstream.publish(&Wheel::named("flask").build());
    bench.advance(60);
    assert!(bench.listing(&index, "flask").await.unwrap().is_some());
}

#[tokio::test]
async fn a_project_that_vanishes_upstream_stays_and_is_marked() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    upstream.remove_project("flask");
    bench.advance(1800);
    let state = bench.listed(&index, "flask").await;
    assert!(state.stale && state.gone);
    assert_eq!(state.listing.page.files.len(), 1);
    upstream.publish(&Wheel::named("flask").version("3.0").build());
    bench.advance(60);
    let state = bench.listed(&index, "flask").await;
    assert!(!state.stale && !state.gone);
    assert_eq!(state.listing.page.versions, ["3.0"]);
}

#[tokio::test]
async fn another_upstream_starts_over() {
    let bench = Bench::new().await;
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    old.publish(&Wheel::named("flask").version("9.0").build());
    // The serial of the new one is lower; it is another upstream's.
    old.set_project_serial("flask", 5_000_000);
    new.publish(&Wheel::named("flask").version("1.0").build());
    let index = bench.pypi(&old).await;
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.versions,
        ["9.0"]
    );
    bench.mirrors.settle().await;
    let changed = {
        let mut changed = index.as_ref().clone();
        let body = json!({"mirror_url": new.url()});
        changed.config = changed
            .config
            .patch_object(body.as_object().unwrap(), &|_| true)
            .unwrap();
        Arc::new(changed)
    };
    let state = bench.listed(&changed, "flask").await;
    assert_eq!(state.listing.page.versions, ["1.0"]);
    assert!(!state.stale);
    let request = &new.requests_to("/simple/flask/")[0];
    assert_eq!(request.header("if-none-match"), None);
}

#[tokio::test]
async fn what_was_asked_for_an_index_that_is_removed_meanwhile_is_not_remembered() {
    let bench = Arc::new(Bench::new().await);
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let gate = Gate::closed();
    upstream.fault_times("/simple/flask/", Fault::Hang(gate.clone()), 1);
    let index = bench.pypi(&upstream).await;
    let first = tokio::spawn({
        let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
        async move { bench.listed(&index, "flask").await }
    });
    gate.wait_for_arrivals(1).await;
    let removed = Arc::clone(&index);
    bench
        .db
        .write::<_, DatabaseError, _>(Origin::new("test"), move |tx| {
            Box::pin(async move {
                indexes::remove(tx, removed.id).await?;
                let kind = EventKind::IndexRemoved;
                tx.record(Event::of_index(kind, &removed.name, json!({})));
                Ok(())
            })
        })
        .await
        .unwrap();
    gate.open();
    first.await.unwrap();
    bench.mirrors.settle().await;
    assert!(bench.mirrors.listing_now(&index, &flask()).is_none());
    assert_eq!(bench.events().await, ["index_removed"]);
}

#[tokio::test]
async fn a_refresh_asks_at_once_and_past_caches() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    upstream.publish(&Wheel::named("flask").version("2.0").build());
    bench.mirrors.refresh(&index, &flask()).await.unwrap();
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        2
    );
    let requests = upstream.requests_to("/simple/flask/");
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("cache-control"), Some("no-cache"));
    assert_eq!(requests[1].header("if-none-match"), None);
    upstream.fault("/simple/flask/", Fault::Status(500));
    assert!(bench.mirrors.refresh(&index, &flask()).await.is_err());
    assert!(bench.listed(&index, "flask").await.stale);
}

#[tokio::test]
async fn offline_only_held_files_are_listed_and_nothing_is_asked() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let (held, other) = (
        Wheel::named("flask").build(),
        Wheel::named("flask").version("2.0").build(),
    );
    upstream.publish(&held);
    upstream.publish(&other);
    let index = bench.pypi(&upstream).await;
    let entry = bench.entry(&index, "flask", &held.name).await;
    let missing = bench.entry(&index, "flask", &other.name).await;
    let handle = bench.open_file(&index, &entry).await.unwrap();
    super::support::collect(handle.read_all()).await.unwrap();
    let mut offline = settings();
    offline.offline = true;
    let bench = bench.restart(offline).await;
    let asked = upstream.total();
    bench.advance(100_000);
    let state = bench.listed(&index, "flask").await;
    let names: Vec<&str> = state
        .listing
        .page
        .files
        .iter()
        .map(|file| file.filename.as_str())
        .collect();
    assert_eq!(names, [held.name.as_str()]);
    assert!(bench.open_file(&index, &entry).await.is_ok());
    assert!(matches!(
        bench.open_file(&index, &missing).await,
        Err(cheeseshop_app::Error::NotFound(_))
    ));
    assert!(bench.open_metadata(&index, &entry).await.is_ok());
    assert!(bench.listing(&index, "django").await.unwrap().is_none());
    let names = bench.mirrors.project_names(&index).await.unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["flask"]);
    assert_eq!(upstream.total(), asked);
}

#[tokio::test]
async fn a_mirror_without_an_upstream_has_nothing() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let index = bench.pypi(&upstream).await;
    let mut without = index.as_ref().clone();
    without.config = without
        .config
        .patch_operations(&["mirror_url-=".to_owned()], &|_| true)
        .unwrap();
    let without = Arc::new(without);
    assert!(bench.listing(&without, "flask").await.unwrap().is_none());
    assert!(
        bench
            .mirrors
            .project_names(&without)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(upstream.total(), 0);
}
