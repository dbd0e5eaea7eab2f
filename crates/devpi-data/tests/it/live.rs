//! A running devpi-server, followed.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cheeseshop_app::import::{ImportOptions, Outcome};
use cheeseshop_devpi_data::live::{
    Ended, FollowError, FollowNow, FollowOptions, Follower, SecretCost, Until,
};
use cheeseshop_test_support::{DevpiServer, Sdist, Wheel};
use secrecy::SecretSlice;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::devpi::{self, Devpi, docs, fill, fill_mirror};
use crate::here::{Here, clock};
use crate::picture::{assert_same, mirrored_here, of_devpi, of_here};

const SECRET: &str = "VGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHMgb25seSE=";

/// As test support starts servers.
const COST: SecretCost = SecretCost {
    memory: 8,
    time: 1,
    parallelism: 1,
};

/// A loaded machine takes many times as long as an idle one; after five minutes a test is ended from outside.
const DEADLINE: Duration = Duration::from_mins(4);

/// A primary that can be followed.
struct Primary {
    server: DevpiServer,
    devpi: Devpi,
    folder: TempDir,
}

impl Primary {
    fn start() -> Self {
        Self::start_as("primary")
    }

    fn start_as(role: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let secret = secret_file(folder.path());
        let options = ["--role", role, "--secretfile", &secret];
        let server = devpi::start(&folder.path().join("server"), &options);
        let devpi = Devpi::of(&server);
        Self {
            server,
            devpi,
            folder,
        }
    }

    fn options(&self, here: &Here) -> FollowOptions {
        FollowOptions {
            url: self.server.url().parse().unwrap(),
            secret: SecretSlice::from(SECRET.as_bytes().to_vec()),
            cost: COST,
            state: here.path("follow.sqlite"),
            client: None,
            import: ImportOptions::default(),
            clock: clock(),
        }
    }

    async fn follow(&self, here: &Here) -> Outcome {
        follow(self.options(here), here).await
    }

    async fn assert_same(&self, here: &Here) {
        assert_same(&of_devpi(&self.devpi).await, &of_here(here).await);
    }
}

fn secret_file(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path: PathBuf = folder.join("secret");
    std::fs::write(&path, SECRET).unwrap();
    let only_owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, only_owner).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Follows until in sync, and gives what was reported on the way.
async fn follow(options: FollowOptions, here: &Here) -> Outcome {
    let all = Mutex::new(Outcome::default());
    let watcher = |_: &FollowNow, outcome: Outcome| {
        let mut all = all.lock().unwrap();
        all.skipped.extend(outcome.skipped);
        all.changed.extend(outcome.changed);
        for (kind, count) in outcome.kept {
            *all.kept.entry(kind).or_default() += count;
        }
    };
    let mut follower = Follower::connect(options).await.unwrap();
    let stop = CancellationToken::new();
    let run = follower.run(&here.app, Until::InSync, &stop, &watcher);
    let ended = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap();
    assert_eq!(ended, Ended::InSync);
    assert_eq!(follower.failures(10).await.unwrap(), []);
    all.into_inner().unwrap()
}

/// Everything that may happen to what is there already.
async fn change(devpi: &Devpi) {
    // Added.
    let wheel = Wheel::named("Pkg.One").version("3.0").build();
    devpi.upload("bob/base", "bob", &wheel).await;
    let sdist = Sdist::named("new").version("0.1").build();
    devpi.upload("alice/stage", "alice", &sdist).await;
    devpi.user("carol", json!({"email": "c@x.test"})).await;
    devpi.index("carol", "own", json!({})).await;
    devpi.upload("carol/own", "carol", &sdist).await;
    devpi
        .test_result("bob/base", ("pkg-one", "1.1"), ".tar.gz")
        .await;
    // Replaced.
    let vol = Wheel::named("vol")
        .version("1.0")
        .file("vol/x", "4")
        .build();
    devpi.upload("bob/dev", "bob", &vol).await;
    devpi
        .document("bob/dev", "bob", ("vol", "1.0"), &docs("new"))
        .await;
    devpi
        .register("bob/dev", "bob", ("only.words", "0.1"))
        .await;
    // Configured.
    devpi
        .send(
            "PATCH",
            "/bob",
            "bob",
            json!({"title": "Bob", "email": null}),
        )
        .await;
    devpi
        .send(
            "PATCH",
            "/bob/dev",
            "bob",
            json!({"bases": [], "title": "Dev"}),
        )
        .await;
    // Removed.
    devpi.delete("/bob/base/pkg-one/2.0a1?force", "bob").await;
    devpi.delete("/bob/dev/local", "bob").await;
    devpi.delete("/alice/stage/pkg-one/1.0", "alice").await;
}

