//! Indexes, as devpi's JSON API tells of them.

use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_storage::database::mirrors;
use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::{Value, json};

use crate::support::{TestApp, anonymous, caller, index, object, project, root, settings, told};

const DENIED: &str = "forbidden: Access was denied to this resource.\n\n\n\
                      Unauthorized: PyPIView failed permission check\n\n";

fn operations(items: &[&str]) -> IndexPatch {
    IndexPatch::Operations(items.iter().map(|item| (*item).to_owned()).collect())
}

async fn update(
    test: &TestApp,
    caller: &Caller,
    name: &IndexName,
    patch: &IndexPatch,
) -> Result<Value, cheeseshop_app::Error> {
    let index = test
        .app
        .update_index(caller, name, patch, NoChange::Accept)
        .await?;
    Ok(Value::Object(index.config.to_json()))
}

#[tokio::test]
async fn an_index_is_created_shown_changed_and_removed() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = index("bob/dev");
    let created = test
        .app
        .create_index(&bob, &dev, &object(json!({})))
        .await
        .unwrap();
    let defaults = json!({
        "type": "stage",
        "volatile": true,
        "bases": [],
        "acl_upload": ["bob"],
        "acl_toxresult_upload": [":ANONYMOUS:"],
        "mirror_whitelist": [],
        "mirror_whitelist_inheritance": "intersection",
    });
    assert_eq!(Value::Object(created.config.to_json()), defaults);
    let shown = test.app.index(&anonymous(), &dev).await.unwrap();
    assert_eq!(Value::Object(shown.config.to_json()), defaults);

    let changed = update(
        &test,
        &bob,
        &dev,
        &operations(&["title=Dev", "acl_upload+=eve"]),
    )
    .await
    .unwrap();
    assert_eq!(changed["title"], "Dev");
    assert_eq!(changed["acl_upload"], json!(["bob", "eve"]));
    let wrapped = IndexPatch::Object(object(
        json!({"type": "indexconfig", "result": {"volatile": false}}),
    ));
    let changed = update(&test, &bob, &dev, &wrapped).await.unwrap();
    assert_eq!(changed["volatile"], false);
    assert_eq!(changed["title"], "Dev");

    assert_eq!(
        told(test.app.remove_index(&bob, &dev).await),
        "forbidden: index bob/dev non-volatile, cannot delete"
    );
    update(&test, &bob, &dev, &operations(&["volatile=yes"]))
        .await
        .unwrap();
    test.app.remove_index(&bob, &dev).await.unwrap();
    assert_eq!(
        told(test.app.index(&bob, &dev).await),
        "not found: The stage bob/dev could not be found."
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_with_the_words_of_devpi() {
    let test = TestApp::start().await;
    test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    for (name, body, expected) in [
        ("bob/dev", json!({}), "conflict: index 'bob/dev' exists"),
        ("eve/dev", json!({}), "not found: no user 'eve'"),
        (
            "bob/x",
            json!({"type": "xx"}),
            "invalid: unknown index type 'xx'",
        ),
        (
            "bob/x",
            json!({"bases": ["root/none"]}),
            "invalid: base index 'root/none' does not exist",
        ),
        (
            "bob/x",
            json!({"bases": "foo"}),
            "invalid: invalid base index spec: 'foo'",
        ),
        (
            "bob/x",
            json!({"volatile": 1}),
            "invalid: Unknown boolean value '1'.",
        ),
    ] {
        let answer = test
            .app
            .create_index(&root(), &index(name), &object(body))
            .await;
        assert_eq!(told(answer), expected);
    }
    for (patch, expected) in [
        (
            operations(&["acl_upload-=eve"]),
            "invalid: The 'acl_upload' key doesn't have value 'eve'",
        ),
        (
            operations(&["volatile-="]),
            "invalid: Default values can't be removed.",
        ),
        (
            operations(&["type=mirror"]),
            "invalid: the 'type' of an index can't be changed",
        ),
        (
            operations(&["bases=bob/none"]),
            "invalid: base index 'bob/none' does not exist",
        ),
    ] {
        let told = told(update(&test, &root(), &dev, &patch).await);
        // devpi says setting or key, depending on its version.
        assert_eq!(told.replace("setting", "key"), expected);
    }
    let same = operations(&["volatile=true"]);
    assert_eq!(
        told(
            test.app
                .update_index(&root(), &dev, &same, NoChange::Refuse)
                .await
        ),
        "invalid: The requested modifications resulted in no changes"
    );
}

#[tokio::test]
async fn who_may_do_what_to_indexes() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let title = operations(&["title=x"]);
    for (who, caller, allowed) in [
        ("anonymous", anonymous(), false),
        ("another user", caller("eve"), false),
        ("the owner", caller("bob"), true),
        ("root", root(), true),
    ] {
        let name = index("bob/dev");
        let created = told(
            test.app
                .create_index(&caller, &name, &object(json!({})))
                .await,
        );
        if allowed {
            assert_eq!(created, "ok", "{who}");
            assert_eq!(
                told(update(&test, &caller, &name, &title).await),
                "ok",
                "{who}"
            );
            assert_eq!(
                told(test.app.remove_index(&caller, &name).await),
                "ok",
                "{who}"
            );
            // To those who could change it, an absent index is absent; others learn nothing.
            let absent = "not found: The stage bob/dev could not be found.";
            assert_eq!(
                told(update(&test, &caller, &name, &title).await),
                absent,
                "{who}"
            );
            assert_eq!(
                told(test.app.remove_index(&caller, &name).await),
                absent,
                "{who}"
            );
        } else {
            assert_eq!(
                created, "forbidden: no permission to create index bob/dev",
                "{who}"
            );
            assert_eq!(
                told(update(&test, &caller, &name, &title).await),
                DENIED,
                "{who}"
            );
            test.index("bob/dev", json!({"acl_read": ["bob"]})).await;
            assert_eq!(
                told(update(&test, &caller, &name, &title).await),
                DENIED,
                "{who}"
            );
            assert_eq!(
                told(test.app.remove_index(&caller, &name).await),
                DENIED,
                "{who}"
            );
            test.app.remove_index(&root(), &name).await.unwrap();
        }
    }
}

