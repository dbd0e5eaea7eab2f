//! A disk that really fills up under the real program.

use std::process::Command;

use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{CHEAP_HASH, Home, Server, noise, on_small_disk};

/// The program on a file system of 3 MB.
fn on_a_small_disk(home: &Home) -> Command {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], CHEAP_HASH].concat();
    let mut server = home.bare_cheeseshop(&arguments);
    server.env("CHEESESHOP_DATA_DIR", home.path().join("small/data"));
    on_small_disk(home, 3, "exec \"$@\"", &server)
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
