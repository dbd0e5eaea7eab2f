//! Files on their way: one fetch for all, bytes as they come, nothing wrong ever complete.

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_app::mirror::MirrorSettings;
use cheeseshop_domain::Index;
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_test_support::{Fault, Gate, Upstream, UpstreamFile, noise};
use futures_util::StreamExt;
use futures_util::future::join_all;

use super::support::{Bench, collect, collect_until_error, impatient, settings};

const NAME: &str = "flask-1.0-py3-none-any.whl";

/// An upstream with one file of `flask` of these bytes.
struct Scene {
    bench: Arc<Bench>,
    upstream: Upstream,
    index: Arc<Index>,
    entry: PageFile,
    path: String,
    bytes: Bytes,
}

impl Scene {
    async fn new(length: usize) -> Self {
        Self::with(settings(), length, |file| file).await
    }

    async fn with(
        settings: MirrorSettings,
        length: usize,
        change: impl FnOnce(UpstreamFile) -> UpstreamFile,
    ) -> Self {
        let bytes = Bytes::from(noise(length));
        let bench = Arc::new(Bench::with(settings).await);
        let upstream = Upstream::start().await;
        upstream.publish_file(change(UpstreamFile::new(
            "flask",
            "1.0",
            NAME,
            bytes.clone(),
        )));
        let index = bench.pypi(&upstream).await;
        let entry = bench.entry(&index, "flask", NAME).await;
        let path = entry
            .url
            .strip_prefix(upstream.origin())
            .unwrap()
            .to_owned();
        Self {
            bench,
            upstream,
            index,
            entry,
            path,
            bytes,
        }
    }

    fn fault(&self, fault: Fault) {
        self.upstream.fault(&self.path, fault);
    }

    async fn open(&self) -> Result<cheeseshop_app::file_handle::FileHandle, Error> {
        self.bench.open_file(&self.index, &self.entry).await
    }

