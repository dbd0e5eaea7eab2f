//! Real servers: they start, they are fresh, they end.

use std::process::Command;

use cheeseshop_test_support::{durable_postgres, postgres, s3};

/// Runs a statement with whatever psql the machine has.
fn psql(url: &str, statement: &str) -> (bool, String) {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "-tA", "-c", statement, url])
        .output()
        .expect("psql is missing; install it: apt-get install -y postgresql");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success(), text)
}

#[tokio::test]
async fn every_database_is_a_fresh_one() {
    let (first, second) = (postgres().await, postgres().await);
    assert_ne!(first.url, second.url);
    assert!(psql(&first.url, "CREATE TABLE t (n int)").0);
    assert!(!psql(&second.url, "SELECT * FROM t").0);
}

#[tokio::test]
async fn a_durable_server_keeps_what_it_acknowledged_through_a_crash() {
    let mut server = durable_postgres().await;
    assert_eq!(psql(&server.url, "SHOW fsync").1, "on");
    let insert = "CREATE TABLE t (n int); INSERT INTO t VALUES (42)";
    assert!(psql(&server.url, insert).0);
    server.kill().await;
    assert!(!psql(&server.url, "SELECT 1").0);
    server.start().await;
    assert_eq!(psql(&server.url, "SELECT n FROM t").1, "42");
    server.stop().await;
    server.start().await;
    assert_eq!(psql(&server.url, "SELECT n FROM t").1, "42");
}

#[tokio::test]
async fn every_bucket_is_a_fresh_one() {
    let (first, second) = (s3().await, s3().await);
    assert_eq!(first.endpoint, second.endpoint);
    assert_ne!(first.bucket, second.bucket);
}
