//! Files that are held, described, redirected to or replaced.

use cheeseshop_app::Error;
use cheeseshop_test_support::{Fault, Upstream, UpstreamFile, Wheel};
use http::Method;
use serde_json::json;

use super::support::{Bench, collect, settings};

#[tokio::test]
async fn a_held_file_needs_no_upstream() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    let index = bench.pypi(&upstream).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let cold = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(cold.read_all()).await.unwrap(), wheel.bytes);
    let bench = bench.restart(settings()).await;
    upstream.fault_everywhere(Fault::DropConnection);
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(handle.size, Some(wheel.size()));
    assert_eq!(handle.sha256.unwrap().to_string(), wheel.sha256);
    assert_eq!(handle.name, wheel.name);
    assert_eq!(handle.modified, cold.modified);
    assert_eq!(collect(handle.read(3..7)).await.unwrap(), wheel.bytes[3..7]);
}

#[tokio::test]
async fn bytes_that_vanished_are_fetched_again() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    let index = bench.pypi(&upstream).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let handle = bench.open_file(&index, &entry).await.unwrap();
    collect(handle.read_all()).await.unwrap();
    bench.mirrors.settle().await;
    let sha256 = wheel.sha256.parse().unwrap();
    assert!(bench.blobs.remove(&sha256).await.unwrap());
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), wheel.bytes);
    bench.mirrors.settle().await;
    assert!(bench.blobs.exists(&sha256).await.unwrap());
    assert_eq!(upstream.count(&upstream.file_path(&wheel)), 2);
}

#[tokio::test]
async fn describing_downloads_nothing() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let (sized, unsized_) = (
        Wheel::named("flask").build(),
        Wheel::named("flask").version("2.0").build(),
    );
    upstream.publish(&sized);
    upstream.publish_file(UpstreamFile::from(&unsized_).without_size());
    let index = bench.pypi(&upstream).await;
    for (file, heads) in [(&sized, 0), (&unsized_, 1)] {
        let entry = bench.entry(&index, "flask", &file.name).await;
        let handle = bench
            .mirrors
            .describe_file(&index, &super::support::flask(), &entry)
            .await
            .unwrap();
        assert_eq!(handle.size, Some(file.size()));
        assert_eq!(handle.sha256.unwrap().to_string(), file.sha256);
        assert!(collect(handle.read_all()).await.is_err());
        let path = upstream.file_path(file);
        assert_eq!(upstream.count_method(&Method::HEAD, &path), heads);
        assert_eq!(upstream.count_method(&Method::GET, &path), 0);
    }
    bench.mirrors.settle().await;
    assert_eq!(bench.blob_count().await, 0);
}

#[tokio::test]
async fn external_urls_are_for_files_that_are_not_held() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    let plain = bench.pypi(&upstream).await;
    let entry = bench.entry(&plain, "flask", &wheel.name).await;
    let mut external = plain.as_ref().clone();
    external.config = external
        .config
        .patch_object(
            json!({"mirror_use_external_urls": true})
                .as_object()
                .unwrap(),
            &|_| true,
        )
        .unwrap();
    let external = std::sync::Arc::new(external);
    let handle = bench.open_file(&external, &entry).await.unwrap();
    assert_eq!(handle.redirect_url(), Some(entry.url.as_str()));
    collect(bench.open_file(&plain, &entry).await.unwrap().read_all())
        .await
        .unwrap();
    bench.mirrors.settle().await;
    let handle = bench.open_file(&external, &entry).await.unwrap();
    assert_eq!(handle.redirect_url(), None);
    assert_eq!(collect(handle.read_all()).await.unwrap(), wheel.bytes);
}

#[tokio::test]
async fn other_bytes_under_a_held_name_need_a_volatile_mirror() {
    for volatile in [true, false] {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        let name = "flask-1.0.tar.gz";
        upstream.publish_file(UpstreamFile::new("flask", "1.0", name, "first"));
        let keys = json!({"volatile": volatile});
        let index = bench.mirror("pypi", &upstream.url(), keys).await;
        let entry = bench.entry(&index, "flask", name).await;
        let handle = bench.open_file(&index, &entry).await.unwrap();
        assert_eq!(collect(handle.read_all()).await.unwrap(), b"first");
        bench.mirrors.settle().await;
        upstream.publish_file(UpstreamFile::new("flask", "1.0", name, "second"));
        bench.advance(1800);
        let entry = bench.entry(&index, "flask", name).await;
        let second = bench.open_file(&index, &entry).await;
        if volatile {
            let bytes = collect(second.unwrap().read_all()).await.unwrap();
            assert_eq!(bytes, b"second");
            bench.mirrors.settle().await;
            let row = bench.row(&index, name).await.unwrap();
            assert_eq!(row.size, 6);
        } else {
            assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
            assert_eq!(bench.row(&index, name).await.unwrap().size, 5);
        }
    }
}
