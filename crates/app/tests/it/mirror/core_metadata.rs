//! Core metadata for every wheel, whatever the upstream offers.

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_domain::Index;
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{CoreMetadataMark, Hashes};
use cheeseshop_test_support::{
    BuiltFile, Fault, Gate, Sdist, Upstream, UpstreamFile, Wheel, WheelDefect, noise,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Bench, collect, settings};

struct Scene {
    bench: Arc<Bench>,
    upstream: Upstream,
    index: Arc<Index>,
    wheel: BuiltFile,
}

impl Scene {
    async fn new(wheel: Wheel, keys: Value) -> Self {
        let wheel = wheel.build();
        let bench = Arc::new(Bench::new().await);
        let upstream = Upstream::start().await;
        upstream.publish(&wheel);
        let index = bench.mirror("pypi", &upstream.url(), keys).await;
        Self {
            bench,
            upstream,
            index,
            wheel,
        }
    }

    async fn metadata(&self) -> Result<String, Error> {
        let entry = self
            .bench
            .entry(&self.index, "flask", &self.wheel.name)
            .await;
        let handle = self.bench.open_metadata(&self.index, &entry).await?;
        assert_eq!(handle.name, format!("{}.metadata", self.wheel.name));
        let bytes = collect(handle.read_all()).await.unwrap();
        assert_eq!(handle.size, Some(bytes.len() as u64));
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// The entry of the wheel, which is fetched and kept.
    async fn held(&self) -> PageFile {
        let (bench, index) = (&self.bench, &self.index);
        let entry = bench.entry(index, "flask", &self.wheel.name).await;
        let handle = bench.open_file(index, &entry).await.unwrap();
        collect(handle.read_all()).await.unwrap();
        bench.mirrors.settle().await;
        assert!(bench.row(index, &self.wheel.name).await.is_some());
        entry
    }

    fn beside(&self) -> usize {
        self.upstream
            .count(&self.upstream.metadata_path(&self.wheel))
    }

    fn of_wheel(&self) -> usize {
        self.upstream.count(&self.upstream.file_path(&self.wheel))
    }
}

/// A wheel that is worth reading in parts.
fn large() -> Wheel {
    Wheel::named("flask").file("flask_data.bin", noise(600_000))
}

#[tokio::test]
async fn what_the_upstream_offers_is_passed_through_and_kept() {
    let scene = Scene::new(large(), json!({})).await;
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!((scene.beside(), scene.of_wheel()), (1, 0));
    scene.bench.mirrors.settle().await;
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.beside(), 1);
    assert_eq!(scene.bench.row(&scene.index, &scene.wheel.name).await, None);
    // Also without upstream.
    scene.upstream.fault_everywhere(Fault::DropConnection);
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
}

#[tokio::test]
async fn metadata_with_a_wrong_digest_is_replaced_by_that_of_the_wheel() {
    let scene = Scene::new(large(), json!({})).await;
    let beside = scene.upstream.metadata_path(&scene.wheel);
    scene.upstream.fault(&beside, Fault::WrongBytes);
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.beside(), 1);
    assert!(scene.of_wheel() >= 1);
}

#[tokio::test]
async fn metadata_that_nothing_confirms_is_never_served() {
    let scene = Scene::new(large(), json!({})).await;
    let beside = scene.upstream.metadata_path(&scene.wheel);
    scene.upstream.fault(&beside, Fault::WrongBytes);
    let entry = scene
        .bench
        .entry(&scene.index, "flask", &scene.wheel.name)
        .await;
    let mut lying = entry.clone();
    lying.core_metadata = CoreMetadataMark::Available(Hashes::parse_fragment(&format!(
        "sha256={}",
        "0".repeat(64)
    )));
    assert!(matches!(
        scene.bench.open_metadata(&scene.index, &lying).await,
        Err(Error::UpstreamFailed { .. })
    ));
    scene.bench.mirrors.settle().await;
    assert_eq!(scene.bench.blob_count().await, 0);
}

#[tokio::test]
async fn without_an_offer_it_is_read_by_ranges() {
    let scene = Scene::new(large(), json!({})).await;
    scene.upstream.set_core_metadata(false);
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.beside(), 0);
    let requests = scene
        .upstream
        .requests_to(&scene.upstream.file_path(&scene.wheel));
    assert!((1..=5).contains(&requests.len()), "{}", requests.len());
    assert!(
        requests
            .iter()
            .all(|request| request.header("range").is_some())
    );
    scene.bench.mirrors.settle().await;
    assert_eq!(scene.bench.row(&scene.index, &scene.wheel.name).await, None);
    let asked = scene.of_wheel();
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.of_wheel(), asked);
}

#[tokio::test]
async fn ranges_do_without_a_listed_size() {
    let wheel = large().build();
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish_file(
        UpstreamFile::from(&wheel)
            .without_size()
            .without_core_metadata(),
    );
    let index = bench.pypi(&upstream).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let handle = bench.open_metadata(&index, &entry).await.unwrap();
    let bytes = collect(handle.read_all()).await.unwrap();
    assert_eq!(bytes, wheel.metadata.as_bytes());
    let requests = upstream.requests_to(&upstream.file_path(&wheel));
    assert!(
        requests
            .iter()
            .all(|request| request.header("range").is_some())
    );
}

#[tokio::test]
async fn where_ranges_are_refused_the_whole_wheel_is_fetched_and_kept() {
    let scene = Scene::new(large(), json!({})).await;
    scene.upstream.set_core_metadata(false);
    let path = scene.upstream.file_path(&scene.wheel);
    scene.upstream.fault(&path, Fault::NoRanges);
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.of_wheel(), 2);
    scene.bench.mirrors.settle().await;
    assert!(
        scene
            .bench
            .row(&scene.index, &scene.wheel.name)
            .await
            .is_some()
    );
}

