//! Large files through nginx: no file of its own, and no memory to speak of.

use std::fs;
use std::process::Stdio;

use cheeseshop_test_support::{Wheel, client_command, noise, python_client};
use reqwest::StatusCode;
use serde_json::json;

use super::{ACCEL, Site};
use crate::support::finish_aside;

/// Bytes of the file.
const SIZE: usize = 96 << 20;

/// What a process may have needed at most. The file alone would be more.
const MOST_MIB: u64 = 80;

/// The most memory that a process has had so far, in MiB.
fn peak_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024
}

/// The workers of an nginx.
fn workers(site: &Site) -> Vec<u32> {
    let master = fs::read_to_string(site.home.path().join("nginx/nginx.pid")).unwrap();
    let master = master.trim();
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    children
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_passes_through_in_both_directions() {
    for settings in [&[][..], &[ACCEL]] {
        let site = Site::start(settings, &[]);
        let bob = site.server.new_user("bob", "secret").await;
        bob.create_index("bob/dev", &json!({"bases": []})).await;
        let file = Wheel::named("huge")
            .file("huge/data.bin", noise(SIZE))
            .build();
        let path = file.write_to(site.home.path());
        let bundle = site.bundle();
        let mut twine = client_command(&python_client("twine"), site.home.path());
        twine
            .args([
                "upload",
                "--non-interactive",
                "--username=bob",
                "--password=secret",
            ])
            .arg(format!("--repository-url={}/bob/dev/", site.url()))
            .arg(&path)
            .env("REQUESTS_CA_BUNDLE", &bundle)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish_aside(twine).await.succeeded("twine");

        let listed = bob.files("bob/dev", "huge").await;
        let url = listed[0].url.replace(&site.server.url, "");
        let mut answer = site.visitor().get(&url).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut received = 0;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            assert_eq!(chunk, file.bytes[received..received + chunk.len()]);
            received += chunk.len();
        }
        assert_eq!(received, file.bytes.len());

        // nginx tells of files that it had to make.
        let log = site.nginx.log();
        assert!(!log.contains("temporary file"), "{log}");
        for process in workers(&site).into_iter().chain([site.server.id()]) {
            let peak = peak_mib(process);
            assert!(peak < MOST_MIB, "process {process} had {peak} MiB");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_in_the_words_of_the_server() {
    let site = Site::start(&["--set=upload.max_file_bytes=1MiB"], &[]);
    let bob = site.server.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let file = Wheel::named("huge")
        .file("huge/data.bin", noise(3 << 20))
        .build();
    let direct = bob.upload_request("bob/dev", &file).send().await.unwrap();
    let request = bob.upload_request("bob/dev", &file).build().unwrap();
    let body = request.body().unwrap().as_bytes().unwrap().to_vec();
    let visitor = site.visitor().with_login("bob", "secret");
    let answer = visitor
        .request(reqwest::Method::POST, "/bob/dev/")
        .header("content-type", request.headers()["content-type"].clone())
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.status(), direct.status());
    assert_eq!(answer.text().await.unwrap(), direct.text().await.unwrap());
}