    /// Reads the whole file; what came, and whether it ended in an error. A failure that shows
    /// before anything was sent may come as one of opening.
    async fn read(&self) -> (Vec<u8>, bool) {
        match self.open().await {
            Ok(handle) => collect_until_error(handle.read_all()).await,
            Err(Error::UpstreamFailed { .. }) => (Vec::new(), true),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Nothing is in the store and no row says so.
    async fn assert_nothing_kept(&self) {
        self.bench.mirrors.settle().await;
        assert_eq!(self.bench.blob_count().await, 0);
        assert_eq!(self.bench.row(&self.index, NAME).await, None);
        let events = self.bench.events().await;
        assert!(!events.iter().any(|kind| kind == "mirror_file_stored"));
    }

    async fn assert_kept(&self) {
        self.bench.mirrors.settle().await;
        let row = self.bench.row(&self.index, NAME).await.unwrap();
        assert_eq!(row.size, self.bytes.len() as u64);
        assert_eq!(self.bench.blob_count().await, 1);
        let events = self.bench.events().await;
        let stored = events.iter().filter(|kind| *kind == "mirror_file_stored");
        assert_eq!(stored.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_makes_one_fetch_and_all_get_all_bytes() {
    let scene = Arc::new(Scene::new(5_000_000).await);
    let gate = Gate::closed();
    scene.fault(Fault::HangAfter {
        bytes: 3_000_000,
        gate: gate.clone(),
    });
    let readers: Vec<_> = (0..64)
        .map(|_| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move {
                let handle = scene.open().await.unwrap();
                assert_eq!(handle.size, Some(5_000_000));
                collect(handle.read_all()).await.unwrap() == scene.bytes
            })
        })
        .collect();
    gate.wait_for_arrivals(1).await;
    gate.open();
    for right in join_all(readers).await {
        assert!(right.unwrap());
    }
    assert_eq!(scene.upstream.count(&scene.path), 1);
    scene.assert_kept().await;
    // From now on it is held.
    let handle = scene.open().await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), scene.bytes);
    assert_eq!(scene.upstream.count(&scene.path), 1);
}

#[tokio::test]
async fn bytes_arrive_before_the_file_is_complete() {
    let scene = Scene::new(3_000_000).await;
    let gate = Gate::closed();
    scene.fault(Fault::HangAfter {
        bytes: 2_000_000,
        gate: gate.clone(),
    });
    let handle = scene.open().await.unwrap();
    let mut whole = handle.read_all();
    let mut got = Vec::new();
    while got.len() < 1_999_999 {
        got.extend_from_slice(&whole.next().await.unwrap().unwrap());
    }
    assert_eq!(got, scene.bytes[..1_999_999]);
    // A late reader gets the beginning too, which is in the spooled file by now, and ranges go
    // as far as there is something.
    let late = scene.open().await.unwrap();
    let mut range = late.read(10..1_500_000);
    let mut part = Vec::new();
    while part.len() < 1_499_989 {
        part.extend_from_slice(&range.next().await.unwrap().unwrap());
    }
    assert_eq!(
        part,
        scene.bytes[10..1_499_999],
        "all but the last byte of the range"
    );
    gate.open();
    assert_eq!(
        collect(range).await.unwrap(),
        scene.bytes[1_499_999..1_500_000]
    );
    got.extend(collect(whole).await.unwrap());
    assert_eq!(got, scene.bytes);
    let tail = collect(late.read(2_999_990..3_000_000)).await.unwrap();
    assert_eq!(tail, scene.bytes[2_999_990..]);
    assert_eq!(scene.upstream.count(&scene.path), 1);
}

#[tokio::test]
async fn a_range_of_a_cold_file_starts_the_one_download() {
    let scene = Scene::new(100_000).await;
    let handle = scene.open().await.unwrap();
    let part = collect(handle.read(500..1_000)).await.unwrap();
    assert_eq!(part, scene.bytes[500..1_000]);
    let request = &scene.upstream.requests_to(&scene.path)[0];
    assert_eq!(request.header("range"), None);
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    drop(handle);
    scene.assert_kept().await;
}

#[tokio::test]
async fn a_truncated_file_is_never_complete_nor_kept() {
    let scene = Scene::new(100_000).await;
    scene.fault(Fault::Truncate { after: 40_000 });
    let (got, failed) = scene.read().await;
    assert!(failed);
    assert!(got.len() < 100_000);
    assert_eq!(got, scene.bytes[..got.len()]);
    // It was tried once more, from the point reached.
    let requests = scene.upstream.requests_to(&scene.path);
    assert_eq!(requests.len(), 2);
    assert!(requests[1].header("range").unwrap().starts_with("bytes="));
    scene.assert_nothing_kept().await;
}

#[tokio::test]
async fn a_broken_download_goes_on_from_the_point_reached() {
    let scene = Scene::new(100_000).await;
    scene
        .upstream
        .fault_times(&scene.path, Fault::Truncate { after: 40_000 }, 1);
    let handle = scene.open().await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), scene.bytes);
    assert_eq!(scene.upstream.count(&scene.path), 2);
    scene.assert_kept().await;
}

#[tokio::test]
async fn a_broken_download_goes_on_without_ranges_too() {
    let scene = Scene::new(100_000).await;
    scene.fault(Fault::NoRanges);
    scene
        .upstream
        .fault_times(&scene.path, Fault::Truncate { after: 40_000 }, 1);
    let handle = scene.open().await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), scene.bytes);
    scene.assert_kept().await;
}

#[tokio::test]
async fn wrong_bytes_are_never_complete_nor_kept_not_even_in_ranges() {
    let scene = Scene::new(100_000).await;
    let gate = Gate::closed();
    scene.fault(Fault::WrongBytes);
    scene.fault(Fault::HangAfter {
        bytes: 50_000,
        gate: gate.clone(),
    });
    let handle = scene.open().await.unwrap();
    gate.open();
    let (whole, part) = tokio::join!(
        collect_until_error(handle.read_all()),
        collect_until_error(handle.read(100..200)),
    );
    assert!(whole.1 && whole.0.len() < 100_000);
    assert!(part.1 && part.0.len() < 100);
    scene.assert_nothing_kept().await;
}

