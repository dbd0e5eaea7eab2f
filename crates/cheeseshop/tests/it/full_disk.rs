//! A disk that really fills up under the real program.

use std::process::Command;

use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{CHEAP_HASH, Home, Server, noise};

/// The program on a file system of 3 MB that only it and its children see, gone with them.
fn on_a_small_disk(home: &Home) -> Command {
    use std::os::unix::fs::MetadataExt as _;
    let small = home.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
    all.extend(CHEAP_HASH);
    let server = home.bare_cheeseshop(&all);
    let surroundings = server
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut unshare = Command::new("/usr/bin/unshare");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
        .args(["--mount", "/bin/sh", "-c"])
        .arg("mount -t tmpfs -o size=3m small \"$0\" && exec \"$@\"")
        .arg(&small)
        .arg(server.get_program())
        .args(server.get_args())
        .env_clear()
        .envs(surroundings)
        .env("CHEESESHOP_DATA_DIR", small.join("data"))
        .current_dir(home.path());
    unshare
}

#[tokio::test]
async fn a_full_disk_refuses_uploads_clearly_and_loses_nothing() {
    let home = Home::new();
    let server = Server::spawn(&home, on_a_small_disk(&home));
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;

    let mut kept = Vec::new();
    let refused = loop {
        assert!(kept.len() < 30, "3 MB cannot hold that much");
        let wheel = Wheel::named("big")
            .version(&format!("1.{}", kept.len()))
            .file("big/data.bin", noise(200_000))
            .build();
        let answer = bob.upload_request("bob/dev", &wheel).send().await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
        kept.push(wheel);
    };

    assert_eq!(refused.status(), 507);
    let text = refused.text().await.unwrap();
    assert!(text.contains("no space left"), "{text}");
    assert!(!text.contains("small"), "no path of the server: {text}");
    assert!(!kept.is_empty());
    let listed = bob.files("bob/dev", "big").await;
    assert_eq!(listed.len(), kept.len());
    for (listed, kept) in listed.iter().zip(&kept) {
        assert_eq!(bob.digest_of(&listed.url).await, kept.sha256);
    }
    // Lines are written in batches; a stop writes the last.
    assert!(server.stop().contains("no space is left"));
}
