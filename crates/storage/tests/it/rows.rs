//! Each noun's rows: round trips, unique keys, references, cascades.

use cheeseshop_domain::{
    FileId, FilePath, Index, IndexId, IndexName, LogEntry, ProjectId, ReleaseId, User, UserId,
    UserName, UserProfile,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::simple::{ProjectStatus, Status, Yanked};
use cheeseshop_storage::database::{
    blobs, files, indexes, mirrors, projects, releases, settings, tombstones, users,
};
use cheeseshop_storage::{Database, DatabaseError};
use serde_json::json;

use crate::support::{
    Write, config, create_index, digest, for_each_database, metadata, new_file, project_name,
    publish, time, version, write,
};

/// Runs a write whose value matters and whose success is expected.
macro_rules! write {
    ($database:expr, |$tx:ident| $work:expr) => {{
        let written: Write<_> = write($database, move |$tx| Box::pin(async move { $work })).await;
        written.unwrap().value
    }};
}

/// As `write!`, where failure is expected.
macro_rules! write_error {
    ($database:expr, |$tx:ident| $work:expr) => {{
        let written: Write<_> = write($database, move |$tx| {
            Box::pin(async move { $work.map(|_| ()) })
        })
        .await;
        written.unwrap_err()
    }};
}

async fn index(database: &Database, name: &'static str) -> Index {
    write!(database, |tx| create_index(tx, name).await)
}

fn user_name(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

#[tokio::test]
async fn users_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let profile = UserProfile {
            email: Some(json!("bob@example.test")),
            title: None,
            description: Some(json!("with \"quotes\" and ü")),
            custom_data: Some(json!({"a": [1, null]})),
        };
        let given = profile.clone();
        let bob = write!(&database, |tx| {
            users::create(tx, &user_name("bob"), Some("$argon2id$x"), &given, time(5)).await
        });
        assert_eq!(
            bob,
            User {
                id: bob.id,
                name: user_name("bob"),
                password_hash: Some("$argon2id$x".to_owned()),
                profile,
                created: time(5),
                modified: None,
            }
        );
        let anna = write!(&database, |tx| {
            users::create(
                tx,
                &user_name("anna"),
                None,
                &UserProfile::default(),
                time(6),
            )
            .await
        });
        let mut reader = database.reader().await.unwrap();
        assert_eq!(
            users::find(&mut reader, "bob").await.unwrap(),
            Some(bob.clone())
        );
        assert_eq!(users::find(&mut reader, "Bob").await.unwrap(), None);
        assert_eq!(users::list(&mut reader).await.unwrap(), [anna, bob.clone()]);

        let changed = User {
            password_hash: None,
            profile: UserProfile::default(),
            modified: Some(time(9)),
            ..bob
        };
        let given = changed.clone();
        write!(&database, |tx| users::update(tx, &given).await);
        let mut reader = database.reader().await.unwrap();
        assert_eq!(
            users::find(&mut reader, "bob").await.unwrap(),
            Some(changed.clone())
        );

        assert!(write!(&database, |tx| users::remove(tx, changed.id).await));
        assert!(!write!(&database, |tx| users::remove(tx, changed.id).await));
        let error = write_error!(&database, |tx| users::update(tx, &changed).await);
        assert!(matches!(error, DatabaseError::NotFound));
    })
    .await;
}

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
        assert!(error.is_already_exists(), "{error:?}");
        let error = write_error!(&database, |tx| create_index(tx, "bob/dev").await);
        assert!(error.is_already_exists(), "{error:?}");
        index(&database, "eve/dev").await;
        let error = write_error!(&database, |tx| {
            publish(tx, &dev, "pkg", "1.0", digest(1)).await?;
            publish(tx, &dev, "pkg", "1.0", digest(2)).await
        });
        assert!(error.is_already_exists(), "{error:?}");
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
async fn indexes_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let staging = index(&database, "bob/staging").await;
        let dev = index(&database, "bob/dev").await;
        let other = index(&database, "anna/dev").await;
        let mut reader = database.reader().await.unwrap();
        let found = indexes::find(&mut reader, &dev.name).await.unwrap();
        assert_eq!(found, Some(dev.clone()));
        let absent = IndexName::parse("bob/none").unwrap();
        assert_eq!(indexes::find(&mut reader, &absent).await.unwrap(), None);
        let all = indexes::list(&mut reader).await.unwrap();
        assert_eq!(all, [other, dev.clone(), staging]);

        let mut changed = dev.clone();
        changed.config.volatile = !changed.config.volatile;
        let (id, new) = (dev.id, changed.config.clone());
        write!(&database, |tx| indexes::update(tx, id, &new).await);
        let mut reader = database.reader().await.unwrap();
        let found = indexes::find(&mut reader, &dev.name).await.unwrap();
        assert_eq!(found, Some(changed));

        assert!(write!(&database, |tx| indexes::remove(tx, id).await));
        assert!(!write!(&database, |tx| indexes::remove(tx, id).await));
        let error = write_error!(&database, |tx| {
            indexes::update(tx, id, &config(&user_name("bob"))).await
        });
        assert!(matches!(error, DatabaseError::NotFound));
        let error = write_error!(&database, |tx| {
            let name = IndexName::parse("nobody/dev").unwrap();
            indexes::create(tx, UserId(999), &name, &config(&name.user), time(0)).await
        });
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn projects_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await.id;
        let staging = index(&database, "bob/staging").await.id;
        let (project, created) = write!(&database, |tx| {
            projects::find_or_create(tx, dev, &project_name("My.Project")).await
        });
        assert!(created);
        let (again, created) = write!(&database, |tx| {
            projects::find_or_create(tx, dev, &project_name("my_project")).await
        });
        assert!(!created);
        assert_eq!(again.id, project.id);
        assert_eq!(again.name.written(), "my_project");
        for name in ["zebra", "Alpha", "a-b", "a.c", "m"] {
            write!(&database, |tx| projects::find_or_create(
                tx,
                dev,
                &project_name(name)
            )
            .await);
        }
        write!(&database, |tx| projects::find_or_create(
            tx,
            staging,
            &project_name("m")
        )
        .await);

        let mut reader = database.reader().await.unwrap();
        let found = projects::find(&mut reader, dev, "my-project")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found, again);
        assert_eq!(found.name.written(), "my_project");
        assert_eq!(
            projects::find(&mut reader, staging, "my-project")
                .await
                .unwrap(),
            None
        );
        let sorted = ["a-b", "a-c", "alpha", "m", "my-project", "zebra"];
        assert_eq!(
            projects::list_names(&mut reader, dev).await.unwrap(),
            sorted
        );
        let listed = projects::list(&mut reader, dev).await.unwrap();
        let listed: Vec<&str> = listed
            .iter()
            .map(|project| project.name.normalized())
            .collect();
        assert_eq!(listed, sorted);
        let page = projects::list_names_after(&mut reader, dev, "a-c", 2)
            .await
            .unwrap();
        assert_eq!(page, ["alpha", "m"]);
        let none = IndexId(999);
        let holding = projects::holding(&mut reader, &[staging, none, dev], "m")
            .await
            .unwrap();
        assert_eq!(holding, [staging, dev]);
        let holding = projects::holding(&mut reader, &[staging, dev], "zebra")
            .await
            .unwrap();
        assert_eq!(holding, [dev]);
        assert!(
            projects::find_in(&mut reader, &[], "m")
                .await
                .unwrap()
                .is_empty()
        );

        let status = ProjectStatus {
            status: Status::Deprecated,
            reason: Some("use another".to_owned()),
        };
        let given = status.clone();
        let id = project.id;
        assert!(write!(&database, |tx| projects::set_status(
            tx,
            id,
            Some(&given)
        )
        .await));
        let mut reader = database.reader().await.unwrap();
        let found = projects::find(&mut reader, dev, "my-project")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.status, Some(status));
        assert!(write!(&database, |tx| projects::set_status(tx, id, None).await));
        assert!(write!(&database, |tx| projects::remove(tx, id).await));
        assert!(!write!(&database, |tx| projects::remove(tx, id).await));
        assert!(!write!(&database, |tx| projects::set_status(tx, id, None).await));
    })
    .await;
}

