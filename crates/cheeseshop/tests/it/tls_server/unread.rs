//! Clients that ask and do not read.

use std::time::Instant;

use cheeseshop_test_support::Wheel;
use reqwest::StatusCode;

use super::Stand;
use crate::support::{BETWEEN_LOOKS, DEADLINE};

/// Short, and yet longer than a loaded machine lets a client that reads stand still.
const LIMIT: &str = "--set=server.write_timeout=5s";

const CUT: &str = "cheeseshop_connections_not_read_total";

/// More than all buffers between the two ends hold.
const MUCH: usize = 24 << 20;

/// What a slow client takes at a time.
const A_LITTLE: usize = 128 << 10;

/// Bytes that do not shrink in a wheel.
fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(MUCH).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_not_read_ends_and_one_that_is_read_slowly_does_not() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[LIMIT]);
    let bob = stand.stock(&server).await;
    let file = Wheel::named("large").file("large.bin", noise()).build();
    bob.upload("bob/dev", &file).await;
    let url = bob.files("bob/dev", "large").await[0].url.clone();
    let mut number = 0;
    let clients = [
        stand.client(),
        stand.trusting().http1_only().build().unwrap(),
    ];
    for client in &clients {
        let mut slow = client.get(&url).send().await.unwrap();
        let other = stand.trusting().http1_only().build().unwrap();
        let unread = other.get(&url).send().await.unwrap();
        assert_eq!(unread.status(), StatusCode::OK);
        number += 1;
        let told = format!("{CUT} {number}");
        let deadline = Instant::now() + DEADLINE;
        let mut length = 0;
        // It takes its time until the other has been sent away, and a little at each turn.
        loop {
            let turn = length + A_LITTLE;
            while length < turn
                && let Some(chunk) = slow.chunk().await.unwrap()
            {
                length += chunk.len();
            }
            let metrics = stand.client().get(server.at("metrics")).send().await;
            if metrics.unwrap().text().await.unwrap().contains(&told) {
                break;
            }
            assert!(Instant::now() < deadline, "{}", server.log());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        assert!(unread.bytes().await.is_err());
        while let Some(chunk) = slow.chunk().await.unwrap() {
            length += chunk.len();
        }
        assert_eq!(length, file.bytes.len());
    }
    // Over HTTP/2 it is the window that stays closed.
    let unread = clients[0].get(&url).send().await.unwrap();
    server.wait_for_log("has taken nothing of its answer").await;
    let told = format!("{CUT} {}", number + 1);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let metrics = stand.client().get(server.at("metrics")).send().await;
        if metrics.unwrap().text().await.unwrap().contains(&told) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    assert!(unread.bytes().await.is_err());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_the_limit() {
    let stand = Stand::new();
    let server = stand.serve_tls(&["--set=server.stop_grace=10m"]);
    let bob = stand.stock(&server).await;
    let file = Wheel::named("large").file("large.bin", noise()).build();
    bob.upload("bob/dev", &file).await;
    let url = bob.files("bob/dev", "large").await[0].url.clone();
    let unread = [
        stand.client().get(&url).send().await.unwrap(),
        stand
            .trusting()
            .http1_only()
            .build()
            .unwrap()
            .get(&url)
            .send()
            .await
            .unwrap(),
    ];
    // Within the minute that the helper waits.
    server.stop();
    drop(unread);
}
