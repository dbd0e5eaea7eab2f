//! Who gets in, and what guessing costs.

use std::net::IpAddr;
use std::time::Instant;

use cheeseshop_app::auth::{Argon2Cost, AuthSettings, FirstStart, ThrottleSettings};
use cheeseshop_app::{App, Error, Settings};
use cheeseshop_domain::{Caller, Event, EventKind, User, UserName};
use cheeseshop_storage::Origin;
use cheeseshop_storage::database::users;
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{
    ROOT_PASSWORD, TestApp, caller, credentials, index, object, root, settings, told,
};

const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

async fn who(app: &App, user: &str, secret: &str) -> Option<UserName> {
    authenticate(app, user, secret).await.unwrap()
}

async fn authenticate(app: &App, user: &str, secret: &str) -> Result<Option<UserName>, Error> {
    let caller: Caller = app
        .authenticate(Some(&credentials(user, secret)), HOME)
        .await?;
    assert_eq!(caller.address, HOME);
    Ok(caller.user_name().cloned())
}

async fn token_of(app: &App, user: &str, password: &str) -> String {
    let login = app.login(user, &password.into(), HOME).await.unwrap();
    login.token.expose_secret().to_owned()
}

#[tokio::test]
async fn passwords_and_tokens_identify_and_anything_else_is_anonymous() {
    let test = TestApp::start().await;
    test.user("bob").await;
    let token = token_of(&test.app, "bob", "bob-secret").await;

    assert_eq!(
        test.app.authenticate(None, HOME).await.unwrap().user_name(),
        None
    );
    for (user, secret, identified) in [
        ("bob", "bob-secret", true),
        ("bob", token.as_str(), true),
        ("root", ROOT_PASSWORD, true),
        ("bob", "wrong", false),
        ("bob", "", false),
        ("root", token.as_str(), false),
        ("nobody", "bob-secret", false),
        ("", "", false),
        ("Bob", "bob-secret", false),
    ] {
        let expected = identified.then(|| UserName::parse(user).unwrap());
        assert_eq!(who(&test.app, user, secret).await, expected, "{user}");
    }
}

#[tokio::test]
async fn a_login_says_what_it_gives_and_refuses_with_one_text() {
    let test = TestApp::start().await;
    let login = test
        .app
        .login("root", &ROOT_PASSWORD.into(), HOME)
        .await
        .unwrap();
    assert_eq!(login.expires_in.as_secs(), 36_000);
    let token = login.token.expose_secret();
    assert!(
        token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );

    for (user, password) in [
        ("root", "wrong"),
        ("nobody", "x"),
        ("root", ""),
        ("root", token),
    ] {
        assert_eq!(
            told(test.app.login(user, &password.into(), HOME).await),
            format!("unauthenticated: user '{user}' could not be authenticated")
        );
    }
}

