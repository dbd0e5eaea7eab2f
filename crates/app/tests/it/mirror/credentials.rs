//! Credentials in `mirror_url` go to that origin, and nowhere else.

use cheeseshop_app::Error;
use cheeseshop_storage::database::mirrors;
use cheeseshop_test_support::{Fault, Upstream, UpstreamFile, Wheel};
use serde_json::json;

use super::support::{Bench, collect};

const USER: &str = "reader";
const SECRET: &str = "hunter2-secret";

#[tokio::test]
async fn pages_files_and_metadata_of_the_same_origin_get_them() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.require_basic(USER, SECRET);
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    let url = upstream.url_with_credentials(USER, SECRET);
    let index = bench.mirror("pypi", &url, json!({})).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    assert!(
        !entry.url.contains(SECRET) && !entry.url.contains('@'),
        "{}",
        entry.url
    );
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), wheel.bytes);
    bench.open_metadata(&index, &entry).await.unwrap();
    let names = bench.mirrors.project_names(&index).await.unwrap();
    assert!(names.contains("flask"));
}

#[tokio::test]
async fn another_host_never_sees_them() {
    let bench = Bench::new().await;
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    let (linked, redirected) = (
        Wheel::named("flask").build(),
        Wheel::named("flask").version("2.0").build(),
    );
    // The page links to the other host, as PyPI's do, and a file redirects there.
    other.publish(&linked);
    other.publish(&redirected);
    upstream.require_basic(USER, SECRET);
    upstream.publish(&linked);
    upstream.publish(&redirected);
    upstream.set_file_origin(Some(other.origin()));
    let url = upstream.url_with_credentials(USER, SECRET);
    let index = bench.mirror("pypi", &url, json!({})).await;
    let entry = bench.entry(&index, "flask", &linked.name).await;
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), linked.bytes);

    upstream.set_file_origin(None);
    upstream.fault(
        &upstream.file_path(&redirected),
        Fault::Redirect(other.file_url(&redirected)),
    );
    bench
        .mirrors
        .refresh(&index, &super::support::flask())
        .await
        .unwrap();
    let entry = bench.entry(&index, "flask", &redirected.name).await;
    assert!(entry.url.starts_with(upstream.origin()));
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), redirected.bytes);

    let seen = upstream.requests_to(&upstream.file_path(&redirected));
    assert!(seen[0].header("authorization").is_some());
    assert!(other.total() >= 2);
    for request in other.requests() {
        assert_eq!(request.header("authorization"), None, "{}", request.path);
        assert_eq!(request.header("referer"), None);
    }
}

#[tokio::test]
async fn a_redirect_back_home_gets_them_again() {
    let bench = Bench::new().await;
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    upstream.require_basic(USER, SECRET);
    upstream.publish(&Wheel::named("flask").build());
    let url = upstream.url_with_credentials(USER, SECRET);
    upstream.fault_times(
        "/simple/flask/",
        Fault::Redirect(format!("{}flask/", other.url())),
        1,
    );
    // Credentials in a redirect are none of ours and are dropped.
    other.fault(
        "/simple/flask/",
        Fault::Redirect(upstream.url().replacen("://", "://evil:twin@", 1) + "flask/"),
    );
    let index = bench.mirror("pypi", &url, json!({})).await;
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        1
    );
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn they_are_neither_stored_nor_told() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish_file(UpstreamFile::from(&Wheel::named("flask").build()));
    let url = upstream.url_with_credentials(USER, SECRET);
    let index = bench.mirror("pypi", &url, json!({})).await;
    let state = bench.listed(&index, "flask").await;
    bench.mirrors.settle().await;
    assert!(!format!("{state:?} {index:?}").contains(SECRET));
    let mut reader = bench.db.reader().await.unwrap();
    let stored = mirrors::find_listing(&mut reader, index.id, "flask")
        .await
        .unwrap()
        .unwrap();
    drop(reader);
    assert!(!stored.source_url.contains(SECRET) && !stored.source_url.contains(USER));

    upstream.fault_everywhere(Fault::Status(500));
    let error = bench.listing(&index, "django").await.unwrap_err();
    let Error::UpstreamFailed { message, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(!message.contains(SECRET), "{message}");
    assert!(!format!("{error:?}").contains(SECRET));
}

#[tokio::test]
async fn wrong_credentials_are_trouble_and_not_absence() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.require_basic(USER, SECRET);
    upstream.publish(&Wheel::named("flask").build());
    let url = upstream.url_with_credentials(USER, "wrong");
    let index = bench.mirror("pypi", &url, json!({})).await;
    assert!(matches!(
        bench.listing(&index, "flask").await,
        Err(Error::UpstreamFailed { timeout: false, .. })
    ));
}

#[tokio::test]
async fn redirects_to_external_urls_carry_none() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    let url = upstream.url_with_credentials(USER, SECRET);
    let keys = json!({"mirror_use_external_urls": true});
    let index = bench.mirror("pypi", &url, keys).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(
        handle.redirect_url(),
        Some(upstream.file_url(&wheel).as_str())
    );
    assert_eq!(upstream.count(&upstream.file_path(&wheel)), 0);
}
