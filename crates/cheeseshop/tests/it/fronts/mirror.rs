//! A file that a mirror does not hold yet, through nginx.

use std::time::Instant;

use cheeseshop_test_support::{Upstream, Wheel, noise};
use reqwest::StatusCode;

use super::{ACCEL, Site, header, wait_for_lines};
use crate::support::DEADLINE;

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_file_streams_through_the_server_and_a_held_one_is_sent_by_nginx() {
    let upstream = Upstream::start().await;
    let file = Wheel::named("cold")
        .file("cold/data.bin", noise(900_000))
        .build();
    upstream.publish(&file);
    let url = format!("--set=mirror.root_pypi_url={}", upstream.url());
    let site = Site::start(&[ACCEL, &url], &[]);
    let visitor = site.visitor();
    let page = visitor
        .get_with(
            "/root/pypi/+simple/cold/",
            &[("accept", "application/vnd.pypi.simple.v1+json")],
        )
        .await;
    assert_eq!(page.status(), StatusCode::OK);
    let base = page.url().clone();
    let page: serde_json::Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
    let path = base
        .join(page["files"][0]["url"].as_str().unwrap())
        .unwrap();
    let path = path.path().to_owned();

    let fetch = async || {
        let answer = visitor.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "etag"), format!("\"{}\"", file.sha256));
        assert_eq!(answer.bytes().await.unwrap(), file.bytes);
    };
    // At the same time, so that some tail the download that another one has begun.
    tokio::join!(fetch(), fetch(), fetch());
    let sent = |line: &str, size: usize| {
        line.contains(&format!("GET {path} 200")) && line.contains(&format!("size_bytes={size} "))
    };
    let streamed = |line: &str| sent(line, file.bytes.len());
    wait_for_lines(&site.server, 3, |line| streamed(line) || sent(line, 0));
    assert!(site.server.log().lines().any(streamed));
    // It is held a moment after the last byte was sent, and the log is a moment behind.
    let deadline = Instant::now() + DEADLINE;
    while !site.server.log().lines().any(|line| sent(line, 0)) {
        assert!(Instant::now() < deadline, "nginx never sends it");
        fetch().await;
    }
    assert_eq!(upstream.count(&upstream.file_path(&file)), 1);
}
