//! Tokens: made, used, narrowed by their holders, ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cheeseshop_app::auth::AuthSettings;
use cheeseshop_app::{App, Error, Settings};
use cheeseshop_domain::{Caller, Clock as _};
use cheeseshop_test_support::Wheel;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{
    TestApp, anonymous, caller, credentials, object, project, root, settings, told,
};

async fn create(test: &TestApp, user: &str, restrictions: Value) -> (String, String) {
    let created = test
        .app
        .create_token(&caller(user), user, &object(restrictions))
        .await
        .unwrap();
    (created.id, created.text.expose_secret().to_owned())
}

async fn holder(app: &App, token: &str) -> Result<Caller, Error> {
    app.authenticate(Some(&credentials("__token__", token)), None)
        .await
}

/// What `devpi token-derive` does, which knows no key: the last 32 bytes are the signature, two before
/// them its head, and one before these the end of the caveats.
fn derive(token: &str, restriction: &str) -> String {
    let token = token.strip_prefix("devpi-").unwrap_or(token);
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let signature = bytes.split_off(bytes.len() - 32);
    let head = bytes.split_off(bytes.len() - 2);
    bytes.pop();
    let mut code = Hmac::<Sha256>::new_from_slice(&signature).unwrap();
    code.update(restriction.as_bytes());
    bytes.extend([2, u8::try_from(restriction.len()).unwrap()]);
    bytes.extend(restriction.as_bytes());
    bytes.extend([0, 0]);
    bytes.extend(head);
    bytes.extend(code.finalize().into_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn a_token_proves_its_user_on_every_node_until_it_is_removed() {
    for test in TestApp::on_each_database().await {
        test.user("alice").await;
        let other_node = test.second_node().await;
        let (id, token) = create(&test, "alice", json!({})).await;
        for app in [&test.app, &other_node] {
            // Another process on SQLite is noticed within a second, and here at once.
            app.catch_up().await.unwrap();
            let known = holder(app, &token).await.unwrap();
            assert_eq!(known.user_name().unwrap(), &"alice");
            assert_eq!(&*known.token().unwrap().id, id.as_str());
        }
        test.app
            .remove_token(&caller("alice"), "alice", &id)
            .await
            .unwrap();
        assert_eq!(
            told(holder(&test.app, &token).await),
            format!("forbidden: The token id {id} doesn't exist")
        );
        if test.database.is_shared() {
            assert!(holder(&other_node, &token).await.is_err());
        }
        let log = test.events().await;
        let of_tokens: Vec<_> = log
            .iter()
            .filter(|event| event.event.kind.as_str().starts_with("token_"))
            .map(|event| {
                format!(
                    "{} {} {}",
                    event.event.kind, event.event.subject, event.actor
                )
            })
            .collect();
        assert_eq!(
            of_tokens,
            ["token_created alice alice", "token_removed alice alice"]
        );
        let secret = token.trim_start_matches("devpi-");
        assert!(
            log.iter()
                .all(|event| !event.event.detail.to_string().contains(secret))
        );
    }
}

#[tokio::test]
async fn the_second_time_needs_neither_database_nor_waiting() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let (id, token) = create(&test, "alice", json!({})).await;
    let sent = credentials("", &token);
    assert_eq!(test.app.remembered_caller(&sent, None), None);
    let known = holder(&test.app, &token).await.unwrap();
    assert_eq!(test.app.remembered_caller(&sent, None), Some(known));
    // The token of somebody else ends nothing but costs a second look.
    test.user("bob").await;
    let (other, _) = create(&test, "bob", json!({})).await;
    test.app.remove_token(&root(), "bob", &other).await.unwrap();
    assert_eq!(test.app.remembered_caller(&sent, None), None);
    holder(&test.app, &token).await.unwrap();
    assert!(test.app.remembered_caller(&sent, None).is_some());

    test.app.remove_token(&root(), "alice", &id).await.unwrap();
    assert_eq!(test.app.remembered_caller(&sent, None), None);
}

#[tokio::test]
async fn time_is_asked_each_time() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let now = test.clock.now().as_second();
    let (_, token) = create(
        &test,
        "alice",
        json!({"not_before": now + 5, "expires": now + 10}),
    )
    .await;
    let sent = credentials("", &token);
    let mut held = Vec::new();
    for _ in 0..12 {
        let holds = holder(&test.app, &token).await.is_ok();
        assert_eq!(test.app.remembered_caller(&sent, None).is_some(), holds);
        held.push(holds);
        test.clock.advance(SignedDuration::from_secs(1));
    }
    let expected: Vec<_> = (0..12).map(|second| (5..10).contains(&second)).collect();
    assert_eq!(held, expected);
}

