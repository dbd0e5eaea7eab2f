//! Pushes that are refused before anybody is asked.

use cheeseshop_app::settings::AllowedHosts;
use cheeseshop_domain::HeldToken;
use cheeseshop_domain::token::Limits;
use cheeseshop_test_support::Receiver;
use serde_json::json;

use super::{push, request, stocked};
use crate::support::{TestApp, anonymous, root, settings, told};

#[tokio::test]
async fn what_is_not_there_is_told_before_anybody_is_asked() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let fields = [(":action", "submit"), ("name", "mypkg"), ("version", "2.0")];
    test.send(&root(), &dev, &fields, None).await.unwrap();
    let head = test.head().await;
    for (more, expected) in [
        (
            json!({"version": "9.0"}),
            "invalid: there are no files for mypkg 9.0 on stage root/dev",
        ),
        (
            json!({"name": "other"}),
            "invalid: there are no files for other 1.0 on stage root/dev",
        ),
        (
            json!({"version": "2.0"}),
            "not found: no release/files found for mypkg 2.0",
        ),
        (
            json!({"only_docs": true}),
            "not found: no release/files found for mypkg 1.0",
        ),
    ] {
        let request = request(&receiver.url(), more);
        assert_eq!(told(push(&test, &root(), &dev, &request).await), expected);
    }
    assert!(receiver.forms().is_empty());
    assert_eq!(test.head().await, head, "nothing happened");
}

#[tokio::test]
async fn strangers_make_the_server_talk_to_nobody() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let request = request(&receiver.url(), json!({}));
    assert_eq!(
        told(push(&test, &anonymous(), &dev, &request).await),
        "unauthenticated: pushing to another server needs a login"
    );
    // Whoever has said who they are needs no more than to read the release.
    let bob = test.user("bob").await;
    assert!(push(&test, &bob, &dev, &request).await.unwrap().succeeded());
    // A token says whether it reads, also where everybody may.
    let limits = Limits::of(["allowed=upload"]).unwrap();
    let uploader = bob
        .clone()
        .with_token(HeldToken::new("k3JxWq8T".into(), limits.into()));
    assert_eq!(
        told(push(&test, &uploader, &dev, &request).await),
        format!("forbidden: no permission to push from {dev} to another server")
    );
    let secret = test
        .index("root/secret", json!({"acl_read": ["root"]}))
        .await;
    assert_eq!(
        told(push(&test, &bob, &secret, &request).await),
        "not found: The stage root/secret could not be found."
    );
}

#[tokio::test]
async fn the_operator_says_which_servers_may_be_pushed_to() {
    let receiver = Receiver::start().await;
    for (allowed, expected) in [
        (vec!["127.0.0.1".to_owned()], true),
        (vec![receiver.host()], true),
        (vec!["*".to_owned()], true),
        (vec!["up.test".to_owned(), "127.0.0.1:1".to_owned()], false),
        (vec![], false),
    ] {
        let mut settings = settings();
        settings.push.allowed_hosts = AllowedHosts::parse(&allowed).unwrap();
        let test = TestApp::with(settings).await;
        let (dev, _) = stocked(&test).await;
        let before = receiver.forms().len();
        let result = push(&test, &root(), &dev, &request(&receiver.url(), json!({}))).await;
        if expected {
            assert!(result.unwrap().succeeded(), "{allowed:?}");
        } else {
            let refusal = format!(
                "forbidden: this server does not push to {} (push.allowed_hosts)",
                receiver.host()
            );
            assert_eq!(told(result), refusal);
            assert_eq!(receiver.forms().len(), before);
        }
    }
}
