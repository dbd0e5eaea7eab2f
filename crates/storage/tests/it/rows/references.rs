//! Unique keys, references and cascades.

use cheeseshop_domain::{IndexId, ProjectId, ReleaseId, UserProfile};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::database::{
    blobs, files, indexes, mirrors, projects, releases, tombstones, users,
};

use super::mirrors::{listing, mirror_file};
use super::{index, user_name};
use crate::support::{create_index, digest, for_each_database, new_file, publish, time};

#[tokio::test]
async fn names_are_unique() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let error = write_error!(&database, |tx| {
            users::create(
                tx,
                &user_name("bob"),
                None,
                &UserProfile::default(),
                time(0),
            )
            .await
        });
        assert!(matches!(error, DatabaseError::AlreadyExists), "{error:?}");
        let error = write_error!(&database, |tx| create_index(tx, "bob/dev").await);
        assert!(matches!(error, DatabaseError::AlreadyExists), "{error:?}");
        index(&database, "eve/dev").await;
        let error = write_error!(&database, |tx| {
            publish(tx, &dev, "pkg", "1.0", digest(1)).await?;
            publish(tx, &dev, "pkg", "1.0", digest(2)).await
        });
        assert!(matches!(error, DatabaseError::AlreadyExists), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn ids_are_never_given_out_again() {
    for_each_database(async |test| {
        let database = test.open().await;
        let first = index(&database, "bob/dev").await;
        let id = first.id;
        write!(&database, |tx| indexes::remove(tx, id).await);
        assert!(index(&database, "bob/dev").await.id > first.id);
    })
    .await;
}

#[tokio::test]
async fn a_file_cannot_lack_its_blob() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let (project, release, _) = write!(&database, |tx| {
            publish(tx, &dev, "pkg", "1.0", digest(1)).await
        });
        let given = (project.clone(), release.clone());
        let error = write_error!(&database, |tx| {
            let mut new = new_file(tx, &given.0, &given.1, digest(99));
            new.name = FileName::parse("pkg-2.tar.gz").unwrap();
            files::insert(tx, new).await
        });
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
        let error = write_error!(&database, |tx| {
            let mut new = new_file(tx, &project, &release, digest(1));
            new.name = FileName::parse("pkg-2.tar.gz").unwrap();
            new.core_metadata = Some(digest(99));
            files::insert(tx, new).await
        });
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
        // Nor can a blob go that a file has.
        let removed = write!(&database, |tx| blobs::remove(tx, &[digest(1)]).await);
        assert!(removed.is_empty());
    })
    .await;
}

#[tokio::test]
async fn removing_takes_along_what_belongs_to_it() {
    for_each_database(async |test| {
        let database = test.open().await;
        let fill = async || {
            let dev = index(&database, "bob/dev").await;
            let given = dev.clone();
            let published = write!(&database, |tx| {
                tombstones::record(tx, given.id, "+f/abc/def/x.whl").await?;
                mirrors::save_listing(tx, given.id, "pkg", listing(b"page")).await?;
                mirrors::save_project_list(tx, given.id, listing(b"list")).await?;
                blobs::register(tx, digest(8), 1).await?;
                mirrors::save_file(tx, given.id, &mirror_file("pkg-1.whl", digest(8))).await?;
                mirrors::save_core_metadata(tx, given.id, "pkg", "pkg-1.whl", digest(8)).await?;
                publish(tx, &given, "pkg", "1.0", digest(1)).await
            });
            (dev, published)
        };
        let is_empty = async |index: IndexId, project: ProjectId, release: ReleaseId| {
            let reader = &mut database.reader().await.unwrap();
            projects::list_names(reader, index)
                .await
                .unwrap()
                .is_empty()
                && releases::list(reader, project).await.unwrap().is_empty()
                && files::list_for_project(reader, project)
                    .await
                    .unwrap()
                    .is_empty()
                && files::list_for_release(reader, release)
                    .await
                    .unwrap()
                    .is_empty()
        };
        let keeps_nothing = async |index: IndexId| {
            let reader = &mut database.reader().await.unwrap();
            mirrors::list_projects(reader, index)
                .await
                .unwrap()
                .is_empty()
                && mirrors::find_project_list(reader, index)
                    .await
                    .unwrap()
                    .is_none()
                && !tombstones::exists(reader, index, "+f/abc/def/x.whl")
                    .await
                    .unwrap()
        };

        let (dev, (project, release, _)) = fill().await;
        write!(&database, |tx| projects::remove(tx, project.id).await);
        assert!(is_empty(dev.id, project.id, release.id).await);
        assert!(
            !keeps_nothing(dev.id).await,
            "a project's removal leaves the rest alone"
        );
        write!(&database, |tx| indexes::remove(tx, dev.id).await);
        assert!(keeps_nothing(dev.id).await);

        let (dev, (project, release, _)) = fill().await;
        write!(&database, |tx| releases::remove(tx, release.id).await);
        let mut reader = database.reader().await.unwrap();
        let left = files::list_for_project(&mut reader, project.id)
            .await
            .unwrap();
        assert!(left.is_empty());
        assert_eq!(
            projects::list_names(&mut reader, dev.id).await.unwrap(),
            ["pkg"]
        );
        drop(reader);
        write!(&database, |tx| indexes::remove(tx, dev.id).await);

        let (dev, (project, release, _)) = fill().await;
        write!(&database, |tx| {
            let user = users::find(tx, "bob").await?.unwrap();
            users::remove(tx, user.id).await
        });
        assert!(is_empty(dev.id, project.id, release.id).await);
        assert!(keeps_nothing(dev.id).await);
        // Blobs stay: others may list them, and garbage collection finds those that nobody does.
        let mut reader = database.reader().await.unwrap();
        let both = [digest(1), digest(8)];
        let registered = blobs::list_registered(&mut reader, &both).await.unwrap();
        assert_eq!(registered.len(), 2);
        let referenced = blobs::list_referenced(&mut reader, &both).await.unwrap();
        assert_eq!(referenced, []);
    })
    .await;
}
