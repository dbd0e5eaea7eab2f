//! Yanking and taking it back.

use cheeseshop_app::yank::YankTarget;
use cheeseshop_domain::Caller;
use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::{Value, json};

use crate::support::{TestApp, anonymous, caller, project, root, told};

fn release(version: &str) -> YankTarget {
    YankTarget::Release(version.to_owned())
}

#[tokio::test]
async fn a_yank_shows_on_the_page_until_it_is_taken_back() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({"volatile": false})).await;
        let (wheel, sdist) = (Wheel::named("mypkg").build(), Sdist::named("mypkg").build());
        let newer = Wheel::named("mypkg").version("2.0").build();
        for file in [&wheel, &sdist, &newer] {
            test.upload(&root(), &dev, file).await.unwrap();
        }
        let name = project("mypkg");
        let yanked = async || -> Vec<Value> {
            let page = test.page(&root(), &dev, "mypkg").await.unwrap();
            let files = page["files"].as_array().unwrap();
            files.iter().map(|file| file["yanked"].clone()).collect()
        };
        assert_eq!(yanked().await, [json!(false), json!(false), json!(false)]);

        let head = test.head().await;
        let changed = test
            .app
            .yank(&root(), &dev, &name, &release("1.0"), Some("broken"))
            .await;
        assert_eq!(changed.unwrap(), 2);
        assert_eq!(
            test.events_since(head).await,
            ["file_yanked root/dev/mypkg", "file_yanked root/dev/mypkg"]
        );
        assert_eq!(
            yanked().await,
            [json!("broken"), json!("broken"), json!(false)]
        );

        let head = test.head().await;
        let changed = test
            .app
            .yank(&root(), &dev, &name, &release("1.0"), Some("broken"))
            .await;
        assert_eq!(changed.unwrap(), 0);
        assert_eq!(test.head().await, head, "the same again");

        let file = YankTarget::File(wheel.name.clone());
        assert_eq!(
            test.app
                .yank(&root(), &dev, &name, &file, None)
                .await
                .unwrap(),
            1
        );
        assert_eq!(yanked().await, [json!(true), json!("broken"), json!(false)]);
        assert_eq!(
            test.app.unyank(&root(), &dev, &name, &file).await.unwrap(),
            1
        );
        assert_eq!(
            yanked().await,
            [json!(false), json!("broken"), json!(false)]
        );
        assert_eq!(
            test.app
                .unyank(&root(), &dev, &name, &release("1.0"))
                .await
                .unwrap(),
            1
        );
        assert_eq!(yanked().await, [json!(false), json!(false), json!(false)]);
    }
}

#[tokio::test]
async fn who_may_yank() {
    let test = TestApp::start().await;
    for user in ["bob", "eve", "uploader"] {
        test.user(user).await;
    }
    let dev = test
        .index("bob/dev", json!({"acl_upload": ["uploader"]}))
        .await;
    let wheel = Wheel::named("mypkg").build();
    test.upload(&caller("uploader"), &dev, &wheel)
        .await
        .unwrap();
    let cases: [(Caller, bool); 5] = [
        (anonymous(), false),
        (caller("eve"), false),
        (caller("uploader"), true),
        (caller("bob"), true),
        (root(), true),
    ];
    for (who, allowed) in cases {
        let name = project("mypkg");
        let yanked = test
            .app
            .yank(&who, &dev, &name, &release("1.0"), None)
            .await;
        let back = test.app.unyank(&who, &dev, &name, &release("1.0")).await;
        for answer in [told(yanked), told(back)] {
            assert_eq!(answer == "ok", allowed, "{who:?}: {answer}");
            let refusal = if who.is_anonymous() {
                "unauthenticated: no permission to yank files of index bob/dev"
            } else {
                "forbidden: Access was denied"
            };
            assert!(allowed || answer.starts_with(refusal), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_yanked() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let mirror = json!({"type": "mirror", "mirror_url": "http://localhost:9/"});
    let mirror = test.index("root/up", mirror).await;
    test.upload(&root(), &dev, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    let file = YankTarget::File("mypkg-9.0.zip".to_owned());
    let long = "x".repeat(1001);
    for (index, name, target, reason, expected) in [
        (
            &dev,
            "other",
            release("1.0"),
            None,
            "not found: The project other does not exist.",
        ),
        (
            &dev,
            "mypkg",
            release("9.0"),
            None,
            "not found: The version 9.0 of project mypkg does not exist.",
        ),
        (
            &dev,
            "mypkg",
            file,
            None,
            "not found: project mypkg has no file 'mypkg-9.0.zip'",
        ),
        (
            &dev,
            "mypkg",
            release("1.0"),
            Some("two\nlines"),
            "invalid: a reason is one line of at most 1000 bytes",
        ),
        (
            &dev,
            "mypkg",
            release("1.0"),
            Some(long.as_str()),
            "invalid: a reason is one line of at most 1000 bytes",
        ),
        (
            &mirror,
            "mypkg",
            release("1.0"),
            None,
            "read only: index root/up is a mirror; its files are yanked upstream",
        ),
    ] {
        let answer = test
            .app
            .yank(&root(), index, &project(name), &target, reason)
            .await;
        assert_eq!(told(answer), expected);
    }
}

#[tokio::test]
async fn names_that_nothing_can_have_are_not_found() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({})).await;
        let wheel = Wheel::named("mypkg").build();
        test.upload(&root(), &dev, &wheel).await.unwrap();
        for target in [release("1.0\0"), YankTarget::File("my\0pkg.whl".to_owned())] {
            let refused = test
                .app
                .yank(&root(), &dev, &project("mypkg"), &target, None)
                .await;
            assert!(
                matches!(refused, Err(cheeseshop_app::Error::NotFound(_))),
                "{refused:?}"
            );
        }
    }
}
