//! Walking through the files of an index by name.

use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::simple::Yanked;
use cheeseshop_storage::database::{blobs, files};

use super::index;
use crate::support::{digest, for_each_database, new_file, publish};

#[tokio::test]
async fn files_of_an_index_are_walked_by_name_in_any_steps() {
    for_each_database(async |test| {
        let database = test.open().await;
        let (dev, other) = (
            index(&database, "bob/dev").await,
            index(&database, "bob/other").await,
        );
        let mut number = 0;
        for (place, project, version) in [
            (&dev, "b", "1.0"),
            (&dev, "B.x", "1.0"),
            (&dev, "a", "2.0"),
            (&dev, "a", "10.0"),
            (&other, "aa", "1.0"),
        ] {
            number += 1;
            let (place, sha256) = (place.clone(), digest(number));
            write!(&database, |tx| publish(
                tx, &place, project, version, sha256
            )
            .await);
        }
        // Two projects of an index may have files of one name.
        for project in ["c", "d"] {
            number += 1;
            let (place, sha256) = (dev.clone(), digest(number));
            write!(&database, |tx| {
                let (project, release, _) = publish(tx, &place, project, "1.0", sha256).await?;
                let mut new = new_file(tx, &project, &release, sha256);
                new.name = FileName::parse("same.zip").unwrap();
                new.yanked = Yanked::Yes(Some("why".to_owned()));
                new.core_metadata = Some(sha256);
                blobs::register(tx, sha256, 10).await?;
                files::insert(tx, new).await
            });
        }
        let mut reader = database.reader().await.unwrap();
        for limit in [1, 2, 3, 100] {
            let mut walked = Vec::new();
            let mut after = None;
            loop {
                let step = files::list_links_after(
                    &mut reader,
                    dev.id,
                    after.as_ref().map(|(name, id)| (name, *id)),
                    limit,
                )
                .await
                .unwrap();
                assert!(step.len() <= limit);
                let Some(last) = step.last() else { break };
                after = Some((last.name.clone(), last.id));
                walked.extend(step);
            }
            let names: Vec<(&str, &str)> = walked
                .iter()
                .map(|link| (link.name.as_str(), link.project.as_str()))
                .collect();
            // By bytes, whatever the database's language is.
            assert_eq!(
                names,
                [
                    ("a-10.0.tar.gz", "a"),
                    ("a-2.0.tar.gz", "a"),
                    ("b-1.0.tar.gz", "b"),
                    ("b-x-1.0.tar.gz", "b-x"),
                    ("c-1.0.tar.gz", "c"),
                    ("d-1.0.tar.gz", "d"),
                    ("same.zip", "c"),
                    ("same.zip", "d"),
                ]
            );
            let last = walked.last().unwrap();
            assert_eq!(last.version.as_str(), "1.0");
            assert_eq!(last.sha256, digest(number));
            assert_eq!(last.core_metadata, Some(digest(number)));
            assert_eq!(last.yanked, Yanked::Yes(Some("why".to_owned())));
            assert_eq!(last.requires_python.as_deref(), Some(">=3.8"));
        }
    })
    .await;
}