#[tokio::test]
async fn weak_and_other_digests_count_as_well() {
    let wrong = "00".repeat(16);
    for (digests, is_right) in [
        (vec![("md5", wrong.as_str())], false),
        (vec![("blake2b_256", "11".repeat(32).leak() as &str)], false),
        (vec![], true),
    ] {
        let scene = Scene::with(settings(), 10_000, |file| file.hashes(&digests)).await;
        let (got, failed) = scene.read().await;
        assert_eq!(!failed, is_right, "{digests:?}");
        if is_right {
            assert_eq!(got, scene.bytes);
            scene.assert_kept().await;
            let row = scene.bench.row(&scene.index, NAME).await.unwrap();
            assert!(row.path.starts_with("+e/"), "{}", row.path);
        } else {
            scene.assert_nothing_kept().await;
        }
    }
}

#[tokio::test]
async fn a_file_of_another_length_than_listed_is_refused_at_once() {
    let scene = Scene::new(10_000).await;
    scene.fault(Fault::Body {
        content_type: "text/html".to_owned(),
        bytes: Bytes::from_static(b"<html>log in to the hotel network</html>"),
    });
    assert!(matches!(
        scene.open().await,
        Err(Error::UpstreamFailed { timeout: false, .. })
    ));
    scene.assert_nothing_kept().await;
}

#[tokio::test]
async fn lengths_may_be_unknown() {
    let scene = Scene::with(settings(), 10_000, UpstreamFile::without_size).await;
    let handle = scene.open().await.unwrap();
    assert_eq!(handle.size, Some(10_000), "Content-Length tells");
    drop(handle);
    scene.bench.mirrors.settle().await;

    let scene = Scene::with(settings(), 10_000, UpstreamFile::without_size).await;
    let gate = Gate::closed();
    scene.fault(Fault::NoContentLength);
    scene.fault(Fault::HangAfter {
        bytes: 5_000,
        gate: gate.clone(),
    });
    let handle = scene.open().await.unwrap();
    assert_eq!(handle.size, None);
    gate.open();
    assert_eq!(collect(handle.read_all()).await.unwrap(), scene.bytes);
    scene.assert_kept().await;
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let scene = Scene::new(0).await;
    let handle = scene.open().await.unwrap();
    assert_eq!(handle.size, Some(0));
    assert_eq!(collect(handle.read_all()).await.unwrap(), b"");
    scene.assert_kept().await;
}

#[tokio::test]
async fn a_hanging_upstream_is_a_timeout() {
    let scene = Scene::with(impatient(), 10_000, |file| file).await;
    let gate = Gate::closed();
    scene.fault(Fault::Hang(gate.clone()));
    assert!(matches!(
        scene.open().await,
        Err(Error::UpstreamFailed { timeout: true, .. })
    ));
    // Those who come right after are not made to wait.
    assert!(scene.open().await.is_err());
    assert_eq!(scene.upstream.count(&scene.path), 1);
    gate.open();
    scene.assert_nothing_kept().await;
}

#[tokio::test]
async fn an_upstream_that_stops_midway_ends_the_stream_in_an_error() {
    let scene = Scene::with(impatient(), 100_000, |file| file).await;
    let gate = Gate::closed();
    // The second attempt gets as far again, and that is all.
    scene.fault(Fault::HangAfter {
        bytes: 10_000,
        gate: gate.clone(),
    });
    let (got, failed) = scene.read().await;
    assert!(failed && got.len() < 100_000);
    assert_eq!(scene.upstream.count(&scene.path), 2);
    gate.open();
    scene.assert_nothing_kept().await;
}