#[tokio::test]
async fn tokens_go_with_their_user_and_not_with_the_password() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let (id, token) = create(&test, "alice", json!({})).await;
    let body = object(json!({"password": "another one"}));
    test.app
        .update_user(&caller("alice"), "alice", &body)
        .await
        .unwrap();
    holder(&test.app, &token).await.unwrap();
    test.app.remove_user(&root(), "alice").await.unwrap();
    assert!(
        test.app
            .remembered_caller(&credentials("", &token), None)
            .is_none()
    );
    let gone = format!("forbidden: The token id {id} doesn't exist");
    assert_eq!(told(holder(&test.app, &token).await), gone);
    // Whoever has the name next has none of the tokens.
    test.user("alice").await;
    assert_eq!(told(holder(&test.app, &token).await), gone);
    assert_eq!(
        test.app
            .list_tokens(&caller("alice"), "alice")
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn holders_narrow_their_tokens_without_the_server() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let dev = test
        .index("alice/dev", json!({"acl_upload": ["alice"]}))
        .await;
    let (id, token) = create(&test, "alice", json!({"allowed": ["upload", "pkg_read"]})).await;
    let wheel = Wheel::named("pkg").build();
    let by = |token: String| {
        let app = test.app.clone();
        async move { holder(&app, &token).await }
    };
    let narrowed = by(derive(&token, "projects=other")).await.unwrap();
    assert_eq!(
        told(test.upload(&narrowed, &dev, &wheel).await),
        "forbidden: Token denied access to project 'pkg'"
    );
    let twice = derive(
        &derive(&token, "projects=pkg"),
        "allowed=toxresult_upload,upload",
    );
    let narrowed = by(twice.clone()).await.unwrap();
    assert_eq!(told(test.upload(&narrowed, &dev, &wheel).await), "ok");
    let reader = by(derive(&twice, "allowed=pkg_read")).await.unwrap();
    assert_eq!(
        told(test.upload(&reader, &dev, &wheel).await),
        "forbidden: no permission to submit"
    );
    assert_eq!(
        told(by(derive(&token, "expires=5")).await),
        "forbidden: Exception during token verification: \
         Token expired at 5 (1970-01-01 00:00:05+00:00)"
    );
    assert_eq!(
        told(by(derive(&token, "colour=red")).await),
        "forbidden: Exception during token verification: \
         Caveat not met. Unable to satisfy: colour=red"
    );
    // All of them end with the first one.
    test.app.remove_token(&root(), "alice", &id).await.unwrap();
    assert_eq!(
        told(by(twice).await),
        format!("forbidden: The token id {id} doesn't exist")
    );
}

#[tokio::test]
async fn nobody_widens_a_token() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let (_, token) = create(&test, "alice", json!({"allowed": ["pkg_read"]})).await;
    let encoded = token.strip_prefix("devpi-").unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    let allowed = bytes
        .windows(7)
        .position(|window| window == b"allowed")
        .unwrap();
    let mut other = bytes.clone();
    other[allowed + 8] = b'P';
    assert_eq!(
        told(holder(&test.app, &URL_SAFE_NO_PAD.encode(&other)).await),
        "forbidden: Exception during token verification: Signatures do not match"
    );
    // Its first restriction taken out, the signature left.
    let length = usize::from(bytes[allowed - 1]);
    let mut shorter = bytes[..allowed - 2].to_vec();
    shorter.extend(&bytes[allowed + length + 1..]);
    assert_eq!(
        told(holder(&test.app, &URL_SAFE_NO_PAD.encode(&shorter)).await),
        "forbidden: Exception during token verification: Signatures do not match"
    );
    assert_eq!(
        told(holder(&test.app, &token[..token.len() - 4]).await),
        "forbidden: Exception during token verification: \
         it is damaged, some of it is missing or mistyped"
    );
}

#[tokio::test]
async fn a_refused_token_is_not_looked_up_again() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let (id, token) = create(&test, "alice", json!({})).await;
    let encoded = token.strip_prefix("devpi-").unwrap();
    let mut forged = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let forged = URL_SAFE_NO_PAD.encode(&forged);
    let unknown = derive(&token, "colour=red");
    let refusals = [
        (
            forged,
            "forbidden: Exception during token verification: Signatures do not match",
        ),
        (
            unknown,
            "forbidden: Exception during token verification: \
             Caveat not met. Unable to satisfy: colour=red",
        ),
    ];
    for (token, refusal) in &refusals {
        assert_eq!(told(holder(&test.app, token).await), *refusal);
    }
    test.app.remove_token(&root(), "alice", &id).await.unwrap();
    // Who looks into the database finds no such token any more.
    for (token, refusal) in &refusals {
        assert_eq!(told(holder(&test.app, token).await), *refusal);
    }
    let gone = format!("forbidden: The token id {id} doesn't exist");
    let lifetime = AuthSettings::for_testing().remember_seconds;
    let lifetime = SignedDuration::from_secs(i64::try_from(lifetime).unwrap());
    test.clock.advance(lifetime);
    for (token, _) in &refusals {
        assert_eq!(told(holder(&test.app, token).await), gone);
    }
}