#[tokio::test]
async fn releases_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await.id;
        let (project, _) = write!(&database, |tx| {
            projects::find_or_create(tx, dev, &project_name("pkg")).await
        });
        let project = project.id;
        let save = async |text: &'static str, summary: &'static str| {
            write!(&database, |tx| {
                releases::save(tx, project, &version(text), &metadata(summary)).await
            })
        };
        let first = save("1.0", "first").await;
        assert_eq!(first.created, time(1_700_000_000));
        // Another release: versions are compared by their text.
        let longer = save("1.0.0", "longer").await;
        assert_ne!(first.id, longer.id);
        test.clock.set(time(1_700_000_100));
        let updated = save("1.0", "updated").await;
        assert_eq!((updated.id, updated.created), (first.id, first.created));
        let mut reader = database.reader().await.unwrap();
        let found = releases::find(&mut reader, project, "1.0").await.unwrap();
        assert_eq!(found, Some(updated.clone()));
        let keys: Vec<&String> = updated.metadata.keys().collect();
        assert_eq!(keys, ["name", "summary"], "the order of keys stays");
        assert_eq!(
            releases::find(&mut reader, project, "1").await.unwrap(),
            None
        );
        let all = releases::list(&mut reader, project).await.unwrap();
        assert_eq!(all, [updated.clone(), longer]);
        let versions = releases::list_versions(&mut reader, project).await.unwrap();
        assert_eq!(versions, [version("1.0"), version("1.0.0")]);
        assert!(write!(&database, |tx| releases::remove(tx, updated.id).await));
        assert!(!write!(&database, |tx| releases::remove(tx, updated.id).await));
    })
    .await;
}