#[tokio::test]
async fn tokens_end_with_their_time_the_password_and_the_user() {
    let test = TestApp::start().await;
    test.user("bob").await;
    let token = token_of(&test.app, "bob", "bob-secret").await;
    test.clock.advance(SignedDuration::from_secs(35_999));
    assert!(who(&test.app, "bob", &token).await.is_some());
    test.clock.advance(SignedDuration::from_secs(1));
    assert!(who(&test.app, "bob", &token).await.is_none());

    let token = token_of(&test.app, "bob", "bob-secret").await;
    let body = object(json!({"password": "new"}));
    let updated = test
        .app
        .update_user(&caller("bob"), "bob", &body)
        .await
        .unwrap();
    let renewed = updated.new_login.unwrap().token;
    assert!(who(&test.app, "bob", &token).await.is_none());
    assert!(
        who(&test.app, "bob", renewed.expose_secret())
            .await
            .is_some()
    );

    test.app.remove_user(&root(), "bob").await.unwrap();
    assert!(
        who(&test.app, "bob", renewed.expose_secret())
            .await
            .is_none()
    );
    // A user of the same name and password is somebody else.
    let body = object(json!({"password": "new"}));
    test.app.create_user(&root(), "bob", &body).await.unwrap();
    assert!(
        who(&test.app, "bob", renewed.expose_secret())
            .await
            .is_none()
    );
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_worthless() {
    let test = TestApp::start().await;
    let token = token_of(&test.app, "root", ROOT_PASSWORD).await;
    for position in [5, 8, 16, 30, token.len() - 2] {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        assert_eq!(who(&test.app, "root", &forged).await, None, "{position}");
    }
    assert_eq!(
        who(&test.app, "root", &token[..token.len() - 1]).await,
        None
    );
}

#[tokio::test]
async fn a_changed_password_and_a_removed_user_count_at_once_although_answers_are_remembered() {
    let test = TestApp::start().await;
    test.user("bob").await;
    assert!(who(&test.app, "bob", "bob-secret").await.is_some());
    assert!(who(&test.app, "bob", "next").await.is_none());

    test.app.set_password("bob", &"next".into()).await.unwrap();
    assert!(who(&test.app, "bob", "bob-secret").await.is_none());
    assert!(who(&test.app, "bob", "next").await.is_some());

    test.app.remove_user(&root(), "bob").await.unwrap();
    assert!(who(&test.app, "bob", "next").await.is_none());
}

#[tokio::test]
async fn another_node_hears_of_a_changed_password() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    test.user("bob").await;
    let token = token_of(&test.app, "bob", "bob-secret").await;
    assert!(who(&other, "bob", "bob-secret").await.is_some());
    assert!(
        who(&other, "bob", &token).await.is_some(),
        "the key of tokens is shared"
    );

    test.app.set_password("bob", &"next".into()).await.unwrap();
    assert!(who(&other, "bob", "bob-secret").await.is_none());
    assert!(who(&other, "bob", &token).await.is_none());
    assert!(who(&other, "bob", "next").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_password_costs_nothing() {
    // Dear enough to be told from free, whatever else the machine does.
    let dear = Argon2Cost {
        memory_kib: 32_768,
        iterations: 3,
        parallelism: 1,
    };
    let test = TestApp::with(with_auth(|auth| auth.argon2 = dear)).await;
    let begin = Instant::now();
    assert!(who(&test.app, "root", ROOT_PASSWORD).await.is_some());
    let first = begin.elapsed();

    // The machine may do something else amid a round, but not amid every one.
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        for _ in 0..20 {
            assert!(who(&test.app, "root", ROOT_PASSWORD).await.is_some());
        }
        rounds.push(begin.elapsed());
    }
    assert!(
        rounds.iter().any(|round| *round < first),
        "{rounds:?} for 20 each, {first:?} for the first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_with_one_new_password_are_one_attempt() {
    let test = TestApp::with(with_auth(|auth| auth.throttle.failures_per_user = 3)).await;
    let attempts = (0..50).map(|_| authenticate(&test.app, "root", "outdated"));
    for answer in futures_util::future::join_all(attempts).await {
        assert_eq!(answer.unwrap(), None, "none of them was throttled");
    }
    assert!(who(&test.app, "root", ROOT_PASSWORD).await.is_some());
}

#[tokio::test]
async fn guessing_has_to_wait_and_waiting_ends() {
    let test = TestApp::with(with_auth(|auth| auth.throttle.failures_per_user = 3)).await;
    for guess in ["a", "b", "c"] {
        assert_eq!(authenticate(&test.app, "root", guess).await.unwrap(), None);
    }
    // The right one is not looked at either, or waiting would tell.
    for guess in ["d", ROOT_PASSWORD] {
        let told = told(authenticate(&test.app, "root", guess).await);
        assert!(
            told.starts_with("throttled: too many failed logins"),
            "{told}"
        );
        assert!(matches!(
            test.app.login("root", &guess.into(), HOME).await,
            Err(Error::Throttled { retry_after }) if retry_after.as_secs() == 1
        ));
    }
    // Others are not concerned, nor is root elsewhere.
    let elsewhere = Some(IpAddr::from([127, 0, 0, 2]));
    let login = test
        .app
        .login("root", &ROOT_PASSWORD.into(), elsewhere)
        .await;
    assert!(login.is_ok());

    test.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(authenticate(&test.app, "root", "e").await.unwrap(), None);
    assert!(matches!(
        authenticate(&test.app, "root", "f").await,
        Err(Error::Throttled { retry_after }) if retry_after.as_secs() == 2
    ));
    test.clock.advance(SignedDuration::from_secs(2));
    assert!(
        test.app
            .login("root", &ROOT_PASSWORD.into(), HOME)
            .await
            .is_ok()
    );
    // Success started anew.
    for guess in ["g", "h"] {
        assert_eq!(authenticate(&test.app, "root", guess).await.unwrap(), None);
    }
    assert!(who(&test.app, "root", ROOT_PASSWORD).await.is_some());
}

#[tokio::test]
async fn tokens_work_while_somebody_guesses() {
    let test = TestApp::with(with_auth(|auth| auth.throttle.failures_per_user = 1)).await;
    let token = token_of(&test.app, "root", ROOT_PASSWORD).await;
    assert_eq!(authenticate(&test.app, "root", "a").await.unwrap(), None);
    assert!(authenticate(&test.app, "root", "b").await.is_err());
    assert!(who(&test.app, "root", &token).await.is_some());
}

#[tokio::test]
async fn guessing_many_users_from_one_address_has_to_wait() {
    let test = TestApp::with(with_auth(|auth| {
        auth.throttle = ThrottleSettings {
            failures_per_address: 4,
            ..ThrottleSettings::default()
        };
    }))
    .await;
    for user in ["a", "b", "c", "d"] {
        assert_eq!(authenticate(&test.app, user, "x").await.unwrap(), None);
    }
    assert!(matches!(
        authenticate(&test.app, "e", "x").await,
        Err(Error::Throttled { .. })
    ));
}

#[tokio::test]
async fn repeating_one_wrong_password_is_not_guessing() {
    let test = TestApp::start().await;
    for _ in 0..200 {
        assert_eq!(
            authenticate(&test.app, "root", "outdated").await.unwrap(),
            None
        );
    }
    assert!(who(&test.app, "root", ROOT_PASSWORD).await.is_some());
}

#[tokio::test]
async fn empty_passwords_are_for_devpi_only() {
    let empty = object(json!({"password": ""}));
    let strict = TestApp::start().await;
    assert_eq!(
        told(strict.app.create_user(&root(), "bob", &empty).await),
        "invalid: the password must not be empty"
    );
    let lenient = TestApp::with(with_auth(|auth| auth.allow_empty_password = true)).await;
    lenient
        .app
        .create_user(&root(), "bob", &empty)
        .await
        .unwrap();
    assert!(who(&lenient.app, "bob", "").await.is_some());
    assert!(lenient.app.login("bob", &"".into(), HOME).await.is_ok());
    // As over the API, by root or by whoever it is about.
    let changed = lenient
        .app
        .update_user(&root(), "root", &empty)
        .await
        .unwrap();
    assert!(changed.new_login.is_some());
    assert!(lenient.app.login("root", &"".into(), HOME).await.is_ok());
    assert!(who(&lenient.app, "root", ROOT_PASSWORD).await.is_none());
}

#[tokio::test]
async fn a_password_cannot_look_like_a_token_or_be_endless() {
    let test = TestApp::start().await;
    let token = token_of(&test.app, "root", ROOT_PASSWORD).await;
    assert_eq!(
        told(test.app.set_password("root", &token.into()).await),
        "invalid: the password must not look like a token"
    );
    let endless = "x".repeat(1025);
    assert_eq!(
        told(
            test.app
                .set_password("root", &endless.as_str().into())
                .await
        ),
        "invalid: the password must not be longer than 1024 bytes"
    );
    assert_eq!(who(&test.app, "root", &endless).await, None);
}

#[tokio::test]
async fn a_hash_of_another_cost_is_rewritten_at_login() {
    let test = TestApp::start().await;
    // Made with m=256, t=2, p=1 by argon2's reference implementation would look just so; here
    // another app with other settings makes it.
    let elsewhere = TestApp::with(with_auth(|auth| {
        auth.argon2 = Argon2Cost {
            memory_kib: 256,
            iterations: 2,
            parallelism: 1,
        };
    }))
    .await;
    let hash = elsewhere
        .app
        .directory()
        .user("root")
        .unwrap()
        .password_hash
        .clone()
        .unwrap();
    let body = object(json!({"password": "ignored", "pwhash": hash}));
    test.app.create_user(&root(), "bob", &body).await.unwrap();
    assert_eq!(stored(&test.app, "bob"), hash, "taken as it is");
    assert!(who(&test.app, "bob", "ignored").await.is_none());

    let token = token_of(&test.app, "bob", ROOT_PASSWORD).await;
    assert!(stored(&test.app, "bob").starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert!(who(&test.app, "bob", &token).await.is_some());
    assert!(who(&test.app, "bob", ROOT_PASSWORD).await.is_some());
}

/// What an import of an old devpi-server leaves behind; the forms themselves are tested where they are
/// read.
#[tokio::test]
async fn a_salted_digest_of_an_old_devpi_server_is_rewritten_at_login() {
    let test = TestApp::start().await;
    test.user("bob").await;
    let mut bob = User::clone(test.app.directory().user("bob").unwrap());
    bob.password_hash = Some(
        "AAECAwQFBgcICQoLDA0ODw==:\
         55fa5b9719d755667687ee226852043ea27f5766e8b3b70c06175c9a99039e5a"
            .to_owned(),
    );
    let origin = Origin {
        actor: "import".to_owned(),
        address: None,
    };
    test.database
        .write::<_, Error, _>(origin, move |tx| {
            Box::pin(async move {
                users::update(tx, &bob).await?;
                tx.record(Event::of_user(
                    EventKind::PasswordChanged,
                    &bob.name,
                    json!({}),
                ));
                Ok(())
            })
        })
        .await
        .unwrap();
    // Written past the app, as by another process: creating somebody makes it read anew.
    test.user("eve").await;
    assert!(who(&test.app, "bob", "bob-secret").await.is_none());
    assert!(who(&test.app, "bob", "pässword").await.is_some());
    token_of(&test.app, "bob", "pässword").await;
    assert!(stored(&test.app, "bob").starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert!(who(&test.app, "bob", "pässword").await.is_some());
    // Nobody sets such a hash over the API: it is quick to guess.
    let body = object(json!({
        "password": "ignored",
        "pwhash": "salt:55fa5b9719d755667687ee226852043ea27f5766e8b3b70c06175c9a99039e5a",
    }));
    assert!(
        test.app
            .create_user(&root(), "mallory", &body)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_hash_that_nobody_can_afford_is_refused() {
    let test = TestApp::start().await;
    let hash = "$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA\
                $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let body = object(json!({"password": "x", "pwhash": hash}));
    let told = told(test.app.create_user(&root(), "bob", &body).await);
    assert!(
        told.starts_with("invalid: pwhash is not an argon2 hash"),
        "{told}"
    );
}

#[tokio::test]
async fn the_first_start_makes_root_and_the_mirror_once() {
    let test = TestApp::start().await;
    let again = test
        .app
        .ensure_root(&"other".into(), Some("http://localhost/simple/"))
        .await
        .unwrap();
    assert_eq!(again, FirstStart::AlreadyThere);
    assert!(who(&test.app, "root", "other").await.is_none());
    assert!(test.app.directory().index("root", "pypi").is_none());

    let fresh = TestApp::bare().await;
    let first = fresh
        .app
        .ensure_root(&"first".into(), Some("http://localhost:9/simple/"))
        .await
        .unwrap();
    assert_eq!(first, FirstStart::Created);
    let mirror = fresh.app.index(&root(), &index("root/pypi")).await.unwrap();
    let shown = serde_json::to_value(mirror.config.to_json()).unwrap();
    assert_eq!(
        shown,
        json!({
            "type": "mirror",
            "volatile": false,
            "title": "PyPI",
            "mirror_url": "http://localhost:9/simple/",
            "mirror_web_url_fmt": "http://localhost:9/project/{name}/",
        })
    );
}

#[tokio::test]
async fn root_may_come_with_a_hash_that_was_made_elsewhere() {
    let fresh = TestApp::bare().await;
    for wrong in [
        "bogus",
        "$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    ] {
        let refused = fresh.app.ensure_root_with_hash(&wrong.into(), None).await;
        assert!(
            told(refused).starts_with("invalid: pwhash is not"),
            "{wrong}"
        );
    }
    assert!(fresh.app.directory().user("root").is_none());

    let elsewhere = TestApp::start().await;
    let directory = elsewhere.app.directory();
    let known = directory.user("root").unwrap();
    let hash = known.password_hash.clone().unwrap().into();
    let first = fresh.app.ensure_root_with_hash(&hash, None).await.unwrap();
    assert_eq!(first, FirstStart::Created);
    assert!(
        who(&fresh.app, "root", crate::support::ROOT_PASSWORD)
            .await
            .is_some()
    );
    let again = fresh.app.ensure_root_with_hash(&hash, None).await.unwrap();
    assert_eq!(again, FirstStart::AlreadyThere);
}

#[tokio::test]
async fn nodes_that_start_together_agree_on_root_and_on_the_key() {
    let test = TestApp::bare_on_postgres().await;
    let other = test.second_node().await;
    let (one, two) = (&"first".into(), &"second".into());
    let (one, two) = tokio::join!(
        test.app.ensure_root(one, None),
        other.ensure_root(two, None)
    );
    let mut outcomes = [one.unwrap(), two.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome == FirstStart::Created);
    assert_eq!(outcomes, [FirstStart::AlreadyThere, FirstStart::Created]);
}

#[tokio::test]
async fn no_secret_stands_in_the_change_log() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.app
        .set_password("bob", &"changed-secret".into())
        .await
        .unwrap();
    for event in test.events().await {
        let detail = event.event.detail.to_string();
        assert!(
            !detail.contains("secret") && !detail.contains("argon2"),
            "{detail}"
        );
    }
}

fn stored(app: &App, user: &str) -> String {
    app.directory()
        .user(user)
        .unwrap()
        .password_hash
        .clone()
        .unwrap()
}

fn with_auth(change: impl FnOnce(&mut AuthSettings)) -> Settings {
    let mut settings = settings();
    change(&mut settings.auth);
    settings
}
