//! Users, hosted indexes and what they hold: round trips.

use cheeseshop_domain::{
    FileId, FilePath, IndexId, IndexName, LogEntry, ProjectId, User, UserId, UserProfile,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::simple::{ProjectStatus, Status, Yanked};
use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::database::{
    blobs, files, indexes, projects, releases, settings, tombstones, users,
};
use serde_json::json;

use super::{index, user_name};
use crate::support::{
    config, digest, for_each_database, metadata, new_file, project_name, publish, time, version,
};

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
        let mut matching = Vec::new();
        let mut after = ProjectId(0);
        loop {
            let part = projects::list_matching(&mut reader, "m", after, 1).await;
            let Some((id, index, name)) = part.unwrap().pop() else {
                break;
            };
            after = id;
            matching.push((index, name));
        }
        let named = |name: &str, index| (index, name.to_owned());
        assert_eq!(
            matching,
            [
                named("my-project", dev),
                named("m", dev),
                named("m", staging)
            ]
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
