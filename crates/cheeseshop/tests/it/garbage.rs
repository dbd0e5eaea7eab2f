//! `cheeseshop gc`: only what nobody refers to goes.

use cheeseshop_test_support::Wheel;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Home, Server};

#[tokio::test]
async fn bytes_of_removed_files_go_and_others_stay() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let kept = Wheel::named("kept").build();
    let removed = Wheel::named("removed").build();
    bob.upload("bob/dev", &kept).await;
    bob.upload("bob/dev", &removed).await;
    let response = bob
        .send(Method::DELETE, "bob/dev/removed", &Value::Null)
        .await;
    assert!(response.status().is_success());

    // A wheel is kept together with the core metadata that is served beside it.
    let size = removed.bytes.len() + removed.metadata.len();
    for (arguments, expected) in [
        (
            &["gc"][..],
            "4 blobs examined, 0 removed (0 bytes), 2 too young to tell".to_owned(),
        ),
        (
            &["gc", "--dry-run", "--older-than", "0s"][..],
            format!("4 blobs examined, 2 would be removed ({size} bytes), 0 too young to tell"),
        ),
        (
            &["gc", "--older-than", "0s"][..],
            format!("4 blobs examined, 2 removed ({size} bytes), 0 too young to tell"),
        ),
        (
            &["gc", "--older-than", "0s"][..],
            "2 blobs examined, 0 removed (0 bytes), 0 too young to tell".to_owned(),
        ),
    ] {
        let output = home.run(arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(output.stdout.trim(), expected);
        assert_eq!(output.stderr, "", "the summary is told once");
    }
    let listed = bob.files("bob/dev", "kept").await;
    assert_eq!(bob.digest_of(&listed[0].url).await, kept.sha256);
}

#[test]
fn a_wrong_age_is_told() {
    let output = Home::new().run(&["gc", "--older-than", "soon"]);
    assert_eq!(output.code, Some(2));
    assert!(
        output
            .stderr
            .starts_with("error: --older-than: `soon` is not a time such as"),
        "{output:?}"
    );
}