#[tokio::test]
async fn that_there_is_no_such_user_is_told_before_anything_else() {
    let test = TestApp::start().await;
    for caller in [anonymous(), caller("eve"), root()] {
        let answer = test
            .app
            .create_index(&caller, &index("nobody/dev"), &object(json!({})))
            .await;
        assert_eq!(told(answer), "not found: no user 'nobody'");
    }
}

#[tokio::test]
async fn restrict_modify_takes_rights_away_from_owner_and_root() {
    let mut settings = settings();
    settings.auth.restrict_modify = Some("admin".to_owned());
    let test = TestApp::with(settings).await;
    let body = object(json!({"password": "x"}));
    test.app
        .create_user(&caller("admin"), "bob", &body)
        .await
        .unwrap();
    let dev = index("bob/dev");
    for caller in [caller("bob"), root()] {
        let answer = test
            .app
            .create_index(&caller, &dev, &object(json!({})))
            .await;
        assert_eq!(
            told(answer),
            "forbidden: no permission to create index bob/dev"
        );
    }
    test.app
        .create_index(&caller("admin"), &dev, &object(json!({})))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_one_may_not_read_does_not_exist() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    test.index("bob/secret", json!({"acl_read": ["bob", ":qa"]}))
        .await;
    let secret = index("bob/secret");
    let member = Caller::member("eve".parse().unwrap(), ["qa"]);
    for (caller, expected) in [
        (caller("bob"), "ok"),
        (root(), "ok"),
        (member, "ok"),
        (
            caller("eve"),
            "not found: The stage bob/secret could not be found.",
        ),
        (
            anonymous(),
            "unauthenticated: reading index bob/secret needs a login",
        ),
    ] {
        assert_eq!(told(test.app.index(&caller, &secret).await), expected);
        assert_eq!(
            told(test.app.index_projects(&caller, &secret).await),
            expected
        );
    }
    // Nor can it be named as a base, by which it would be known to exist.
    let mine = object(json!({"bases": ["bob/secret"]}));
    assert_eq!(
        told(
            test.app
                .create_index(&caller("eve"), &index("eve/dev"), &mine)
                .await
        ),
        "invalid: base index 'bob/secret' does not exist"
    );
    // A base that somebody else set stays when other settings change.
    test.index("eve/dev", json!({"bases": ["bob/secret"]}))
        .await;
    let changed = update(
        &test,
        &caller("eve"),
        &index("eve/dev"),
        &operations(&["title=x"]),
    )
    .await;
    assert_eq!(changed.unwrap()["bases"], json!(["bob/secret"]));
}

