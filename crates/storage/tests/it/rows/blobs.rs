//! Rows of blobs, and which of them are garbage.

use cheeseshop_packaging::hash::Sha256;
use cheeseshop_storage::database::{blobs, mirrors};

use super::index;
use super::mirrors::mirror_file;
use crate::support::{digest, for_each_database, publish};

#[tokio::test]
async fn unreferenced_blobs_are_found_and_removed() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let id = dev.id;
        write!(&database, |tx| {
            for number in 0..10 {
                blobs::register(tx, digest(number), number).await?;
            }
            // Twice is once, and the first size stands.
            blobs::register(tx, digest(3), 333).await?;
            publish(tx, &dev, "pkg", "1.0", digest(1)).await?;
            mirrors::save_file(tx, dev.id, &mirror_file("pkg-1.whl", digest(2))).await?;
            mirrors::save_core_metadata(tx, dev.id, "pkg", "other.whl", digest(4)).await
        });
        let mut reader = database.reader().await.unwrap();
        assert_eq!(blobs::find(&mut reader, &digest(3)).await.unwrap(), Some(3));
        assert_eq!(blobs::find(&mut reader, &digest(99)).await.unwrap(), None);
        let all: Vec<Sha256> = (0..12).map(digest).collect();
        let mut registered = blobs::list_registered(&mut reader, &all).await.unwrap();
        registered.sort();
        assert_eq!(registered, all[..10]);
        let mut referenced = blobs::list_referenced(&mut reader, &all).await.unwrap();
        referenced.sort();
        assert_eq!(referenced, [digest(1), digest(2), digest(4)]);

        let every = all.clone();
        let mut removed = write!(&database, |tx| blobs::remove(tx, &all).await);
        removed.sort();
        assert_eq!(removed, [0, 3, 5, 6, 7, 8, 9].map(digest));
        // What only a mirror kept becomes garbage with it.
        write!(&database, |tx| mirrors::clear(tx, id).await);
        let mut removed = write!(&database, |tx| blobs::remove(tx, &every).await);
        removed.sort();
        assert_eq!(removed, [digest(2), digest(4)]);
    })
    .await;
}
