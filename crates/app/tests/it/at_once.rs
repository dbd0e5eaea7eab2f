//! Many clients at once, each of whom compares what they see with what they, or others, were told before they asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cheeseshop_app::App;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::removal::Force;
use cheeseshop_test_support::Wheel;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::publish::path_of;
use crate::support::{
    TestApp, anonymous, caller, credentials, forgiving_settings, index, object, project, root,
    upload,
};

const JSON: PageOptions<'static> = PageOptions {
    representation: Representation::Json,
    encoding: Encoding::Identity,
    absolute_base: None,
};

/// Something that goes to and fro between two states. Odd: nobody has been told yet.
#[derive(Default)]
struct Switch {
    turns: AtomicU64,
    is_over: AtomicBool,
}

impl Switch {
    /// Makes a change that is told when it comes back.
    async fn turn(&self, change: impl Future<Output = ()>) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        change.await;
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks again and again until it is over. `ask` is told whether the switch is on, unless it was turned meanwhile.
    async fn watch<T, F: Future<Output = T>>(
        &self,
        mut ask: impl FnMut() -> F,
        judge: impl Fn(bool, T),
    ) {
        while !self.is_over.load(Ordering::SeqCst) {
            let before = self.turns.load(Ordering::SeqCst);
            let answer = ask().await;
            if before.is_multiple_of(2) && self.turns.load(Ordering::SeqCst) == before {
                judge(before / 2 % 2 == 1, answer);
            }
            tokio::task::yield_now().await;
        }
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

async fn all(tasks: impl IntoIterator<Item = JoinHandle<()>>) {
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_downloads_while_an_index_is_closed_gets_nothing_once_it_is_told() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").version("1.0").build();
    test.upload(&root(), &dev, &wheel).await.unwrap();
    let closed = Arc::new(Switch::default());
    let readers = (0..8).map(|reader| {
        let (app, closed, dev) = (test.app.clone(), Arc::clone(&closed), dev.clone());
        let path = path_of(&wheel);
        tokio::spawn(async move {
            let spelled = path.to_string();
            let ask = async || {
                let hot = app.cached_file(&anonymous(), "root", "dev", &spelled);
                if reader % 2 == 0 && hot.is_some() {
                    return true;
                }
                app.open_file(&anonymous(), &dev, &path, Purpose::Read)
                    .await
                    .is_ok()
            };
            closed
                .watch(ask, |is_closed, served| assert_eq!(served, !is_closed))
                .await;
        })
    });
    let readers: Vec<_> = readers.collect();
    for turn in 0..40 {
        let who = ["root", ":ANONYMOUS:"][turn % 2];
        let patch = IndexPatch::Object(object(json!({"acl_read": [who]})));
        let change = async {
            test.app
                .update_index(&root(), &dev, &patch, NoChange::Refuse)
                .await
                .unwrap();
        };
        closed.turn(change).await;
        // What is derived from it gets a chance to be wrong.
        test.app
            .project_page(&root(), &dev, &project("mypkg"), &JSON)
            .await
            .unwrap();
    }
    closed.end();
    all(readers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_is_removed_while_it_is_used_proves_nobody_once_it_is_told() {
    let test = TestApp::with(forgiving_settings()).await;
    let holders = (0..6).map(|holder| {
        let app = test.app.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                let name = format!("user{holder}-{round}");
                let body = object(json!({"password": "secret"}));
                app.create_user(&root(), &name, &body).await.unwrap();
                let user = caller(&name);
                let created = app.create_token(&user, &name, &object(json!({}))).await;
                let created = created.unwrap();
                let token = credentials("__token__", created.text.expose_secret());
                let is_removed = Arc::new(Switch::default());
                let users = (0..3).map(|_| {
                    let (app, token) = (app.clone(), token.clone());
                    let is_removed = Arc::clone(&is_removed);
                    tokio::spawn(async move {
                        let ask = async || {
                            app.remembered_caller(&token, None).is_some()
                                || app.authenticate(Some(&token), None).await.is_ok()
                        };
                        let judge = |removed: bool, holds: bool| assert_eq!(holds, !removed);
                        is_removed.watch(ask, judge).await;
                    })
                });
                let users: Vec<_> = users.collect();
                app.authenticate(Some(&token), None).await.unwrap();
                let removal = async {
                    app.remove_token(&user, &name, &created.id).await.unwrap();
                };
                is_removed.turn(removal).await;
                assert!(app.remembered_caller(&token, None).is_none());
                assert!(app.authenticate(Some(&token), None).await.is_err());
                is_removed.end();
                all(users).await;
            }
        })
    });
    all(holders.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_logs_in_while_their_user_is_removed_is_nobody_once_it_is_told() {
    let test = TestApp::with(forgiving_settings()).await;
    let users = (0..4).map(|number| {
        let app = test.app.clone();
        tokio::spawn(async move {
            let name = format!("user{number}");
            let is_there = Arc::new(Switch::default());
            let logins = (0..3).map(|_| {
                let (app, is_there, name) = (app.clone(), Arc::clone(&is_there), name.clone());
                tokio::spawn(async move {
                    let ask = async || logs_in(&app, &name, "secret").await;
                    let judge = |is_there: bool, known: bool| assert_eq!(known, is_there);
                    is_there.watch(ask, judge).await;
                })
            });
            let logins: Vec<_> = logins.collect();
            for _ in 0..10 {
                let body = object(json!({"password": "secret"}));
                let created = async {
                    app.create_user(&root(), &name, &body).await.unwrap();
                };
                is_there.turn(created).await;
                let password = "secret".into();
                let login = app.login(&name, &password, None).await.unwrap();
                let token = credentials(&name, login.token.expose_secret());
                assert!(app.remembered_caller(&token, None).is_some());
                let removed = async { app.remove_user(&root(), &name).await.unwrap() };
                is_there.turn(removed).await;
                assert!(app.remembered_caller(&token, None).is_none());
                assert!(
                    app.authenticate(Some(&token), None)
                        .await
                        .unwrap()
                        .is_anonymous()
                );
            }
            is_there.end();
            all(logins).await;
        })
    });
    all(users.collect::<Vec<_>>()).await;
}

/// Whether the password holds. Guesses of one who is not there are throttled, and then it does not.
async fn logs_in(app: &App, name: &str, password: &str) -> bool {
    let sent = credentials(name, password);
    app.remembered_caller(&sent, None).is_some()
        || matches!(app.authenticate(Some(&sent), None).await, Ok(known) if !known.is_anonymous())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_uploaded_or_removed_shows_on_pages_and_lists_that_all_share() {
    for test in TestApp::on_each_database().await {
        test.index("root/dev", json!({})).await;
        let team = test
            .index("root/team", json!({"bases": ["root/dev"]}))
            .await;
        let uploaders = (0..6).map(|uploader| {
            let (app, dev, team) = (test.app.clone(), index("root/dev"), team.clone());
            tokio::spawn(async move {
                let name = project(&format!("pkg{uploader}"));
                for _ in 0..6 {
                    let wheel = Wheel::named(name.normalized()).version("1.0").build();
                    upload(&app, &root(), &dev, &wheel).await.unwrap();
                    assert!(is_listed(&app, name.normalized()).await, "{name}");
                    let page = app.project_page(&anonymous(), &team, &name, &JSON).await;
                    page.unwrap();
                    let path = path_of(&wheel);
                    let opened = app
                        .open_file(&anonymous(), &team, &path, Purpose::Read)
                        .await;
                    opened.unwrap();
                    app.remove_project(&root(), &dev, &name, Force::No)
                        .await
                        .unwrap();
                    assert!(!is_listed(&app, name.normalized()).await, "{name}");
                    let page = app.project_page(&anonymous(), &team, &name, &JSON).await;
                    assert!(page.is_err(), "{name}");
                    let hot = app.cached_file(&anonymous(), "root", "team", &path.to_string());
                    assert!(hot.is_none(), "{name}");
                    let opened = app
                        .open_file(&anonymous(), &team, &path, Purpose::Read)
                        .await;
                    assert!(opened.is_err(), "{name}");
                }
            })
        });
        all(uploaders.collect::<Vec<_>>()).await;
    }
}

async fn is_listed(app: &App, name: &str) -> bool {
    let page = app
        .project_list(&anonymous(), &index("root/team"), &JSON)
        .await
        .unwrap();
    let body = page.body(Encoding::Identity);
    let list: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let projects = list["projects"].as_array().unwrap();
    projects.iter().any(|project| project["name"] == name)
}