#[tokio::test]
async fn a_running_server_is_followed() {
    let primary = Primary::start();
    fill(&primary.devpi).await;
    let mirrored = fill_mirror(&primary.devpi).await;
    let here = Here::start().await;
    let outcome = primary.follow(&here).await;
    assert_eq!(outcome.skipped, []);
    primary.assert_same(&here).await;
    let mirrored_files = mirrored_here(&here).await;
    assert_eq!(mirrored_files.len(), 1);
    assert!(mirrored_files.first().unwrap().ends_with(mirrored));

    change(&primary.devpi).await;
    let outcome = primary.follow(&here).await;
    assert_eq!(outcome.skipped, []);
    primary.assert_same(&here).await;

    // Nothing changed, so nothing is taken in.
    let outcome = primary.follow(&here).await;
    assert_eq!(outcome.kept.values().sum::<u64>(), 0, "{outcome:?}");
    primary.assert_same(&here).await;
}

#[tokio::test]
async fn an_index_that_was_made_anew_starts_empty() {
    let primary = Primary::start();
    fill(&primary.devpi).await;
    let here = Here::start().await;
    primary.follow(&here).await;

    primary.devpi.delete("/bob/dev", "bob").await;
    let mirror = json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/simple/"});
    primary.devpi.index("bob", "dev", mirror).await;
    primary.devpi.delete("/alice", "root").await;
    primary.follow(&here).await;
    primary.assert_same(&here).await;
    assert!(
        of_here(&here)
            .await
            .iter()
            .all(|line| !line.contains("vol-1.0"))
    );
}

#[tokio::test]
async fn changes_come_while_following_and_a_stop_is_clean() {
    let primary = Primary::start();
    fill(&primary.devpi).await;
    let here = Here::start().await;
    let mut follower = Follower::connect(primary.options(&here)).await.unwrap();
    let stop = CancellationToken::new();
    let (sender, mut seen) = tokio::sync::watch::channel(FollowNow::default());
    let running = {
        let (app, stop) = (here.app.clone(), stop.clone());
        tokio::spawn(async move {
            let watcher = move |now: &FollowNow, _: Outcome| drop(sender.send(now.clone()));
            follower.run(&app, Until::Stopped, &stop, &watcher).await
        })
    };
    let in_sync = seen.wait_for(FollowNow::is_in_sync);
    tokio::time::timeout(DEADLINE, in_sync)
        .await
        .unwrap()
        .unwrap();
    change(&primary.devpi).await;
    let head = primary.devpi.serial().await;
    let caught_up = seen.wait_for(|now| now.is_in_sync() && now.known > head);
    tokio::time::timeout(DEADLINE, caught_up)
        .await
        .unwrap()
        .unwrap();
    primary.assert_same(&here).await;

    stop.cancel();
    let ended = tokio::time::timeout(DEADLINE, running).await.unwrap();
    assert_eq!(ended.unwrap().unwrap(), Ended::Stopped);
}

