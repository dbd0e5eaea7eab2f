//! kill -9 in the middle of many uploads: what was acknowledged is there, whole and with the right
//! digest, and nothing is half visible.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cheeseshop_test_support::{Wheel, postgres};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Api, Home, Server};

/// How often the server is killed.
const ROUNDS: usize = 6;

/// Clients that upload at the same time.
const UPLOADERS: usize = 8;

/// The least and most acknowledged uploads of a round before the kill.
const ACKNOWLEDGED: std::ops::Range<usize> = 30..120;

/// Projects that the uploads go to; few, so that they meet.
const PROJECTS: usize = 5;

const INDEX: &str = "bob/dev";

const PASSWORD: &str = "pw";

/// File names with their SHA-256, as the server has acknowledged them.
type Acknowledged = Arc<Mutex<BTreeMap<String, String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_uploads_survive_kill_9_on_sqlite() {
    survive(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_uploads_survive_kill_9_on_postgresql() {
    let database = postgres().await;
    survive(&["--database-url", &database.url]).await;
}

async fn survive(arguments: &[&str]) {
    let home = Home::new();
    let mut random = Random::new();
    let acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let server = Server::start(&home, arguments);
        if server.root_password.is_some() {
            let bob = server.new_user("bob", PASSWORD).await;
            bob.create_index(INDEX, &json!({"bases": [], "volatile": false}))
                .await;
        }
        verify(&server.anonymous(), &acknowledged).await;

        let bob = Api::login(&server.url, "bob", PASSWORD).await;
        let goal = random.within(&ACKNOWLEDGED);
        let (mut uploaders, reached) = upload_until(&bob, round, goal, &acknowledged);
        reached.await.unwrap();
        server.kill();
        while uploaders.join_next().await.is_some() {}
    }

    let server = Server::start(&home, arguments);
    verify(&server.anonymous(), &acknowledged).await;
    let total = acknowledged.lock().unwrap().len();
    assert!(total >= ROUNDS * ACKNOWLEDGED.start, "{total} uploads");
    server.stop();

    let mut audit = vec!["audit", "verify"];
    audit.extend(arguments);
    let output = home.run(&audit);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// Uploads until the server goes away. The receiver hears when `goal` are acknowledged.
fn upload_until(
    bob: &Api,
    round: usize,
    goal: usize,
    acknowledged: &Acknowledged,
) -> (JoinSet<()>, tokio::sync::oneshot::Receiver<()>) {
    let (sender, reached) = tokio::sync::oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let count = Arc::new(AtomicUsize::new(0));
    let mut uploaders = JoinSet::new();
    for uploader in 0..UPLOADERS {
        let bob = bob.clone();
        let acknowledged = Arc::clone(acknowledged);
        let sender = Arc::clone(&sender);
        let count = Arc::clone(&count);
        uploaders.spawn(async move {
            for number in 0.. {
                let wheel = Wheel::named(&format!("project{}", number % PROJECTS))
                    .version(&format!("{round}.{uploader}.{number}"))
                    // From below the size of a page to above that of a chunk.
                    .file("data.txt", vec![b'x'; 1 << (number % 20)])
                    .build();
                match bob.try_upload(INDEX, &wheel).await {
                    Ok(StatusCode::OK) => {}
                    Ok(status) => panic!("{}: {status}", wheel.name),
                    // The server is gone.
                    Err(_) => return,
                }
                acknowledged
                    .lock()
                    .unwrap()
                    .insert(wheel.name.clone(), wheel.sha256.clone());
                if count.fetch_add(1, Ordering::Relaxed) + 1 == goal {
                    let sender = sender.lock().unwrap().take().unwrap();
                    sender.send(()).unwrap();
                }
            }
        });
    }
    (uploaders, reached)
}

/// Every acknowledged file is listed, and every listed one is served with the listed digest.
async fn verify(api: &Api, acknowledged: &Acknowledged) {
    let mut missing = acknowledged.lock().unwrap().clone();
    for project in 0..PROJECTS {
        for file in api.files(INDEX, &format!("project{project}")).await {
            assert_eq!(api.digest_of(&file.url).await, file.sha256, "{}", file.name);
            if let Some(expected) = missing.remove(&file.name) {
                assert_eq!(file.sha256, expected, "{}", file.name);
            }
        }
    }
    assert_eq!(missing, BTreeMap::new(), "acknowledged and lost");
}

/// Chance: a different moment in every run, and the seed in the test's output.
struct Random(u64);

impl Random {
    fn new() -> Self {
        use std::hash::{BuildHasher as _, RandomState};

        let seed = RandomState::new().hash_one(0) | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn within(&mut self, range: &std::ops::Range<usize>) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        range.start + usize::try_from(self.0 % (range.len() as u64)).unwrap()
    }
}
