//! What belongs to releases and files: documentation and test results.

use cheeseshop_domain::{Documentation, FilePath, IndexName, LogEntry, TestResult, TestResultId};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::database::documentation::{self, NewDocumentation};
use cheeseshop_storage::database::test_results::{self, NewTestResult};
use cheeseshop_storage::database::{blobs, files, indexes, releases};

use super::{index, user_name};
use crate::support::{digest, for_each_database, publish, time};

fn new_documentation(sha256: u64) -> NewDocumentation {
    let dev = IndexName::parse("bob/dev").unwrap();
    NewDocumentation {
        name: FileName::parse("pkg-1.0.doc.zip").unwrap(),
        sha256: digest(sha256),
        size: 5_000_000_000,
        uploaded: time(7),
        log: vec![LogEntry::upload(Some(&user_name("bob")), time(7), &dev)],
    }
}

fn new_result(number: u64) -> NewTestResult {
    let name = format!("pkg-1.0.tar.gz.toxresult-20261122114006-{number}");
    NewTestResult {
        name: FileName::parse(&name).unwrap(),
        sha256: digest(100 + number),
        size: number,
        uploaded: time(8),
        log: Vec::new(),
    }
}

#[tokio::test]
async fn documentation_round_trips_and_is_replaced() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let (project, release, _) = {
            let dev = dev.clone();
            write!(&database, |tx| {
                blobs::register(tx, digest(2), 1).await?;
                blobs::register(tx, digest(3), 1).await?;
                publish(tx, &dev, "pkg", "1.0", digest(1)).await
            })
        };
        for sha256 in [2, 3] {
            let new = new_documentation(sha256);
            let (release_now, given) = (release.clone(), new.clone());
            write!(&database, |tx| documentation::save(
                tx,
                dev.id,
                &release_now,
                &given
            )
            .await);
            let expected = Documentation {
                release: release.id,
                project: project.id,
                index: dev.id,
                version: release.version.clone(),
                name: new.name,
                sha256: new.sha256,
                size: new.size,
                uploaded: new.uploaded,
                log: new.log,
            };
            let mut reader = database.reader().await.unwrap();
            let found = documentation::find(&mut reader, release.id).await.unwrap();
            assert_eq!(found, Some(expected.clone()));
            let listed = documentation::list_for_project(&mut reader, project.id).await;
            assert_eq!(listed.unwrap(), std::slice::from_ref(&expected));
            let (found, name) = documentation::find_by_path(&mut reader, dev.id, &expected.path())
                .await
                .unwrap()
                .unwrap();
            assert_eq!((found, name.written()), (expected.clone(), "pkg"));
            let wrong = FilePath::of_sha256(&digest(9 << 56), expected.name.clone());
            let found = documentation::find_by_path(&mut reader, dev.id, &wrong).await;
            assert_eq!(found.unwrap(), None);
        }
        let id = release.id;
        assert!(write!(&database, |tx| documentation::remove(tx, id).await));
        assert!(!write!(&database, |tx| documentation::remove(tx, id).await));
    })
    .await;
}

#[tokio::test]
async fn test_results_round_trip_in_the_order_of_their_arrival() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let given = dev.clone();
        let (project, release, file, ids) = write!(&database, |tx| {
            let (project, release, file) = publish(tx, &given, "pkg", "1.0", digest(1)).await?;
            let mut ids = Vec::new();
            // The second one sorts before the first by its name.
            for number in [7, 3] {
                let new = new_result(number);
                blobs::register(tx, new.sha256, new.size).await?;
                ids.push(test_results::insert(tx, given.id, file.id, &new).await?);
            }
            Ok((project, release, file, ids))
        });
        let expected = |id: TestResultId, new: NewTestResult| TestResult {
            id,
            file: file.id,
            file_sha256: file.sha256,
            index: dev.id,
            name: new.name,
            sha256: new.sha256,
            size: new.size,
            uploaded: new.uploaded,
            log: new.log,
        };
        let all = [
            expected(ids[0], new_result(7)),
            expected(ids[1], new_result(3)),
        ];
        let mut reader = database.reader().await.unwrap();
        let listed = test_results::list_for_file(&mut reader, file.id).await;
        assert_eq!(listed.unwrap(), all);
        let listed = test_results::list_for_release(&mut reader, release.id).await;
        assert_eq!(listed.unwrap(), all);
        let listed = test_results::list_for_project(&mut reader, project.id).await;
        assert_eq!(listed.unwrap(), all);
        let found = test_results::find_by_path(&mut reader, dev.id, &all[1].path())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.result, all[1]);
        assert_eq!(found.project.written(), "pkg");
        assert_eq!(found.version.as_str(), "1.0");
        let wrong = FilePath::of_sha256(&digest(9 << 56), all[1].name.clone());
        let found = test_results::find_by_path(&mut reader, dev.id, &wrong).await;
        assert_eq!(found.unwrap(), None);

        let (index, file_id) = (dev.id, file.id);
        let error = write_error!(&database, |tx| {
            test_results::insert(tx, index, file_id, &new_result(7)).await
        });
        assert!(matches!(error, DatabaseError::AlreadyExists), "{error:?}");
        let first = ids[0];
        assert!(write!(&database, |tx| test_results::remove(tx, first).await));
        assert!(!write!(&database, |tx| test_results::remove(tx, first).await));
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_something_goes_with_it_and_keeps_its_blob_until_then() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let given = dev.clone();
        let (release, file) = write!(&database, |tx| {
            let (_, release, file) = publish(tx, &given, "pkg", "1.0", digest(1)).await?;
            let new = new_result(0);
            blobs::register(tx, new.sha256, new.size).await?;
            blobs::register(tx, digest(2), 1).await?;
            test_results::insert(tx, given.id, file.id, &new).await?;
            documentation::save(tx, given.id, &release, &new_documentation(2)).await?;
            Ok((release, file))
        });
        let attached = [digest(2), digest(100)];
        let removed = write!(&database, |tx| blobs::remove(tx, &attached).await);
        assert!(removed.is_empty(), "both are referred to");

        let id = file.id;
        write!(&database, |tx| files::remove(tx, id).await);
        let mut reader = database.reader().await.unwrap();
        let listed = test_results::list_for_file(&mut reader, id).await;
        assert_eq!(listed.unwrap(), [], "a result goes with its file");
        let found = documentation::find(&mut reader, release.id).await.unwrap();
        assert!(found.is_some(), "documentation belongs to the release");
        drop(reader);

        let id = release.id;
        write!(&database, |tx| releases::remove(tx, id).await);
        let mut reader = database.reader().await.unwrap();
        assert_eq!(documentation::find(&mut reader, id).await.unwrap(), None);
        drop(reader);
        let mut removed = write!(&database, |tx| blobs::remove(tx, &attached).await);
        removed.sort_unstable_by_key(ToString::to_string);
        assert_eq!(removed, attached);

        let unknown = release.clone();
        let error = write_error!(&database, |tx| {
            documentation::save(tx, dev.id, &unknown, &new_documentation(1)).await
        });
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
        write!(&database, |tx| indexes::remove(tx, dev.id).await);
    })
    .await;
}
