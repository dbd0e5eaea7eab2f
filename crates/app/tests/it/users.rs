//! Users, as devpi's JSON API tells of them.

use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_domain::Caller;
use serde_json::{Value, json};

use crate::support::{TestApp, anonymous, caller, object, root, settings, told};

const DENIED: &str = "forbidden: Access was denied to this resource.\n\n\n\
                      Unauthorized: PyPIView failed permission check\n\n";

#[tokio::test]
async fn a_user_is_created_shown_changed_and_removed() {
    let test = TestApp::start().await;
    let body =
        json!({"password": "pw", "email": "b@example.test", "title": "T", "custom_data": {"a": 1}});
    let view = test
        .app
        .create_user(&root(), "bob", &object(body))
        .await
        .unwrap();
    assert_eq!(view.user.name.as_str(), "bob");
    assert!(view.indexes.is_empty());

    let shown = test.app.user(&anonymous(), "bob").await.unwrap().user;
    assert_eq!(
        Value::Object(shown.profile.to_json()),
        json!({"email": "b@example.test", "title": "T", "custom_data": {"a": 1}})
    );
    assert_eq!(shown.modified, None);

    let patch = object(json!({"email": "", "title": "New", "username": "x", "unknown": 1}));
    let updated = test
        .app
        .update_user(&caller("bob"), "bob", &patch)
        .await
        .unwrap();
    assert!(updated.new_login.is_none());
    let shown = test.app.user(&anonymous(), "bob").await.unwrap().user;
    assert_eq!(
        Value::Object(shown.profile.to_json()),
        json!({"title": "New", "custom_data": {"a": 1}})
    );
    assert!(shown.modified.is_some());

    test.app.remove_user(&caller("bob"), "bob").await.unwrap();
    assert_eq!(
        told(test.app.user(&root(), "bob").await),
        "not found: no user 'bob'"
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_with_the_words_of_devpi() {
    let test = TestApp::start().await;
    test.user("bob").await;
    for (name, body, expected) in [
        ("bob", json!({}), "conflict: user already exists"),
        ("eve", json!({}), "invalid: password needs to be set"),
        (
            "eve",
            json!({"pwhash": "$argon2id$x"}),
            "invalid: password needs to be set",
        ),
        (
            "eve",
            json!({"password": "x", "foo": 1}),
            "invalid: Unknown keys in user config: foo",
        ),
        (
            "a b",
            json!({"password": "x"}),
            "invalid: username 'a b' contains characters that aren't allowed. \
             Any ascii symbol besides -.@_ is blocked.",
        ),
    ] {
        let answer = test.app.create_user(&root(), name, &object(body)).await;
        assert_eq!(told(answer), expected);
    }
    let nothing = object(json!({}));
    assert_eq!(
        told(test.app.update_user(&root(), "eve", &nothing).await),
        "not found: no user 'eve'"
    );
    assert_eq!(
        told(test.app.remove_user(&root(), "eve").await),
        "not found: no user 'eve'"
    );
}

#[tokio::test]
async fn who_may_do_what_to_users() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let title = object(json!({"title": "x"}));
    let password = object(json!({"password": "bob-secret"}));
    let cases: [(&str, Caller, bool); 4] = [
        ("anonymous", anonymous(), false),
        ("another user", caller("eve"), false),
        ("the user", caller("bob"), true),
        ("root", root(), true),
    ];
    for (who, caller, allowed) in &cases {
        let changed = told(test.app.update_user(caller, "bob", &title).await);
        let renewed = told(test.app.update_user(caller, "bob", &password).await);
        if *allowed {
            assert_eq!((changed.as_str(), renewed.as_str()), ("ok", "ok"), "{who}");
        } else {
            assert_eq!(
                changed, "forbidden: no permission to modify user bob",
                "{who}"
            );
            assert_eq!(
                renewed, "forbidden: no permission to change password for user bob",
                "{who}"
            );
            assert_eq!(
                told(test.app.remove_user(caller, "bob").await),
                DENIED,
                "{who}"
            );
        }
    }
    assert_eq!(told(test.app.remove_user(&root(), "root").await), DENIED);
    let new = object(json!({"password": "x"}));
    for caller in [anonymous(), caller("eve")] {
        assert_eq!(
            told(test.app.create_user(&caller, "new", &new).await),
            format!("{DENIED}Users are made by root, unless auth.self_registration is on.")
        );
    }
}

#[tokio::test]
async fn self_registration_is_a_setting() {
    let mut settings = settings();
    settings.auth.self_registration = true;
    let test = TestApp::with(settings).await;
    let body = object(json!({"password": "x"}));
    assert!(
        test.app
            .create_user(&anonymous(), "bob", &body)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn restrict_modify_takes_rights_away_from_everybody_else() {
    let mut settings = settings();
    settings.auth.restrict_modify = Some("admin,:admins".to_owned());
    settings.auth.self_registration = true;
    let test = TestApp::with(settings).await;
    let admin = caller("admin");
    let member = Caller::member("eve".parse().unwrap(), ["admins"]);
    let body = object(json!({"password": "x"}));
    let title = object(json!({"title": "x"}));

    assert_eq!(
        told(test.app.create_user(&root(), "bob", &body).await),
        format!("{DENIED}Users are made by those whom auth.restrict_modify lists.")
    );
    assert_eq!(
        told(test.app.create_user(&anonymous(), "bob", &body).await),
        format!("{DENIED}Users are made by those whom auth.restrict_modify lists.")
    );
    assert!(test.app.create_user(&admin, "bob", &body).await.is_ok());
    assert_eq!(
        told(test.app.update_user(&caller("bob"), "bob", &title).await),
        "forbidden: no permission to modify user bob"
    );
    assert!(test.app.update_user(&member, "bob", &title).await.is_ok());
    assert!(
        test.app
            .update_user(&caller("bob"), "bob", &body)
            .await
            .is_ok(),
        "own password"
    );
    assert_eq!(
        told(test.app.remove_user(&caller("bob"), "bob").await),
        DENIED
    );
    assert!(test.app.remove_user(&member, "bob").await.is_ok());
}

#[tokio::test]
async fn a_new_password_gives_a_new_login_and_nothing_else_does() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    for (body, gives) in [
        (json!({"password": "new"}), true),
        (json!({"password": "newer", "title": "x"}), true),
        (json!({"title": "y"}), false),
        (json!({}), false),
    ] {
        let updated = test
            .app
            .update_user(&bob, "bob", &object(body))
            .await
            .unwrap();
        assert_eq!(updated.new_login.is_some(), gives);
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let title = object(json!({"title": "x"}));
    test.app.update_user(&bob, "bob", &title).await.unwrap();
    let head = test.head().await;
    test.app.update_user(&bob, "bob", &title).await.unwrap();
    test.app
        .update_user(&bob, "bob", &object(json!({"unknown": 1})))
        .await
        .unwrap();
    assert_eq!(test.head().await, head);
}

#[tokio::test]
async fn a_non_volatile_index_keeps_its_owner() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    test.index("bob/dev", json!({})).await;
    test.index("bob/prod", json!({"volatile": false})).await;
    assert_eq!(
        told(test.app.remove_user(&bob, "bob").await),
        "forbidden: user 'bob' has non-volatile index: prod"
    );
    assert!(
        test.app.directory().index("bob", "dev").is_some(),
        "nothing was removed"
    );

    let volatile = IndexPatch::Operations(vec!["volatile=true".to_owned()]);
    test.app
        .update_index(
            &bob,
            &crate::support::index("bob/prod"),
            &volatile,
            NoChange::default(),
        )
        .await
        .unwrap();
    let head = test.head().await;
    test.app.remove_user(&bob, "bob").await.unwrap();
    assert_eq!(
        test.events_since(head).await,
        [
            "index_removed bob/dev",
            "index_removed bob/prod",
            "user_removed bob"
        ]
    );
    assert!(test.app.directory().index("bob", "dev").is_none());
}

#[tokio::test]
async fn listings_show_only_indexes_that_the_caller_may_read() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let eve = test.user("eve").await;
    test.index("bob/open", json!({})).await;
    test.index("bob/secret", json!({"acl_read": ["bob"]})).await;
    for (caller, expected) in [
        (&bob, vec!["open", "secret"]),
        (&root(), vec!["open", "secret"]),
        (&eve, vec!["open"]),
        (&anonymous(), vec!["open"]),
    ] {
        let listed = test.app.list_users(caller).await.unwrap();
        let names: Vec<&str> = listed.iter().map(|view| view.user.name.as_str()).collect();
        assert_eq!(names, ["bob", "eve", "root"]);
        let view = test.app.user(caller, "bob").await.unwrap();
        for view in [&view, &listed[0]] {
            let indexes: Vec<&str> = view
                .indexes
                .iter()
                .map(|index| &*index.name.index)
                .collect();
            assert_eq!(indexes, expected);
        }
    }
}

#[tokio::test]
async fn events_name_actor_and_address() {
    let test = TestApp::start().await;
    let from = Some(std::net::IpAddr::from([127, 0, 0, 7]));
    let body = object(json!({"password": "x"}));
    test.app
        .create_user(&root().at(from), "bob", &body)
        .await
        .unwrap();
    let event = test.events().await.pop().unwrap();
    assert_eq!((event.actor.as_str(), event.address), ("root", from));
    assert_eq!(event.event.subject, "bob");
}

#[tokio::test]
async fn of_two_users_of_one_name_made_at_once_one_is_made() {
    for test in TestApp::on_each_database().await {
        let body = object(json!({"password": "x"}));
        let root = root();
        let attempts = (0..8).map(|_| test.app.create_user(&root, "bob", &body));
        let answers = futures_util::future::join_all(attempts).await;
        let mut told: Vec<String> = answers.into_iter().map(told).collect();
        told.sort();
        let mut expected = vec!["conflict: user already exists".to_owned(); 7];
        expected.push("ok".to_owned());
        assert_eq!(told, expected);
    }
}
