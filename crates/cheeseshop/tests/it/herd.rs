//! Many clients want one file that nobody has asked for before.

use cheeseshop_test_support::{Fault, Gate, Upstream, Wheel};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Home, Server, digest, noise};

/// Clients that come at once.
const CLIENTS: usize = 64;

/// More than fits into any buffer between the upstream and the clients.
const SIZE: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_make_one_upstream_fetch() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("wanted")
        .file("wanted/data.bin", noise(SIZE))
        .build();
    upstream.publish(&wheel);
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let root = server.root().await;
    root.create_index(
        "root/mirror",
        &json!({"type": "mirror", "mirror_url": upstream.url()}),
    )
    .await;

    // The page: every client asks for it before anybody has an answer.
    let page = upstream.project_path("wanted");
    let gate = Gate::closed();
    upstream.fault(&page, Fault::Hang(gate.clone()));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = server.anonymous();
        clients.spawn(async move { client.files("root/mirror", "wanted").await });
    }
    gate.wait_for_arrivals(1).await;
    gate.open();
    let listed = clients.join_all().await;
    assert_eq!(upstream.count(&page), 1);

    // The file: all are being fed before the upstream has sent the half of it.
    let path = upstream.file_path(&wheel);
    let gate = Gate::closed();
    let fault = Fault::HangAfter {
        bytes: SIZE / 2,
        gate: gate.clone(),
    };
    upstream.fault(&path, fault);
    let mut clients = JoinSet::new();
    for files in listed {
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].sha256, wheel.sha256);
        let url = files[0].url.clone();
        let client = server.anonymous();
        clients.spawn(async move { client.get(&url).await });
    }
    // Every one has its headers, so every one has joined.
    let answers = clients.join_all().await;
    gate.open();
    let mut readers = JoinSet::new();
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::OK);
        readers.spawn(async move { digest(&answer.bytes().await.unwrap()) });
    }
    for digest in readers.join_all().await {
        assert_eq!(digest, wheel.sha256);
    }
    assert_eq!(upstream.count(&path), 1);
}