#[tokio::test]
async fn a_held_wheel_is_read_here() {
    let scene = Scene::new(large(), json!({})).await;
    scene.upstream.set_core_metadata(false);
    scene.held().await;
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.of_wheel(), 1);
}

#[tokio::test]
async fn a_held_wheel_gives_its_metadata_while_the_upstream_is_down() {
    for is_digest_announced in [true, false] {
        let scene = Scene::new(large(), json!({})).await;
        let mut entry = scene.held().await;
        if !is_digest_announced {
            entry.core_metadata = CoreMetadataMark::Available(Hashes::default());
        }
        scene.upstream.fault_everywhere(Fault::DropConnection);
        let handle = scene.bench.open_metadata(&scene.index, &entry).await;
        let bytes = collect(handle.unwrap().read_all()).await.unwrap();
        assert_eq!(bytes, scene.wheel.metadata.as_bytes());
        assert_eq!(scene.of_wheel(), 1);
        let asked = usize::from(!is_digest_announced);
        assert!(scene.beside() <= asked, "proof needs no network");
    }
}

#[tokio::test]
async fn a_failure_from_before_the_wheel_was_held_does_not_hide_its_metadata() {
    let scene = Scene::new(large(), json!({})).await;
    let beside = scene.upstream.metadata_path(&scene.wheel);
    scene.upstream.fault(&beside, Fault::Status(503));
    assert!(scene.metadata().await.is_err());
    scene.held().await;
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
    assert_eq!(scene.beside(), 1, "no hammering");
}

#[tokio::test]
async fn metadata_of_a_held_wheel_that_is_not_the_announced_one_is_not_served() {
    let scene = Scene::new(large(), json!({})).await;
    let mut lying = scene.held().await;
    lying.core_metadata = CoreMetadataMark::Available(Hashes::parse_fragment(&format!(
        "sha256={}",
        "0".repeat(64)
    )));
    scene.upstream.fault_everywhere(Fault::DropConnection);
    assert!(matches!(
        scene.bench.open_metadata(&scene.index, &lying).await,
        Err(Error::UpstreamFailed { .. })
    ));
}

#[tokio::test]
async fn configuration_can_promise_what_the_page_does_not_say() {
    let keys = json!({"mirror_provides_core_metadata": true});
    let scene = Scene::new(large(), keys).await;
    let entry = scene
        .bench
        .entry(&scene.index, "flask", &scene.wheel.name)
        .await;
    let mut unmarked = entry.clone();
    unmarked.core_metadata = CoreMetadataMark::Absent;
    scene
        .bench
        .open_metadata(&scene.index, &unmarked)
        .await
        .unwrap();
    assert_eq!((scene.beside(), scene.of_wheel()), (1, 0));
}

#[tokio::test]
async fn many_at_once_make_one_request() {
    let scene = Arc::new(Scene::new(large(), json!({})).await);
    let gate = Gate::closed();
    let beside = scene.upstream.metadata_path(&scene.wheel);
    scene.upstream.fault(&beside, Fault::Hang(gate.clone()));
    let waiting: Vec<_> = (0..32)
        .map(|_| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.metadata().await.unwrap() })
        })
        .collect();
    gate.wait_for_arrivals(1).await;
    gate.open();
    for metadata in join_all(waiting).await {
        assert_eq!(metadata.unwrap(), scene.wheel.metadata);
    }
    assert_eq!(scene.beside(), 1);
}

#[tokio::test]
async fn files_without_metadata_have_none() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let sdist = Sdist::named("flask").build();
    let broken = Wheel::named("flask")
        .defect(WheelDefect::NotAnArchive)
        .build();
    upstream.publish(&sdist);
    upstream.publish_file(UpstreamFile::from(&broken).without_core_metadata());
    let index = bench.pypi(&upstream).await;
    for name in [&sdist.name, &broken.name] {
        let entry = bench.entry(&index, "flask", name).await;
        let result = bench.open_metadata(&index, &entry).await;
        assert!(
            matches!(result, Err(Error::NotFound(_))),
            "{name}: {result:?}"
        );
    }
    assert_eq!(upstream.count(&upstream.file_path(&sdist)), 0);
}

#[tokio::test]
async fn trouble_upstream_is_trouble_and_not_absence() {
    let scene = Scene::new(large(), json!({})).await;
    let beside = scene.upstream.metadata_path(&scene.wheel);
    scene.upstream.fault(&beside, Fault::Status(503));
    assert!(matches!(
        scene.metadata().await,
        Err(Error::UpstreamFailed { .. })
    ));
    assert!(scene.metadata().await.is_err());
    assert_eq!(scene.beside(), 1, "no hammering");
    scene.upstream.clear_faults(&beside);
    scene.bench.advance(60);
    assert_eq!(scene.metadata().await.unwrap(), scene.wheel.metadata);
}

#[tokio::test]
async fn a_document_over_the_limit_is_refused() {
    let bench = Bench::with(cheeseshop_app::mirror::MirrorSettings {
        max_core_metadata_bytes: 1_000,
        ..settings()
    })
    .await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask")
        .description(&"x".repeat(2_000))
        .build();
    upstream.publish(&wheel);
    let index = bench.pypi(&upstream).await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let result = bench.open_metadata(&index, &entry).await;
    assert!(matches!(result, Err(Error::TooLarge(_))), "{result:?}");
    upstream.fault(
        &upstream.metadata_path(&wheel),
        Fault::Body {
            content_type: "text/plain".to_owned(),
            bytes: Bytes::from(vec![b'x'; 100_000]),
        },
    );
    assert!(bench.open_metadata(&index, &entry).await.is_err());
}