#[tokio::test]
async fn failures_of_files_have_their_meaning() {
    for (fault, is_absent) in [
        (Fault::Status(404), true),
        (Fault::Status(410), true),
        (Fault::Status(403), false),
        (Fault::Status(500), false),
        (Fault::DropConnection, false),
    ] {
        let scene = Scene::new(1_000).await;
        scene.fault(fault.clone());
        match scene.open().await {
            Err(Error::NotFound(_)) => assert!(is_absent, "{fault:?}"),
            Err(Error::UpstreamFailed { .. }) => assert!(!is_absent, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
        assert!(scene.open().await.is_err());
        assert_eq!(scene.upstream.count(&scene.path), 1, "no hammering");
        scene.upstream.clear_faults(&scene.path);
        scene.bench.advance(60);
        let handle = scene.open().await.unwrap();
        assert_eq!(collect(handle.read_all()).await.unwrap(), scene.bytes);
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_disturb_the_others() {
    let scene = Scene::new(2_000_000).await;
    let gate = Gate::closed();
    scene.fault(Fault::HangAfter {
        bytes: 1_000_000,
        gate: gate.clone(),
    });
    let first = scene.open().await.unwrap();
    let second = scene.open().await.unwrap();
    let mut leaving = first.read_all();
    leaving.next().await.unwrap().unwrap();
    drop((first, leaving));
    gate.open();
    assert_eq!(collect(second.read_all()).await.unwrap(), scene.bytes);
    assert_eq!(scene.upstream.count(&scene.path), 1);
}

#[tokio::test]
async fn a_small_download_is_finished_for_nobody() {
    let scene = Scene::new(1_000_000).await;
    let gate = Gate::closed();
    scene.fault(Fault::HangAfter {
        bytes: 1_000,
        gate: gate.clone(),
    });
    drop(scene.open().await.unwrap());
    gate.open();
    scene.assert_kept().await;
}

#[tokio::test]
async fn a_large_download_that_nobody_wants_is_given_up() {
    let scene = Scene::new(70_000_000).await;
    let gate = Gate::closed();
    scene.fault(Fault::Stepwise {
        chunk: 500_000,
        gate: gate.clone(),
    });
    let handle = scene.open().await.unwrap();
    gate.release(2);
    let mut stream = handle.read_all();
    stream.next().await.unwrap().unwrap();
    drop((handle, stream));
    gate.release(1);
    // Ends although the gate stays closed for the rest.
    scene.bench.mirrors.settle().await;
    scene.assert_nothing_kept().await;
    // Whoever comes later starts anew.
    gate.open();
    let handle = scene.open().await.unwrap();
    let part = collect(handle.read(0..1_000));
    assert_eq!(part.await.unwrap(), scene.bytes[..1_000]);
}

#[tokio::test]
async fn files_over_the_limit_are_refused() {
    for change in [UpstreamFile::without_size, |file| file] {
        let limited = MirrorSettings {
            max_file_bytes: 999,
            ..settings()
        };
        let scene = Scene::with(limited, 1_000, change).await;
        assert!(matches!(scene.open().await, Err(Error::TooLarge(_))));
        scene.assert_nothing_kept().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_at_different_speeds_all_get_the_right_bytes() {
    let scene = Arc::new(Scene::new(4_000_000).await);
    let gate = Gate::closed();
    scene.fault(Fault::Stepwise {
        chunk: 100_000,
        gate: gate.clone(),
    });
    let handle = scene.open().await.unwrap();
    let readers: Vec<_> = (0..8_u64)
        .map(|number| {
            let (handle, scene) = (handle.clone(), Arc::clone(&scene));
            tokio::spawn(async move {
                let range = number * 100_000..4_000_000 - number * 300_000;
                let mut stream = handle.read(range.clone());
                let mut got = Vec::new();
                while let Some(chunk) = stream.next().await {
                    got.extend_from_slice(&chunk.unwrap());
                    for _ in 0..number {
                        tokio::task::yield_now().await;
                    }
                }
                let from = usize::try_from(range.start).unwrap();
                let to = usize::try_from(range.end).unwrap();
                got == scene.bytes[from..to]
            })
        })
        .collect();
    for step in 1..=40 {
        gate.wait_for_arrivals(step).await;
        gate.release(1);
    }
    gate.open();
    for right in join_all(readers).await {
        assert!(right.unwrap());
    }
}
