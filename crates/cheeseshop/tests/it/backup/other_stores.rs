//! PostgreSQL and S3: what is backed up, by whom, and what is said of the rest.

use cheeseshop_test_support::{postgres, s3};

use super::{assert_served, create, json_of, path_of, restore, stocked, target, verify};
use crate::support::{Home, Server, finish, in_bucket};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_database_is_dumped_and_restored() {
    let database = postgres().await;
    let home = Home::new();
    let argument = format!("--database-url={}", database.url);
    let (server, bob, files) = stocked(&home, &[&argument], 2).await;
    let created = create(&home, &[&argument]);
    assert_eq!(created["manifest"]["database"]["kind"], "postgresql");
    let backup = path_of(&created);
    verify(&home, &backup);
    // What comes later is not in it.
    bob.upload("bob/dev", &super::wheel(50)).await;
    server.stop();

    let fresh = Home::new();
    let path = backup.to_str().unwrap();
    let output = fresh.run(&["backup", "restore", path]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output
            .stderr
            .contains("the backup is of a PostgreSQL database, and the settings name"),
        "{output:?}"
    );
    // Over something else it is not restored either.
    let output = fresh.run(&["backup", "restore", path, &argument]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("already exists"), "{output:?}");

    let fresh = Home::new();
    let empty = postgres().await;
    let argument = format!("--database-url={}", empty.url);
    let output = fresh.run(&["backup", "restore", "--json", path, &argument]);
    json_of(&output, 0);
    // One that was ended after the database, and before its last step, goes on.
    let mark = fresh.data_dir().join("restoring");
    std::fs::write(&mark, "").unwrap();
    let output = fresh.run(&["backup", "restore", "--json", path, &argument]);
    json_of(&output, 0);
    assert!(!mark.exists());
    let output = fresh.run(&["audit", "verify", &argument]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let server = Server::start(&fresh, &[&argument]);
    let listed = server.anonymous().files("bob/dev", "pkg").await;
    assert_eq!(listed.len(), 2);
    assert_served(&server.anonymous(), &files).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pg_dump_it_is_said_what_to_do() {
    let database = postgres().await;
    let home = Home::new();
    let argument = format!("--database-url={}", database.url);
    let target = target(&home);
    let mut command = home.cheeseshop(&["backup", "create", target.to_str().unwrap(), &argument]);
    command.env("PATH", home.path());
    let output = finish(command, "");
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("`pg_dump` is not there"),
        "{output:?}"
    );
    assert!(output.stderr.contains("postgresql-client"), "{output:?}");
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_in_s3_are_listed_or_fetched() {
    let bucket = s3().await;
    let home = Home::new();
    let arguments = in_bucket(&home, &bucket);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (server, _bob, files) = stocked(&home, &arguments, 2).await;

    let listed = create(&home, &arguments);
    assert_eq!(listed["manifest"]["blobs"]["included"], false);
    assert_eq!(listed["manifest"]["blobs"]["count"], 4);
    let listed = path_of(&listed);
    assert!(!listed.join("blobs").exists());
    verify(&home, &listed);
    let fetched = create(
        &home,
        &[&arguments[..], &["--include-remote-blobs"]].concat(),
    );
    let fetched = path_of(&fetched);
    assert_eq!(verify(&home, &fetched)["blobs"], 4);
    server.stop();

    // The list alone does not make a store, but the bucket is one.
    let fresh = Home::new();
    let output = fresh.run(&["backup", "restore", listed.to_str().unwrap()]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("the backup is without blobs"),
        "{output:?}"
    );
    let mut restore_there = vec!["backup", "restore", listed.to_str().unwrap()];
    restore_there.extend(&arguments);
    let output = fresh.run(&restore_there);
    assert_eq!(output.code, Some(0), "{output:?}");
    let server = Server::start(&fresh, &arguments);
    assert_served(&server.anonymous(), &files).await;
    server.stop();

    // With the bytes in it, it goes into a directory just as well.
    let fresh = Home::new();
    restore(&fresh, &fetched);
    let server = Server::start(&fresh, &[]);
    assert_served(&server.anonymous(), &files).await;
    server.stop();
}
