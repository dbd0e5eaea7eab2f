//! What mirrors keep.

use cheeseshop_packaging::hash::Sha256;
use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::database::{blobs, mirrors};

use super::index;
use crate::support::{digest, for_each_database, time};

pub(crate) fn listing(document: &[u8]) -> mirrors::StoredListing {
    mirrors::StoredListing {
        document: document.to_vec(),
        etag: Some("W/\"x\"".to_owned()),
        last_modified: None,
        last_serial: Some(42),
        fetched_at: time(3),
        source_url: "https://pypi.test/simple/pkg/".to_owned(),
    }
}

pub(crate) fn mirror_file(filename: &str, sha256: Sha256) -> mirrors::MirrorFile {
    mirrors::MirrorFile {
        filename: filename.to_owned(),
        project: "pkg".to_owned(),
        sha256,
        size: 7,
        path: format!("+f/abc/0123456789abc/{filename}"),
        core_metadata: None,
        fetched_at: time(4),
        last_modified: Some("Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
    }
}

#[tokio::test]
async fn mirror_listings_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let id = index(&database, "root/pypi").await.id;
        // Bytes of all kinds, and of a size that some answers have.
        let large: Vec<u8> = (0..3_000_000_u32)
            .map(|number| number.to_le_bytes()[0])
            .collect();
        let first = listing(&large);
        let second = mirrors::StoredListing {
            etag: None,
            last_modified: Some("then".to_owned()),
            last_serial: None,
            fetched_at: time(9),
            ..listing(b"")
        };
        for expected in [first, second.clone()] {
            let (page, list) = (expected.clone(), expected.clone());
            write!(&database, |tx| {
                mirrors::save_listing(tx, id, "pkg", page).await?;
                mirrors::save_project_list(tx, id, list).await
            });
            let mut reader = database.reader().await.unwrap();
            let found = mirrors::find_listing(&mut reader, id, "pkg").await.unwrap();
            assert!(found.as_ref() == Some(&expected));
            let found = mirrors::find_project_list(&mut reader, id).await.unwrap();
            assert!(found.as_ref() == Some(&expected));
            assert_eq!(
                mirrors::find_listing(&mut reader, id, "x").await.unwrap(),
                None
            );
        }
        let touched = write!(&database, |tx| {
            Ok([
                mirrors::touch_listing(tx, id, "pkg", time(20)).await?,
                mirrors::touch_listing(tx, id, "x", time(20)).await?,
            ])
        });
        assert_eq!(touched, [true, false]);
        let expected = mirrors::StoredListing {
            fetched_at: time(20),
            ..second
        };
        let mut reader = database.reader().await.unwrap();
        let found = mirrors::find_listing(&mut reader, id, "pkg").await.unwrap();
        assert_eq!(found, Some(expected));
        assert!(write!(&database, |tx| mirrors::remove_listing(
            tx, id, "pkg"
        )
        .await));
        assert!(!write!(&database, |tx| mirrors::remove_listing(
            tx, id, "pkg"
        )
        .await));
    })
    .await;
}

#[tokio::test]
async fn mirror_files_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let id = index(&database, "root/pypi").await.id;
        let mut wheel = mirror_file("pkg-1.whl", digest(1));
        let given = wheel.clone();
        write!(&database, |tx| {
            for number in 1..=4 {
                blobs::register(tx, digest(number), 7).await?;
            }
            // The metadata first: pip asks for it before the wheel.
            mirrors::save_core_metadata(tx, id, "pkg", "pkg-1.whl", digest(2)).await?;
            mirrors::save_core_metadata(tx, id, "pkg", "pkg-1.whl", digest(3)).await?;
            mirrors::save_file(tx, id, &given).await?;
            mirrors::save_file(tx, id, &mirror_file("pkg-0.tar.gz", digest(4))).await?;
            mirrors::save_listing(tx, id, "a", listing(b"")).await?;
            mirrors::save_listing(tx, id, "zz", listing(b"")).await
        });
        wheel.core_metadata = Some(digest(3));
        let mut reader = database.reader().await.unwrap();
        let found = mirrors::find_file(&mut reader, id, "pkg", "pkg-1.whl")
            .await
            .unwrap();
        assert_eq!(found, Some(wheel.clone()));
        let found = mirrors::find_file_by_path(&mut reader, id, &wheel.path)
            .await
            .unwrap();
        assert_eq!(found, Some(wheel.clone()));
        assert_eq!(
            mirrors::find_file_by_path(&mut reader, id, "x")
                .await
                .unwrap(),
            None
        );
        let listed = mirrors::list_files(&mut reader, id, "pkg").await.unwrap();
        assert_eq!(
            listed,
            [mirror_file("pkg-0.tar.gz", digest(4)), wheel.clone()]
        );
        let names = mirrors::list_projects(&mut reader, id).await.unwrap();
        assert_eq!(names, ["a", "pkg", "zz"]);
        for (name, is_held) in [("a", true), ("pkg", true), ("zz", true), ("z", false)] {
            let holds = mirrors::holds_project(&mut reader, id, name).await;
            assert_eq!(holds.unwrap(), is_held, "{name}");
        }
        drop(reader);

        // The same bytes again keep the metadata, others do not.
        let same = wheel.clone();
        write!(&database, |tx| mirrors::save_file(tx, id, &same).await);
        let held = async || {
            let mut reader = database.reader().await.unwrap();
            mirrors::find_core_metadata(&mut reader, id, "pkg", "pkg-1.whl")
                .await
                .unwrap()
        };
        assert_eq!(held().await, Some(digest(3)));
        let mut other = wheel.clone();
        other.sha256 = digest(2);
        let given = other.clone();
        write!(&database, |tx| mirrors::save_file(tx, id, &given).await);
        assert_eq!(held().await, None);
        let mut reader = database.reader().await.unwrap();
        let found = mirrors::find_file(&mut reader, id, "pkg", "pkg-1.whl")
            .await
            .unwrap();
        other.core_metadata = None;
        assert_eq!(found, Some(other));
        drop(reader);

        let removed = write!(&database, |tx| {
            mirrors::remove_files(tx, id, "pkg", Some("pkg-1.whl")).await
        });
        assert_eq!(removed, 1);
        let removed = write!(&database, |tx| mirrors::remove_files(tx, id, "pkg", None)
            .await);
        assert_eq!(removed, 1);
        let error = write_error!(&database, |tx| {
            mirrors::save_file(tx, id, &mirror_file("x.whl", digest(99))).await
        });
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
    })
    .await;
}
