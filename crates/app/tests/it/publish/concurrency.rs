//! Uploads side by side.

use cheeseshop_app::publish::Published;
use cheeseshop_test_support::{BuiltFile, Wheel};
use serde_json::json;

use super::{bytes_of, path_of};
use crate::support::{TestApp, root, told, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_at_once_all_arrive() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({"volatile": false})).await;
        let files: Vec<BuiltFile> = (0..32)
            .map(|number| {
                Wheel::named("mypkg")
                    .version(&format!("1.{number}"))
                    .build()
            })
            .collect();
        let uploads = files.iter().map(|file| {
            let (app, dev, file) = (test.app.clone(), dev.clone(), file.clone());
            tokio::spawn(async move { upload(&app, &root(), &dev, &file).await })
        });
        for answer in futures_util::future::join_all(uploads).await {
            assert_eq!(answer.unwrap().unwrap(), Published::Created);
        }
        assert_eq!(test.files(&root(), &dev, "mypkg").await.len(), 32);
        for file in &files {
            let served = bytes_of(&test, &root(), "root/dev", &path_of(file))
                .await
                .unwrap();
            assert_eq!(served, file.bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_files_of_one_name_exactly_one_wins() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({"volatile": false})).await;
        let files: Vec<BuiltFile> = (0..8)
            .map(|number| {
                Wheel::named("mypkg")
                    .summary(&format!("attempt {number}"))
                    .build()
            })
            .collect();
        let uploads = files.iter().map(|file| {
            let (app, dev, file) = (test.app.clone(), dev.clone(), file.clone());
            tokio::spawn(async move { (upload(&app, &root(), &dev, &file).await, file) })
        });
        let mut winner = None;
        for answer in futures_util::future::join_all(uploads).await {
            match answer.unwrap() {
                (Ok(Published::Created), file) => {
                    assert!(winner.replace(file).is_none(), "two won");
                }
                (answer, _) => assert_eq!(
                    told(answer),
                    "conflict: mypkg-1.0-py3-none-any.whl already exists in non-volatile index"
                ),
            }
        }
        let winner = winner.expect("one won");
        let page = test.page(&root(), &dev, "mypkg").await.unwrap();
        assert_eq!(page["files"][0]["hashes"]["sha256"], winner.sha256.as_str());
        test.collect_garbage().await;
        assert_eq!(test.blob_count().await, 2);
        let served = bytes_of(&test, &root(), "root/dev", &path_of(&winner))
            .await
            .unwrap();
        assert_eq!(served, winner.bytes);
    }
}

#[tokio::test]
async fn two_nodes_do_not_both_win_either() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let dev = test.index("root/dev", json!({"volatile": false})).await;
    let first = Wheel::named("mypkg").summary("first").build();
    let second = Wheel::named("mypkg").summary("second").build();
    let root = root();
    let (one, two) = tokio::join!(
        upload(&test.app, &root, &dev, &first),
        upload(&other, &root, &dev, &second)
    );
    let mut answers = [told(one), told(two)];
    answers.sort();
    assert_eq!(
        answers,
        [
            "conflict: mypkg-1.0-py3-none-any.whl already exists in non-volatile index",
            "ok"
        ]
    );
}
