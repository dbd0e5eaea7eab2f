//! Bytes that nobody refers to.

use bytes::Bytes;
use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::publish::{bytes_of, path_of};
use crate::support::{TestApp, index, root};

#[tokio::test]
async fn one_blob_serves_any_number_of_indexes() {
    let test = TestApp::start().await;
    let wheel = Wheel::named("mypkg").build();
    for name in ["root/one", "root/two"] {
        let target = test.index(name, json!({})).await;
        test.upload(&root(), &target, &wheel).await.unwrap();
    }
    assert_eq!(test.blob_count().await, 2, "a wheel and its metadata");
    test.app
        .remove_index(&root(), &index("root/one"))
        .await
        .unwrap();
    assert_eq!(test.collect_garbage().await.removed, 0);
    let served = bytes_of(&test, &root(), "root/two", &path_of(&wheel))
        .await
        .unwrap();
    assert_eq!(served, wheel.bytes);
}

#[tokio::test]
async fn garbage_is_counted_spared_and_removed() {
    use cheeseshop_app::garbage::{GarbageOptions, GarbageReport};
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    test.upload(&root(), &dev, &Wheel::named("kept").build())
        .await
        .unwrap();
    for number in 0..5 {
        test.blobs
            .put(Bytes::from(format!("orphan {number}")))
            .await
            .unwrap();
    }
    let collect = async |dry_run, grace| {
        let grace = std::time::Duration::from_secs(grace);
        test.app
            .collect_garbage(GarbageOptions {
                dry_run,
                grace,
                batch: 2,
                ..GarbageOptions::default()
            })
            .await
            .unwrap()
    };
    let found = |removed, spared| GarbageReport {
        examined: 7,
        removed,
        removed_bytes: removed * 8,
        spared,
    };
    let noted = async || test.app.garbage_collected_at().await.unwrap();
    assert_eq!(collect(true, 0).await, found(5, 0));
    assert_eq!(noted().await, None, "nothing was collected");
    assert_eq!(collect(false, 3600).await, found(0, 5));
    assert!(noted().await.is_some());
    assert_eq!(collect(true, 0).await, found(5, 0));
    assert_eq!(test.blob_count().await, 7);
    assert_eq!(collect(false, 0).await, found(5, 0));
    assert_eq!(test.blob_count().await, 2);
    assert_eq!(test.files(&root(), &dev, "kept").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_its_turn_while_rows_go_leaves_the_bytes() {
    use cheeseshop_app::Error;
    use cheeseshop_app::garbage::GarbageOptions;
    let test = TestApp::on_postgres().await;
    test.blobs.put(Bytes::from("orphan")).await.unwrap();
    // From then on a backup may be made of what was there before the rows went.
    test.on_server(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name LIKE '% cheeseshop gc'; \
         RETURN NULL; END $$; \
         CREATE TRIGGER lose AFTER DELETE ON blobs EXECUTE FUNCTION lose()",
    )
    .await;
    let collect = async || {
        test.app
            .collect_garbage(GarbageOptions {
                grace: std::time::Duration::ZERO,
                ..GarbageOptions::default()
            })
            .await
    };
    let refused = collect().await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)), "{refused:?}");
    assert!(refused.to_string().contains("was lost"), "{refused}");
    assert_eq!(test.blob_count().await, 1);
    assert_eq!(test.app.garbage_collected_at().await.unwrap(), None);
    test.on_server("DROP TRIGGER lose ON blobs").await;
    assert_eq!(collect().await.unwrap().removed, 1);
}