#[tokio::test]
async fn a_user_has_so_many_tokens_and_expired_ones_make_room() {
    let test = TestApp::with(Settings {
        auth: AuthSettings {
            tokens_per_user: 2,
            ..AuthSettings::for_testing()
        },
        ..settings()
    })
    .await;
    test.user("alice").await;
    test.user("bob").await;
    let soon = test.clock.now().as_second() + 60;
    let (first, _) = create(&test, "alice", json!({"expires": soon})).await;
    create(&test, "alice", json!({})).await;
    let third = test
        .app
        .create_token(&caller("alice"), "alice", &object(json!({})))
        .await;
    assert_eq!(
        told(third),
        "conflict: user 'alice' has 2 tokens, and may not have more; remove one first"
    );
    create(&test, "bob", json!({})).await;
    test.clock.advance(SignedDuration::from_secs(60));
    let (third, _) = create(&test, "alice", json!({})).await;
    let ids: Vec<String> = test
        .app
        .list_tokens(&caller("alice"), "alice")
        .await
        .unwrap()
        .into_iter()
        .map(|token| token.id)
        .collect();
    assert!(ids.contains(&third) && !ids.contains(&first), "{ids:?}");
}

/// Which of the projects `mine` and `other` the caller finds on every face of an index.
async fn faces(
    test: &TestApp,
    caller: &Caller,
    index: &cheeseshop_domain::IndexName,
) -> Vec<String> {
    use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
    let options = PageOptions {
        representation: Representation::Json,
        encoding: Encoding::Identity,
        absolute_base: None,
    };
    let mut found = Vec::new();
    if let Ok(list) = test.app.project_list(caller, index, &options).await {
        let list: Value = serde_json::from_slice(&list.body(Encoding::Identity)).unwrap();
        for name in list["projects"].as_array().unwrap() {
            found.push(format!("list {}", name["name"].as_str().unwrap()));
        }
    }
    for name in test
        .app
        .index_projects(caller, index)
        .await
        .unwrap_or_default()
    {
        found.push(format!("index {name}"));
    }
    for name in ["mine", "other"] {
        let wheel = Wheel::named(name).build();
        let path = cheeseshop_domain::FilePath::parse(&format!(
            "+f/{}/{}/{}",
            &wheel.sha256[..3],
            &wheel.sha256[3..16],
            wheel.name
        ))
        .unwrap();
        let spelled = path.to_string();
        let purpose = cheeseshop_app::files::Purpose::Read;
        for (face, is_there) in [
            ("page", test.page(caller, index, name).await.is_ok()),
            (
                "hot page",
                test.app
                    .cached_project_page(caller, index.user.as_str(), &index.index, name, &options)
                    .is_some(),
            ),
            (
                "file",
                test.app
                    .open_file(caller, index, &path, purpose)
                    .await
                    .is_ok(),
            ),
            (
                "hot file",
                test.app
                    .cached_file(caller, index.user.as_str(), &index.index, &spelled)
                    .is_some(),
            ),
            (
                "metadata",
                test.app
                    .open_core_metadata(caller, index, &path)
                    .await
                    .is_ok(),
            ),
            (
                "description",
                test.app.describe_file(caller, index, &path).await.is_ok(),
            ),
            (
                "project",
                test.app
                    .project(
                        caller,
                        index,
                        &project(name),
                        cheeseshop_app::Scope::WithBases,
                    )
                    .await
                    .is_ok(),
            ),
            (
                "release",
                test.app
                    .release(
                        caller,
                        index,
                        &project(name),
                        "1.0",
                        cheeseshop_app::Scope::WithBases,
                    )
                    .await
                    .is_ok(),
            ),
        ] {
            if is_there {
                found.push(format!("{face} {name}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_token_for_some_projects_shows_no_other_on_any_face() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let closed = test
        .index(
            "alice/closed",
            json!({"acl_upload": ["alice"], "acl_read": ["alice"]}),
        )
        .await;
    for name in ["mine", "other"] {
        let wheel = Wheel::named(name).build();
        test.upload(&caller("alice"), &closed, &wheel)
            .await
            .unwrap();
    }
    let derived = test
        .index("alice/derived", json!({"bases": ["alice/closed"]}))
        .await;
    let (_, token) = create(&test, "alice", json!({"projects": ["mine"]})).await;
    let limited = holder(&test.app, &token).await.unwrap();
    for index in [&closed, &derived] {
        // The whole is in memory before the limited caller asks, and the other way round.
        let all = faces(&test, &caller("alice"), index).await;
        let theirs = faces(&test, &limited, index).await;
        let expected: Vec<String> = all
            .iter()
            .filter(|face| face.ends_with(" mine"))
            .cloned()
            .collect();
        assert!(expected.len() >= 8, "{expected:?}");
        assert_eq!(theirs, expected, "{index}");
        assert_eq!(faces(&test, &caller("alice"), index).await, all, "{index}");
    }
    assert!(faces(&test, &anonymous(), &closed).await.is_empty());
    assert_eq!(
        told(test.page(&limited, &closed, "other").await),
        "forbidden: Token denied access to project 'other'"
    );
    // Through an index that everybody may read, what the token does not cover is not there.
    assert_eq!(
        told(test.page(&limited, &derived, "other").await),
        "not found: The project other does not exist."
    );
}

#[tokio::test]
async fn a_token_for_some_indexes_knows_of_no_other() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let closed = json!({"acl_upload": ["alice"], "acl_read": ["alice"]});
    let dev = test.index("alice/dev", closed.clone()).await;
    let prod = test.index("alice/prod", closed).await;
    let wheel = Wheel::named("mine").build();
    test.upload(&caller("alice"), &prod, &wheel).await.unwrap();
    let derived = test
        .index("alice/derived", json!({"bases": ["alice/prod"]}))
        .await;
    let (_, token) = create(&test, "alice", json!({"indexes": ["alice/dev"]})).await;
    let limited = holder(&test.app, &token).await.unwrap();
    faces(&test, &caller("alice"), &prod).await;
    faces(&test, &caller("alice"), &derived).await;
    assert!(faces(&test, &limited, &prod).await.is_empty());
    assert!(faces(&test, &limited, &derived).await.is_empty());
    // There or not, the answer is the same.
    for name in ["alice/prod", "alice/none"] {
        assert_eq!(
            told(test.app.index(&limited, &crate::support::index(name)).await),
            format!("forbidden: Token denied access to index '{name}'")
        );
        assert_eq!(
            told(
                test.upload(&limited, &crate::support::index(name), &wheel)
                    .await
            ),
            format!("forbidden: Token denied access to index '{name}'")
        );
    }
    let shown: Vec<String> = test
        .app
        .user(&limited, "alice")
        .await
        .unwrap()
        .indexes
        .iter()
        .map(|index| index.name.to_string())
        .collect();
    assert_eq!(shown, ["alice/derived", "alice/dev"]);
    assert_eq!(told(test.upload(&limited, &dev, &wheel).await), "ok");
    let name = crate::support::index("alice/new");
    assert_eq!(
        told(
            test.app
                .create_index(&limited, &name, &object(json!({})))
                .await
        ),
        "forbidden: Token denied access to index 'alice/new'"
    );
}

#[tokio::test]
async fn a_token_removes_what_it_allows_to_remove() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let dev = test
        .index("alice/dev", json!({"acl_upload": ["alice"]}))
        .await;
    let wheel = Wheel::named("mine").build();
    let path = cheeseshop_domain::FilePath::parse(&format!(
        "+f/{}/{}/{}",
        &wheel.sha256[..3],
        &wheel.sha256[3..16],
        wheel.name
    ))
    .unwrap();
    let force = cheeseshop_app::removal::Force::No;
    for (restrictions, expected) in [
        (json!({"allowed": ["del_entry"]}), [true, false, false]),
        (json!({"allowed": ["del_verdata"]}), [false, true, false]),
        (json!({"allowed": ["del_project"]}), [false, false, true]),
        (json!({"projects": ["other"]}), [false, false, false]),
        (json!({"projects": ["mine"]}), [true, true, true]),
    ] {
        let (_, token) = create(&test, "alice", restrictions.clone()).await;
        let limited = holder(&test.app, &token).await.unwrap();
        let mut removed = [false; 3];
        for (number, removed) in removed.iter_mut().enumerate() {
            test.upload(&caller("alice"), &dev, &wheel).await.unwrap();
            let name = project("mine");
            let result = match number {
                0 => test.app.remove_file(&limited, &dev, &path, force).await,
                1 => {
                    test.app
                        .remove_release(&limited, &dev, &name, "1.0", force)
                        .await
                }
                _ => test.app.remove_project(&limited, &dev, &name, force).await,
            };
            *removed = result.is_ok();
        }
        assert_eq!(removed, expected, "{restrictions}");
    }
}

#[tokio::test]
async fn the_change_log_names_the_token() {
    let test = TestApp::start().await;
    test.user("alice").await;
    let dev = test
        .index("alice/dev", json!({"acl_upload": ["alice"]}))
        .await;
    let (id, token) = create(&test, "alice", json!({})).await;
    let ci = holder(&test.app, &token).await.unwrap();
    test.upload(&ci, &dev, &Wheel::named("pkg").build())
        .await
        .unwrap();
    let last = test.events().await.pop().unwrap();
    assert_eq!(last.actor, format!("alice (token {id})"));
}
