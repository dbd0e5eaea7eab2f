//! Two nodes on one PostgreSQL and one S3 store are one index.

use cheeseshop_test_support::{Wheel, postgres, s3};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Home, Server, in_bucket_and_database};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_acknowledges_the_other_serves() {
    let database = postgres().await;
    let bucket = s3().await;
    let homes = [Home::new(), Home::new()];
    let arguments = in_bucket_and_database(&homes[0], &bucket, database.url.as_str());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let one = Server::start(&homes[0], &arguments);
    let two = Server::start(&homes[1], &arguments);
    assert!(one.root_password.is_some());
    assert_eq!(two.root_password, None, "there is one `root`");

    let bob = one.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let other = Api::login(&two.url, "bob", "pw").await;
    for number in 0..20 {
        // The page of the other node is hot when the file arrives.
        assert_eq!(other.files("bob/dev", "shared").await.len(), number);
        let wheel = Wheel::named("shared")
            .version(&format!("1.{number}"))
            .build();
        bob.upload("bob/dev", &wheel).await;
        let listed = other.files("bob/dev", "shared").await;
        let file = listed
            .iter()
            .find(|file| file.name == wheel.name)
            .unwrap_or_else(|| panic!("{} was acknowledged and is not listed", wheel.name));
        assert_eq!(other.digest_of(&file.url).await, wheel.sha256);
    }

    // Also what goes, goes everywhere.
    let response = other
        .send(Method::DELETE, "bob/dev/shared", &Value::Null)
        .await;
    assert!(response.status().is_success());
    assert!(bob.files("bob/dev", "shared").await.is_empty());
    one.stop();
    two.stop();
}
