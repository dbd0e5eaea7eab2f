//! What the blob store must have.

use cheeseshop_packaging::filename::FileName;
use cheeseshop_storage::database::documentation::{self, NewDocumentation};
use cheeseshop_storage::database::inventory::{self, Referrer};
use cheeseshop_storage::database::test_results::{self, NewTestResult};
use cheeseshop_storage::database::{blobs, files, mirrors};

use super::index;
use super::mirrors::mirror_file;
use crate::support::{digest, for_each_database, new_file, publish, time};

#[tokio::test]
async fn each_blob_is_listed_once_and_knows_what_is_listed_because_of_it() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let pypi = index(&database, "root/pypi").await;
        write!(&database, |tx| {
            for number in 2..7 {
                blobs::register(tx, digest(number), number).await?;
            }
            // Three projects of one content, one with core metadata, documentation, a result.
            for project in ["a", "b"] {
                publish(tx, &dev, project, "1.0", digest(1)).await?;
            }
            let (project, release, file) = publish(tx, &dev, "c", "1.0", digest(1)).await?;
            let mut with_metadata = new_file(tx, &project, &release, digest(1));
            with_metadata.core_metadata = Some(digest(2));
            files::replace(tx, file.id, with_metadata).await?;
            let new = NewDocumentation {
                name: FileName::parse("c-1.0.doc.zip").unwrap(),
                sha256: digest(3),
                size: 3,
                uploaded: time(7),
                log: Vec::new(),
            };
            documentation::save(tx, dev.id, &release, &new).await?;
            let new = NewTestResult {
                name: FileName::parse("c-1.0.tar.gz.toxresult-20261122114006-0").unwrap(),
                sha256: digest(4),
                size: 4,
                uploaded: time(8),
                log: Vec::new(),
            };
            test_results::insert(tx, dev.id, file.id, &new).await?;
            mirrors::save_file(tx, pypi.id, &mirror_file("pkg-1.whl", digest(5))).await?;
            mirrors::save_core_metadata(tx, pypi.id, "pkg", "pkg-1.whl", digest(6)).await?;
            mirrors::save_core_metadata(tx, pypi.id, "pkg", "not-held.whl", digest(6)).await
        });

        let mut reader = database.reader().await.unwrap();
        let mut listed = Vec::new();
        while let page = inventory::list_blobs(&mut reader, 2, listed.last().copied())
            .await
            .unwrap()
            && !page.is_empty()
        {
            assert!(page.len() <= 2);
            listed.extend(page.into_iter().map(|(sha256, _)| sha256));
        }
        assert_eq!(listed, (1..7).map(digest).collect::<Vec<_>>());
        assert_eq!(inventory::count_files(&mut reader).await.unwrap(), 6);

        let hosted = digest(1).to_string();
        let hosted = format!("bob/dev/+f/{}/{}", &hosted[..3], &hosted[3..16]);
        let documentation = digest(3).to_string();
        let documentation = format!(
            "bob/dev/+f/{}/{}",
            &documentation[..3],
            &documentation[3..16]
        );
        let mirrored = "root/pypi/+f/abc/0123456789abc/pkg-1.whl";
        for (number, paths, is_mirrored) in [
            (
                1,
                ["a", "b", "c"]
                    .map(|project| format!("{hosted}/{project}-1.0.tar.gz"))
                    .into(),
                false,
            ),
            (2, vec![format!("{hosted}/c-1.0.tar.gz.metadata")], false),
            (3, vec![format!("{documentation}/c-1.0.doc.zip")], false),
            (
                4,
                vec![format!("{hosted}/c-1.0.tar.gz.toxresult-20261122114006-0")],
                false,
            ),
            (5, vec![mirrored.to_owned()], true),
            (
                6,
                vec![
                    format!("{mirrored}.metadata"),
                    "root/pypi/not-held.whl.metadata".to_owned(),
                ],
                true,
            ),
            (99, Vec::new(), false),
        ] {
            let found = inventory::list_referrers(&mut reader, &digest(number))
                .await
                .unwrap();
            let expected: Vec<Referrer> = paths
                .into_iter()
                .map(|path| Referrer { path, is_mirrored })
                .collect();
            assert_eq!(found, expected, "{number}");
        }
    })
    .await;
}