#[tokio::test]
async fn files_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await;
        let given = dev.clone();
        let (project, release, plain) = write!(&database, |tx| {
            publish(tx, &given, "My.Pkg", "1.0", digest(1)).await
        });
        let (index_name, given) = (dev.name.clone(), (project.clone(), release.clone()));
        let full = write!(&database, |tx| {
            let (project, release) = given;
            let mut new = new_file(tx, &project, &release, digest(2));
            new.name = FileName::parse("my_pkg-1.0-py3-none-any.whl").unwrap();
            new.yanked = Yanked::Yes(Some("broken".to_owned()));
            new.core_metadata = Some(digest(3));
            new.requires_python = None;
            let upload = LogEntry::upload(Some(&index_name.user), time(7), &index_name);
            new.log = LogEntry::after_overwrite(&[], upload);
            blobs::register(tx, digest(2), 10).await?;
            blobs::register(tx, digest(3), 10).await?;
            files::insert(tx, new).await
        });
        let mut reader = database.reader().await.unwrap();
        let listed = files::list_for_project(&mut reader, project.id)
            .await
            .unwrap();
        assert_eq!(listed, [plain.clone(), full.clone()]);
        assert_eq!(listed[0].size, 5_000_000_000);
        assert_eq!(listed[1].log.len(), 2);
        let listed = files::list_for_release(&mut reader, release.id)
            .await
            .unwrap();
        assert_eq!(listed.len(), 2);
        let name = full.name.as_str();
        let found = files::find(&mut reader, project.id, name).await.unwrap();
        assert_eq!(found, Some(full.clone()));

        let path = |sha256: &Sha256| FilePath::of_sha256(sha256, full.name.clone());
        let found = files::find_by_path(&mut reader, dev.id, &path(&full.sha256))
            .await
            .unwrap();
        let (file, name) = found.unwrap();
        assert_eq!((file, name.written()), (full.clone(), "My.Pkg"));
        let wrong = path(&digest(9 << 56));
        assert_eq!(
            files::find_by_path(&mut reader, dev.id, &wrong)
                .await
                .unwrap(),
            None
        );
        let elsewhere = IndexId(999);
        let found = files::find_by_path(&mut reader, elsewhere, &path(&full.sha256)).await;
        assert_eq!(found.unwrap(), None);

        let id = full.id;
        for yanked in [
            Yanked::No,
            Yanked::Yes(None),
            Yanked::Yes(Some("why".to_owned())),
        ] {
            let given = yanked.clone();
            assert!(write!(&database, |tx| files::set_yanked(tx, id, &given).await));
            let mut reader = database.reader().await.unwrap();
            let found = files::find(&mut reader, project.id, full.name.as_str())
                .await
                .unwrap();
            assert_eq!(found.unwrap().yanked, yanked);
        }

        let given = (project.clone(), release.clone());
        let replaced = write!(&database, |tx| {
            let (project, release) = given;
            let new = new_file(tx, &project, &release, digest(4));
            blobs::register(tx, digest(4), 10).await?;
            files::replace(tx, plain.id, new).await
        });
        assert_eq!(replaced.id, plain.id);
        let mut reader = database.reader().await.unwrap();
        let name = replaced.name.as_str();
        let found = files::find(&mut reader, project.id, name).await.unwrap();
        assert_eq!(found, Some(replaced.clone()));
        assert!(write!(&database, |tx| files::remove(tx, replaced.id).await));
        assert!(!write!(&database, |tx| files::remove(tx, replaced.id).await));
        let error = write_error!(&database, |tx| {
            let new = new_file(tx, &project, &release, digest(4));
            files::replace(tx, FileId(999), new).await
        });
        assert!(matches!(error, DatabaseError::NotFound));
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
        assert_eq!(blobs::totals(&mut reader).await.unwrap().count, 2);
        let garbage = blobs::list_unreferenced(&mut reader, 10, None)
            .await
            .unwrap();
        assert_eq!(garbage.len(), 2);
    })
    .await;
}

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
        let totals = blobs::totals(&mut reader).await.unwrap();
        assert_eq!((totals.count, totals.bytes), (10, 45));
        assert_eq!(blobs::find(&mut reader, &digest(3)).await.unwrap(), Some(3));
        assert_eq!(blobs::find(&mut reader, &digest(99)).await.unwrap(), None);
        let all: Vec<Sha256> = (0..12).map(digest).collect();
        let mut registered = blobs::list_registered(&mut reader, &all).await.unwrap();
        registered.sort();
        assert_eq!(registered, all[..10]);
        let mut referenced = blobs::list_referenced(&mut reader, &all).await.unwrap();
        referenced.sort();
        assert_eq!(referenced, [digest(1), digest(2), digest(4)]);

        let mut garbage = Vec::new();
        while let page =
            blobs::list_unreferenced(&mut reader, 3, garbage.last().map(|(sha256, _)| *sha256))
                .await
                .unwrap()
            && !page.is_empty()
        {
            assert!(page.len() <= 3);
            garbage.extend(page);
        }
        let expected: Vec<_> = [0, 3, 5, 6, 7, 8, 9]
            .map(|number| (digest(number), number))
            .into();
        assert_eq!(garbage, expected);

        let mut removed = write!(&database, |tx| blobs::remove(tx, &all).await);
        removed.sort();
        assert_eq!(
            removed,
            expected
                .iter()
                .map(|(sha256, _)| *sha256)
                .collect::<Vec<_>>()
        );
        // What only a mirror kept becomes garbage with it.
        write!(&database, |tx| mirrors::clear(tx, id).await);
        let mut reader = database.reader().await.unwrap();
        let garbage = blobs::list_unreferenced(&mut reader, 10, None)
            .await
            .unwrap();
        assert_eq!(garbage, [(digest(2), 2), (digest(4), 4)]);
    })
    .await;
}

