//! Changes of users and indexes beside requests that began before them.

use std::time::Duration;

use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::removal::Force;
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_storage::Origin;
use cheeseshop_storage::database::indexes;
use cheeseshop_test_support::{Fault, Gate, Upstream, Wheel};
use futures_util::{FutureExt as _, poll};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::interleaved::come_to;
use crate::support::{TestApp, anonymous, index, object, project, root, told};

const JSON: PageOptions<'static> = PageOptions {
    representation: Representation::Json,
    encoding: Encoding::Identity,
    absolute_base: None,
};

async fn patch(test: &TestApp, index: &IndexName, config: Value) {
    let patch = IndexPatch::Object(object(config));
    test.app
        .update_index(&root(), index, &patch, NoChange::Accept)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reader_who_waited_while_a_base_was_opened_for_them_leaves_nothing_for_others() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").version("1.0").build());
    let gate = Gate::closed();
    upstream.fault(&upstream.project_path("flask"), Fault::Hang(gate.clone()));
    let bob = test.user("bob").await;
    test.index(
        "root/mirror",
        json!({"type": "mirror", "mirror_url": upstream.url()}),
    )
    .await;
    let hidden = json!({"acl_read": ["root"], "acl_upload": ["root"]});
    let secret = test.index("root/secret", hidden).await;
    let dev = test
        .index(
            "root/dev",
            json!({"bases": ["root/secret", "root/mirror"], "mirror_whitelist": ["*"]}),
        )
        .await;
    let private = Wheel::named("flask").version("2.0").build();
    test.upload(&root(), &secret, &private).await.unwrap();

    // The first one makes the page and waits for the upstream; bob, who sees as much as they
    // do, waits for them.
    let flask = project("flask");
    let app = test.app.clone();
    let (page_index, page_project) = (dev.clone(), flask.clone());
    let first = tokio::spawn(async move {
        app.project_page(&anonymous(), &page_index, &page_project, &JSON)
            .await
    });
    gate.wait_for_arrivals(1).await;
    let mut second = Box::pin(test.app.project_page(&bob, &dev, &flask, &JSON));
    assert!(poll!(&mut second).is_pending());
    patch(&test, &secret, json!({"acl_read": ["bob"]})).await;
    gate.open();
    first.await.unwrap().unwrap();
    second.await.unwrap();

    let seen = test.files(&anonymous(), &dev, "flask").await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(test.files(&bob, &dev, "flask").await.len(), 2);
}