#[tokio::test]
async fn credentials_of_a_mirror_are_never_shown_and_survive_being_sent_back() {
    let test = TestApp::start().await;
    let url = "http://bob:hunter2@localhost:9/simple/";
    let mirror = test
        .index("root/up", json!({"type": "mirror", "mirror_url": url}))
        .await;
    let shown = test
        .app
        .index(&root(), &mirror)
        .await
        .unwrap()
        .config
        .to_json();
    assert_eq!(shown["mirror_url"], "http://***@localhost:9/simple/");

    let mut sent_back = shown.clone();
    sent_back.insert("title".to_owned(), json!("x"));
    update(&test, &root(), &mirror, &IndexPatch::Object(sent_back))
        .await
        .unwrap();
    let kept = test.app.index(&root(), &mirror).await.unwrap();
    let kept = kept
        .mirror()
        .unwrap()
        .mirror_url
        .as_ref()
        .unwrap()
        .expose()
        .to_owned();
    assert_eq!(kept, url);
    for event in test.events().await {
        assert!(
            !event.event.detail.to_string().contains("hunter2"),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn another_mirror_url_starts_over_and_other_credentials_do_not() {
    let test = TestApp::start().await;
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let wheel = Wheel::named("mypkg").version("1.0").build();
    first.publish(&wheel);
    second.publish(&Wheel::named("mypkg").version("2.0").build());
    let config = json!({"type": "mirror", "mirror_url": first.url()});
    let mirror = test.index("root/up", config).await;
    assert_eq!(
        test.files(&root(), &mirror, "mypkg").await,
        [wheel.name.as_str()]
    );
    let id = test.app.index(&root(), &mirror).await.unwrap().id;
    let stored = async || {
        // Listings are stored after they were answered.
        test.app.settle().await;
        let mut reader = test.database.reader().await.unwrap();
        mirrors::find_listing(&mut reader, id, "mypkg")
            .await
            .unwrap()
            .is_some()
    };
    assert!(stored().await);

    let set = |url: String| IndexPatch::Object(object(json!({"mirror_url": url})));
    let same = set(first.url_with_credentials("u", "p"));
    update(&test, &root(), &mirror, &same).await.unwrap();
    assert!(stored().await, "the same place");

    let head = test.head().await;
    update(&test, &root(), &mirror, &set(second.url()))
        .await
        .unwrap();
    assert_eq!(
        test.events_since(head).await,
        ["index_updated root/up", "mirror_reset root/up"]
    );
    assert!(!stored().await);
    assert_eq!(
        test.files(&root(), &mirror, "mypkg").await,
        ["mypkg-2.0-py3-none-any.whl"]
    );
}

#[tokio::test]
async fn an_index_takes_along_what_it_holds() {
    for test in TestApp::on_each_database().await {
        let bob = test.user("bob").await;
        let dev = test.index("bob/dev", json!({})).await;
        test.upload(&bob, &dev, &Wheel::named("mypkg").build())
            .await
            .unwrap();
        assert_eq!(
            test.blob_count().await,
            2,
            "the wheel and its core metadata"
        );

        let head = test.head().await;
        test.app.remove_index(&bob, &dev).await.unwrap();
        assert_eq!(test.events_since(head).await, ["index_removed bob/dev"]);
        assert_eq!(test.collect_garbage().await.removed, 2);
        assert_eq!(test.blob_count().await, 0);

        // An index of the same name is a new one.
        test.app
            .create_index(&bob, &dev, &object(json!({})))
            .await
            .unwrap();
        assert_eq!(test.files(&bob, &dev, "mypkg").await, [] as [&str; 0]);
        let told = told(test.page(&bob, &dev, project("mypkg").normalized()).await);
        assert_eq!(told, "not found: The project mypkg does not exist.");
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({"title": "x"})).await;
    let head = test.head().await;
    update(&test, &root(), &dev, &operations(&["title=x"]))
        .await
        .unwrap();
    assert_eq!(test.head().await, head);
}

#[tokio::test]
async fn a_silent_upstream_does_not_keep_a_mirror_from_being_shown() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    upstream.fault_everywhere(cheeseshop_test_support::Fault::DropConnection);
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/up", config).await;
    assert!(
        test.app
            .index_projects(&root(), &mirror)
            .await
            .unwrap()
            .is_empty()
    );
    update(&test, &root(), &mirror, &operations(&["title=x"]))
        .await
        .unwrap();
}