#[tokio::test]
async fn tombstones_are_remembered_per_index() {
    for_each_database(async |test| {
        let database = test.open().await;
        let dev = index(&database, "bob/dev").await.id;
        let staging = index(&database, "bob/staging").await.id;
        let path = "+f/abc/0123456789abc/pkg-1.0.tar.gz";
        for _ in 0..2 {
            write!(&database, |tx| tombstones::record(tx, dev, path).await);
        }
        let mut reader = database.reader().await.unwrap();
        assert!(tombstones::exists(&mut reader, dev, path).await.unwrap());
        assert!(
            !tombstones::exists(&mut reader, dev, "+f/abc/x")
                .await
                .unwrap()
        );
        assert!(
            !tombstones::exists(&mut reader, staging, path)
                .await
                .unwrap()
        );
    })
    .await;
}

fn listing(document: &[u8]) -> mirrors::StoredListing {
    mirrors::StoredListing {
        document: document.to_vec(),
        etag: Some("W/\"x\"".to_owned()),
        last_modified: None,
        last_serial: Some(42),
        fetched_at: time(3),
        source_url: "https://pypi.test/simple/pkg/".to_owned(),
    }
}

fn mirror_file(filename: &str, sha256: Sha256) -> mirrors::MirrorFile {
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
                mirrors::touch_project_list(tx, id, time(20)).await?,
                mirrors::touch_listing(tx, id, "x", time(20)).await?,
                mirrors::touch_project_list(tx, IndexId(999), time(20)).await?,
            ])
        });
        assert_eq!(touched, [true, true, false, false]);
        let expected = mirrors::StoredListing {
            fetched_at: time(20),
            ..second
        };
        let mut reader = database.reader().await.unwrap();
        let found = mirrors::find_listing(&mut reader, id, "pkg").await.unwrap();
        assert_eq!(found, Some(expected.clone()));
        let found = mirrors::find_project_list(&mut reader, id).await.unwrap();
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

#[tokio::test]
async fn settings_round_trip() {
    for_each_database(async |test| {
        let database = test.open().await;
        for value in ["first", "second", ""] {
            write!(&database, |tx| settings::set(tx, "key", value).await);
            let mut reader = database.reader().await.unwrap();
            assert_eq!(
                settings::get(&mut reader, "key").await.unwrap().as_deref(),
                Some(value)
            );
        }
        let mut reader = database.reader().await.unwrap();
        assert_eq!(settings::get(&mut reader, "other").await.unwrap(), None);
    })
    .await;
}