/// A server that is never at rest for as long as it would wait for the next commit.
#[tokio::test]
async fn a_busy_server_does_not_keep_what_came_from_being_taken_in() {
    let primary = Primary::start();
    fill(&primary.devpi).await;
    let here = Here::start().await;
    let is_over = Cell::new(false);
    // Each change is waited for: one that is given up may still be made after the last look.
    let busy = async {
        for number in 0_u32.. {
            if is_over.get() {
                break;
            }
            let title = json!({"title": number.to_string()});
            primary.devpi.send("PATCH", "/bob", "bob", title).await;
        }
    };
    let following = async {
        let outcome = primary.follow(&here).await;
        is_over.set(true);
        outcome
    };
    let ((), outcome) = tokio::join!(busy, following);
    assert_eq!(outcome.skipped, []);
    primary.follow(&here).await;
    primary.assert_same(&here).await;
}

/// Cut off again and again, wherever it is, it still arrives.
#[tokio::test]
async fn an_aborted_follower_goes_on() {
    let primary = Primary::start();
    fill(&primary.devpi).await;
    let here = Here::start().await;
    let steps = Arc::new(Mutex::new(0_u32));
    for abort_at in 1..6 {
        let mut follower = Follower::connect(primary.options(&here)).await.unwrap();
        let (sender, mut seen) = tokio::sync::watch::channel(0);
        let (app, steps) = (here.app.clone(), Arc::clone(&steps));
        let running = tokio::spawn(async move {
            let watcher = move |_: &FollowNow, _: Outcome| {
                *steps.lock().unwrap() += 1;
                sender.send_modify(|calls| *calls += 1);
            };
            let stop = CancellationToken::new();
            follower.run(&app, Until::Stopped, &stop, &watcher).await
        });
        seen.wait_for(|calls| *calls >= abort_at).await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        if abort_at == 3 {
            change(&primary.devpi).await;
        }
    }
    primary.follow(&here).await;
    primary.assert_same(&here).await;
}

#[tokio::test]
async fn servers_that_cannot_be_followed_are_told_why() {
    let here = Here::start().await;
    let refusal = async |options: FollowOptions| {
        let answer = Follower::connect(options).await;
        answer.err().expect("it cannot be followed")
    };

    let standalone = Primary::start_as("standalone");
    let error = refusal(standalone.options(&here)).await;
    assert!(matches!(error, FollowError::NotPrimary { .. }), "{error}");
    assert!(error.to_string().contains("--role primary"), "{error}");

    let primary = Primary::start();
    let error = refusal(FollowOptions {
        state: here.path("other.sqlite"),
        secret: SecretSlice::from(SECRET.to_lowercase().into_bytes()),
        ..primary.options(&here)
    })
    .await;
    assert!(matches!(error, FollowError::WrongSecret { .. }), "{error}");
    assert!(error.to_string().contains("--secretfile"), "{error}");

    let error = refusal(FollowOptions {
        state: here.path("other.sqlite"),
        clock: Arc::new(cheeseshop_domain::FixedClock::new(
            "2020-01-01T00:00:00Z".parse().unwrap(),
        )),
        ..primary.options(&here)
    })
    .await;
    assert!(matches!(error, FollowError::Clock { .. }), "{error}");

    // The file already belongs to the standalone server.
    let error = refusal(primary.options(&here)).await;
    assert!(
        matches!(error, FollowError::AnotherServer { .. }),
        "{error}"
    );

    let upstream = cheeseshop_test_support::Upstream::builder().start().await;
    let error = refusal(FollowOptions {
        url: upstream.url().parse().unwrap(),
        ..primary.options(&here)
    })
    .await;
    assert!(matches!(error, FollowError::NotDevpi { .. }), "{error}");

    let address = primary.server.url();
    drop(primary.server);
    let error = refusal(FollowOptions {
        url: address.parse().unwrap(),
        ..standalone.options(&here)
    })
    .await;
    assert!(matches!(error, FollowError::Unreachable { .. }), "{error}");
    drop(primary.folder);

    for url in ["ftp://devpi.test/", "http://bob:pw@devpi.test/"] {
        let error = refusal(FollowOptions {
            url: url.parse().unwrap(),
            ..standalone.options(&here)
        })
        .await;
        assert!(matches!(error, FollowError::Url(_)), "{error}");
        assert!(!error.to_string().contains("pw@"), "{error}");
    }
}
