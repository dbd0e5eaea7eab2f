//! Every question stopped at each point where it waits, a change made meanwhile, and the question asked again: what
//! is answered then is what an app answers that remembers nothing. The same the other way round, the change stopped.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use cheeseshop_app::files::Purpose;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::removal::Force;
use cheeseshop_app::yank::YankTarget;
use cheeseshop_app::{App, Error};
use cheeseshop_domain::{Clock, FilePath};
use cheeseshop_test_support::{BuiltFile, Upstream, Wheel};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::publish::path_of;
use crate::support::{
    TestApp, anonymous, caller, credentials, forgiving_settings, index, object, project, root,
    settings, told, upload,
};

const JSON: PageOptions<'static> = PageOptions {
    representation: Representation::Json,
    encoding: Encoding::Identity,
    absolute_base: None,
};

/// More waits than any question or change has.
const MOST_WAITS: usize = 200;

/// What is asked: of an index anonymously, of a user with a password.
enum Question {
    Page(&'static str, &'static str),
    Projects(&'static str),
    File(&'static str, FilePath),
    Metadata(&'static str, FilePath),
    WhoIs(&'static str, &'static str),
}

impl Question {
    async fn ask(&self, app: &App) -> String {
        let answer = match self {
            Self::Page(..) | Self::Projects(_) => self.page(app).await,
            Self::File(..) | Self::Metadata(..) => self.file(app).await,
            Self::WhoIs(name, password) => app
                .authenticate(Some(&credentials(name, password)), None)
                .await
                .map(|known| known.actor()),
        };
        answer.unwrap_or_else(|error| told::<()>(Err(error)))
    }

    async fn page(&self, app: &App) -> Result<String, Error> {
        let page = match self {
            Self::Page(on, name) => {
                app.project_page(&anonymous(), &index(on), &project(name), &JSON)
                    .await?
            }
            Self::Projects(on) => app.project_list(&anonymous(), &index(on), &JSON).await?,
            _ => panic!("no page is asked for"),
        };
        Ok(text(&page.body(Encoding::Identity)))
    }

    async fn file(&self, app: &App) -> Result<String, Error> {
        let file = match self {
            Self::File(on, path) => {
                app.open_file(&anonymous(), &index(on), path, Purpose::Read)
                    .await?
            }
            Self::Metadata(on, path) => {
                app.open_core_metadata(&anonymous(), &index(on), path)
                    .await?
            }
            _ => panic!("no file is asked for"),
        };
        let chunks: Vec<_> = file.read_all().try_collect().await.unwrap();
        Ok(text(&chunks.concat()))
    }

    /// The answer out of memory, if there is one.
    fn remembered(&self, app: &App) -> Option<String> {
        let caller = anonymous();
        let (on, path) = match self {
            Self::Page(on, name) => {
                let (user, index) = on.split_once('/').unwrap();
                let page = app.cached_project_page(&caller, user, index, name, &JSON)?;
                return Some(text(&page.body(Encoding::Identity)));
            }
            Self::Projects(_) => return None,
            Self::File(on, path) => (on, path.to_string()),
            Self::Metadata(on, path) => (on, format!("{path}.metadata")),
            Self::WhoIs(name, password) => {
                let known = app.remembered_caller(&credentials(name, password), None)?;
                return Some(known.actor());
            }
        };
        let (user, index) = on.split_once('/').unwrap();
        let file = app.cached_file(&caller, user, index, &path)?;
        Some(text(&file.small().unwrap()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is changed, as root.
enum Change {
    Index(&'static str, Value),
    Upload(BuiltFile),
    RemoveProject(&'static str),
    RemoveFile(FilePath),
    Yank(&'static str),
    Unyank(&'static str),
    Password(&'static str, &'static str),
    CreateUser(&'static str),
    RemoveUser(&'static str),
}

impl Change {
    async fn make(&self, app: &App) {
        let (root, dev) = (root(), index("root/dev"));
        let release = YankTarget::Release("1.0".to_owned());
        match self {
            Self::Index(name, config) => {
                let patch = IndexPatch::Object(object(config.clone()));
                app.update_index(&root, &index(name), &patch, NoChange::Refuse)
                    .await
                    .unwrap();
            }
            Self::Upload(file) => drop(upload(app, &root, &dev, file).await.unwrap()),
            Self::RemoveProject(name) => app
                .remove_project(&root, &dev, &project(name), Force::No)
                .await
                .unwrap(),
            Self::RemoveFile(path) => app.remove_file(&root, &dev, path, Force::No).await.unwrap(),
            Self::Yank(name) => drop(
                app.yank(&root, &dev, &project(name), &release, None)
                    .await
                    .unwrap(),
            ),
            Self::Unyank(name) => drop(
                app.unyank(&root, &dev, &project(name), &release)
                    .await
                    .unwrap(),
            ),
            Self::Password(name, password) => {
                let body = object(json!({ "password": password }));
                app.update_user(&caller(name), name, &body).await.unwrap();
            }
            Self::CreateUser(name) => {
                let body = object(json!({"password": format!("{name}-secret")}));
                app.create_user(&root, name, &body).await.unwrap();
            }
            Self::RemoveUser(name) => app.remove_user(&root, name).await.unwrap(),
        }
    }
}

/// `root/team` inherits `root/dev`, which is ours, and a mirror; `root/c` shows a part of that.
struct World {
    test: TestApp,
    _upstream: Upstream,
    wheel: BuiltFile,
    questions: Vec<Question>,
}

impl World {
    async fn start() -> Self {
        let test = TestApp::with(forgiving_settings()).await;
        let upstream = Upstream::start().await;
        let theirs = ["flask", "django"].map(|name| Wheel::named(name).version("2.0").build());
        for file in &theirs {
            upstream.publish(file);
        }
        let mirror = json!({"type": "mirror", "mirror_url": upstream.url()});
        test.index("root/mirror", mirror).await;
        test.index("root/dev", json!({})).await;
        let team = json!({
            "bases": ["root/dev", "root/mirror"],
            "mirror_whitelist_inheritance": "union",
        });
        test.index("root/team", team).await;
        let shown = json!({"type": "constrained", "bases": ["root/team"], "constraints": []});
        test.index("root/c", shown).await;
        for name in ["alice", "bob"] {
            test.user(name).await;
        }
        let wheel = Wheel::named("mypkg").version("1.0").build();
        let ours = Wheel::named("django").version("1.0").build();
        for file in [&wheel, &ours] {
            test.upload(&root(), &index("root/dev"), file)
                .await
                .unwrap();
        }
        let mut questions = vec![
            Question::WhoIs("alice", "alice-secret"),
            Question::WhoIs("alice", "changed"),
            Question::WhoIs("bob", "bob-secret"),
        ];
        for on in ["root/team", "root/c"] {
            questions.push(Question::Projects(on));
            for name in ["mypkg", "flask", "django"] {
                questions.push(Question::Page(on, name));
            }
            for file in [&wheel, &theirs[0], &theirs[1]] {
                questions.push(Question::File(on, path_of(file)));
            }
            questions.push(Question::Metadata(on, path_of(&wheel)));
        }
        Self {
            test,
            _upstream: upstream,
            wheel,
            questions,
        }
    }

    /// What an app answers that has just been opened.
    async fn expected(&self) -> Vec<String> {
        self.test.app.settle().await;
        let clock: Arc<dyn Clock> = Arc::clone(&self.test.clock) as Arc<dyn Clock>;
        let (database, blobs) = (self.test.database.clone(), self.test.blobs.clone());
        let fresh = App::open(database, blobs, clock, settings()).await.unwrap();
        let answers = join_all(self.questions.iter().map(|question| question.ask(&fresh))).await;
        fresh.settle().await;
        answers
    }

    async fn check(&self, expected: &[String], told: &str) {
        let app = &self.test.app;
        for (question, expected) in self.questions.iter().zip(expected) {
            // Before anything is asked that could put it right.
            let remembered = question.remembered(app);
            assert_eq!(remembered.as_ref().unwrap_or(expected), expected, "{told}");
            assert_eq!(&question.ask(app).await, expected, "{told}");
        }
    }

    /// Makes a change and takes it back, with each question stopped at each of its waits, and then with the change
    /// stopped at each of its own.
    async fn goes_to_and_fro(&self, there: Change, back: Change) {
        let app = &self.test.app;
        let before = self.expected().await;
        there.make(app).await;
        let after = self.expected().await;
        assert_ne!(before, after, "a change that nobody sees");
        self.check(&after, "at rest").await;
        back.make(app).await;
        self.check(&before, "at rest").await;
        // Made and taken back before each look: what is remembered answers without a wait.
        let ways = [(&there, &back, &after), (&back, &there, &before)];

        // A few at a time: whoever is stopped may hold one of the connections that all share.
        for questions in self.questions.chunks(4) {
            let mut questions_wait = true;
            for waits in 0..MOST_WAITS {
                if !questions_wait {
                    break;
                }
                for (change, opposite, expected) in ways {
                    change.make(app).await;
                    opposite.make(app).await;
                    let mut asked: Vec<_> = questions
                        .iter()
                        .map(|question| Box::pin(question.ask(app)))
                        .collect();
                    let answers = asked.iter_mut().map(|asked| come_to(asked.as_mut(), waits));
                    let answered = join_all(answers).await;
                    questions_wait = answered.iter().any(Option::is_none);
                    change.make(app).await;
                    let late = asked.into_iter().zip(answered);
                    let late = late.filter(|(_, answer)| answer.is_none());
                    join_all(late.map(|(asked, _)| asked)).await;
                    self.check(
                        expected,
                        &format!("questions that had waited {waits} times"),
                    )
                    .await;
                }
            }
            assert!(!questions_wait, "some question waits without an end");
        }

        let mut change_waits = true;
        for waits in 0..MOST_WAITS {
            if !change_waits {
                break;
            }
            for (change, opposite, expected) in ways {
                change.make(app).await;
                opposite.make(app).await;
                let mut making = Box::pin(change.make(app));
                let made = come_to(making.as_mut(), waits).await;
                join_all(self.questions.iter().map(|question| question.ask(app))).await;
                change_waits = made.is_none();
                if change_waits {
                    making.await;
                }
                self.check(expected, &format!("a change that had waited {waits} times"))
                    .await;
            }
        }
        assert!(!change_waits, "the change waits without an end");
    }
}

/// Drives a future until it has waited so often and would wait once more; its answer, if it comes before.
pub(crate) async fn come_to<F: Future>(mut future: Pin<&mut F>, waits: usize) -> Option<F::Output> {
    let mut left = waits;
    poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_file_whose_bytes_are_removed_on_the_way_to_them_is_whole_or_gone() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").version("1.0").build();
    let path = path_of(&wheel);
    let mut is_on_its_way = true;
    for waits in 0..MOST_WAITS {
        if !is_on_its_way {
            break;
        }
        test.upload(&root(), &dev, &wheel).await.unwrap();
        let caller = anonymous();
        let opening = test.app.open_file(&caller, &dev, &path, Purpose::Read);
        let mut opening = Box::pin(opening);
        let opened = come_to(opening.as_mut(), waits).await;
        is_on_its_way = opened.is_none();
        test.app
            .remove_file(&root(), &dev, &path, Force::No)
            .await
            .unwrap();
        test.collect_garbage().await;
        let opened = match opened {
            Some(opened) => opened,
            None => opening.await,
        };
        match opened {
            Ok(file) => {
                let chunks: Vec<_> = file.read_all().try_collect().await.unwrap();
                assert_eq!(chunks.concat(), wheel.bytes);
            }
            gone => assert_eq!(told(gone), "gone: file existed, deleted in later serial"),
        }
    }
    assert!(!is_on_its_way, "it waits without an end");
}

#[tokio::test]
async fn an_index_that_is_closed_or_opened() {
    let world = World::start().await;
    let readers = |who: &str| Change::Index("root/dev", json!({"acl_read": [who]}));
    world
        .goes_to_and_fro(readers("root"), readers(":ANONYMOUS:"))
        .await;
}

#[tokio::test]
async fn bases_that_come_and_go() {
    let world = World::start().await;
    let bases = |bases: Value| Change::Index("root/team", json!({"bases": bases}));
    world
        .goes_to_and_fro(
            bases(json!(["root/mirror"])),
            bases(json!(["root/dev", "root/mirror"])),
        )
        .await;
}

#[tokio::test]
async fn constraints_that_come_and_go() {
    let world = World::start().await;
    let constraints = |lines: Value| Change::Index("root/c", json!({"constraints": lines}));
    world
        .goes_to_and_fro(
            constraints(json!(["mypkg>9", "flask>9", "django>9"])),
            constraints(json!([])),
        )
        .await;
}

#[tokio::test]
async fn a_private_name_that_is_let_through_and_not() {
    let world = World::start().await;
    let whitelist = |names: Value| Change::Index("root/dev", json!({"mirror_whitelist": names}));
    world
        .goes_to_and_fro(whitelist(json!(["django"])), whitelist(json!([])))
        .await;
}

#[tokio::test]
async fn a_private_name_that_comes_and_goes() {
    let world = World::start().await;
    let private = Wheel::named("flask").version("1.0").build();
    world
        .goes_to_and_fro(Change::Upload(private), Change::RemoveProject("flask"))
        .await;
}

#[tokio::test]
async fn a_file_that_goes_and_comes_back() {
    let world = World::start().await;
    world
        .goes_to_and_fro(
            Change::RemoveFile(path_of(&world.wheel)),
            Change::Upload(world.wheel.clone()),
        )
        .await;
}

#[tokio::test]
async fn a_release_that_is_yanked_and_not() {
    let world = World::start().await;
    world
        .goes_to_and_fro(Change::Yank("mypkg"), Change::Unyank("mypkg"))
        .await;
}

#[tokio::test]
async fn a_password_that_is_changed() {
    let world = World::start().await;
    world
        .goes_to_and_fro(
            Change::Password("alice", "changed"),
            Change::Password("alice", "alice-secret"),
        )
        .await;
}

#[tokio::test]
async fn a_user_who_goes_and_comes_back() {
    let world = World::start().await;
    world
        .goes_to_and_fro(Change::RemoveUser("bob"), Change::CreateUser("bob"))
        .await;
}