#[tokio::test]
async fn a_change_shows_although_whoever_made_it_did_not_wait() {
    let test = TestApp::start().await;
    let alice = test.user("alice").await;
    let dev = test.index("alice/dev", json!({})).await;
    let uploads = test.index("alice/uploads", json!({})).await;
    for more_polls in 0..25 {
        let closed = more_polls % 2 == 0;
        let readers = if closed { "alice" } else { ":ANONYMOUS:" };
        let config = IndexPatch::Object(object(json!({"acl_read": [readers]})));
        let mut change = Box::pin(
            test.app
                .update_index(&alice, &dev, &config, NoChange::Accept)
                .fuse(),
        );
        // Until it is durable, and then a little further each time.
        while poll!(&mut change).is_pending() {
            let mut reader = test.database.reader().await.unwrap();
            let stored = indexes::find(&mut reader, &dev).await.unwrap().unwrap();
            if stored.config.acl_read.admits(&anonymous()) != closed {
                break;
            }
        }
        for _ in 0..more_polls {
            let _ = poll!(&mut change);
            tokio::task::yield_now().await;
        }
        drop(change);
        // Some other change is acknowledged: whatever came before it shows from here on.
        let wheel = Wheel::named("other").version(&format!("{more_polls}.0"));
        test.upload(&alice, &uploads, &wheel.build()).await.unwrap();
        let seen = test.app.readable_index(&anonymous(), &dev).is_ok();
        assert_eq!(seen, !closed, "after {more_polls} polls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_was_told_that_a_user_is_made_finds_them_although_others_are_made_too() {
    let test = TestApp::start().await;
    let made = (0..8).map(|maker| {
        let app = test.app.clone();
        tokio::spawn(async move {
            for number in 0..25 {
                let name = format!("user{maker}-{number}");
                let body = object(json!({"password": "secret"}));
                app.create_user(&root(), &name, &body).await.unwrap();
                assert!(app.directory().user(&name).is_some(), "{name}");
            }
        })
    });
    for maker in made.collect::<Vec<_>>() {
        maker.await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_is_called_as_parts_of_the_server_are_finds_what_they_change() {
    for name in ["mirror", "import", "system", "anonymous"] {
        let test = TestApp::start().await;
        let user = test.user(name).await;
        let (password, changed) = (format!("{name}-secret"), "another-secret");
        let dev = index(&format!("{name}/dev"));
        let app = &test.app;
        app.create_index(&user, &dev, &object(json!({})))
            .await
            .unwrap();
        for release in 1..=2 {
            let wheel = Wheel::named("mypkg").version(&format!("{release}.0"));
            test.upload(&user, &dev, &wheel.build()).await.unwrap();
            assert_eq!(test.files(&user, &dev, "mypkg").await.len(), release);
        }
        let closed = IndexPatch::Object(object(json!({"acl_read": [name]})));
        app.update_index(&user, &dev, &closed, NoChange::Accept)
            .await
            .unwrap();
        assert!(app.readable_index(&anonymous(), &dev).is_err(), "{name}");
        app.login(name, &password.as_str().into(), None)
            .await
            .unwrap();
        let body = object(json!({ "password": changed }));
        app.update_user(&user, name, &body).await.unwrap();
        let old = app.login(name, &password.into(), None).await;
        assert!(old.is_err(), "{name}");
        app.login(name, &changed.into(), None).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_is_told_of_a_change_that_does_not_show_because_all_connections_are_busy() {
    let test = TestApp::with_one_reader(2).await;
    let busy = test.database.reader().await.unwrap();
    let body = object(json!({"password": "secret"}));
    let root = root();
    let mut creation = Box::pin(test.app.create_user(&root, "alice", &body));
    // Longer than a reader waits once, and by far not as long as until it is given up.
    let told = tokio::time::timeout(Duration::from_secs(3), &mut creation).await;
    assert!(told.is_err(), "{told:?}");
    drop(busy);
    creation.await.unwrap();
    assert!(test.app.directory().user("alice").is_some());
}

#[tokio::test]
async fn what_was_meant_for_a_user_does_not_happen_to_the_next_one_of_that_name() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let body = object(json!({"password": "taken-over"}));
    for _ in 0..5 {
        let mut change = Box::pin(test.app.update_user(&bob, "bob", &body));
        // The new password is being hashed, or on a busy machine already on its way to the former user.
        assert!(come_to(change.as_mut(), 0).await.is_none());
        test.app.remove_user(&root(), "bob").await.unwrap();
        test.user("bob").await;
        let _ = change.await;
        let password = "bob-secret".into();
        let login = test.app.login("bob", &password, None).await;
        assert!(login.is_ok(), "{login:?}");
    }
}

/// Keeps the write queue busy until the sender is used.
async fn occupy_the_write_queue(test: &TestApp) -> oneshot::Sender<()> {
    let (free, freed) = oneshot::channel::<()>();
    let (began, start) = oneshot::channel();
    let database = test.database.clone();
    tokio::spawn(async move {
        let origin = Origin {
            actor: "test".to_owned(),
            address: None,
        };
        database
            .write::<_, cheeseshop_app::Error, _>(origin, move |_| {
                Box::pin(async move {
                    let _ = began.send(());
                    let _ = freed.await;
                    Ok(())
                })
            })
            .await
    });
    start.await.unwrap();
    free
}

#[tokio::test]
async fn a_removal_that_waits_behind_the_loss_of_the_right_is_refused() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = test
        .index("root/dev", json!({"acl_upload": ["root", "bob"]}))
        .await;
    let wheel = Wheel::named("mypkg").build();
    test.upload(&root(), &dev, &wheel).await.unwrap();

    let remove: [fn(&TestApp, Caller, IndexName) -> Removal; 2] = [
        |test, bob, dev| {
            let app = test.app.clone();
            Box::pin(async move {
                app.remove_project(&bob, &dev, &project("mypkg"), Force::No)
                    .await
            })
        },
        |test, bob, dev| {
            let app = test.app.clone();
            Box::pin(async move {
                app.remove_release(&bob, &dev, &project("mypkg"), "1.0", Force::No)
                    .await
            })
        },
    ];
    for remove in remove {
        patch(&test, &dev, json!({"acl_upload": ["root", "bob"]})).await;
        let free = occupy_the_write_queue(&test).await;
        let mut loss = Box::pin(patch(&test, &dev, json!({"acl_upload": ["root"]})));
        assert!(poll!(&mut loss).is_pending());
        let mut removal = remove(&test, bob.clone(), dev.clone());
        assert!(poll!(&mut removal).is_pending());
        free.send(()).unwrap();
        loss.await;
        let refused = removal.await;
        assert!(
            matches!(refused, Err(cheeseshop_app::Error::Forbidden(_))),
            "{refused:?}"
        );
        assert_eq!(test.files(&root(), &dev, "mypkg").await.len(), 1);
    }
}

#[tokio::test]
async fn a_push_that_waits_behind_the_loss_of_the_right_to_read_copies_nothing() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let secret = test
        .index("root/secret", json!({"acl_read": ["root", "bob"]}))
        .await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").version("1.0").build();
    test.upload(&root(), &secret, &wheel).await.unwrap();
    let body = object(json!({"name": "mypkg", "version": "1.0", "targetindex": "bob/dev"}));
    let request = PushRequest::parse(&body).unwrap();

    let free = occupy_the_write_queue(&test).await;
    let mut loss = Box::pin(patch(&test, &secret, json!({"acl_read": ["root"]})));
    assert!(poll!(&mut loss).is_pending());
    let mut push = Box::pin(test.app.push(&bob, &secret, &request));
    assert!(poll!(&mut push).is_pending());
    free.send(()).unwrap();
    loss.await;
    assert_eq!(
        told(push.await),
        "not found: The stage root/secret could not be found."
    );
    assert_eq!(test.files(&bob, &dev, "mypkg").await, [""; 0]);
}

type Removal = futures_util::future::BoxFuture<'static, Result<(), cheeseshop_app::Error>>;
