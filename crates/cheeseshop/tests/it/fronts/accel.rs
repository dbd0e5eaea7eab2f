//! Files that nginx sends itself, after the server has allowed it.

use std::os::unix::fs::PermissionsExt as _;

use cheeseshop_test_support::{BuiltFile, Wheel, noise};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{ACCEL, Site, Visitor, header, wait_for_lines};

/// Larger than what the server sends out of memory.
const SIZE: usize = 1_000_000;

/// How many of the requests of the first test nginx answers with bytes of its own.
const ACCELERATED: usize = 13;

/// A site with one public file: its path and the file.
async fn with_file(settings: &[&str]) -> (Site, String, BuiltFile) {
    let site = Site::start(settings, &[]);
    let bob = site.server.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let file = Wheel::named("big")
        .file("big/data.bin", noise(SIZE))
        .build();
    bob.upload("bob/dev", &file).await;
    let listed = bob.files("bob/dev", "big").await;
    let path = listed[0].url.replace(&site.server.url, "");
    (site, path, file)
}

/// The same request with nginx sending the bytes, and with the server doing so.
async fn both_ways(
    through: &Visitor,
    site: &Site,
    path: &str,
    headers: &[(&str, &str)],
) -> (reqwest::Response, reqwest::Response) {
    let direct = Visitor {
        url: site.server.url.clone(),
        ..site.visitor()
    };
    (
        through.get_with(path, headers).await,
        direct.get_with(path, headers).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_server_whoever_sends_the_bytes() {
    let (site, path, file) = with_file(&[ACCEL, "--set=tls.hsts=2d"]).await;
    let visitor = site.visitor();
    let etag = format!("\"{}\"", file.sha256);
    let last = (file.bytes.len() - 3).to_string();
    let tail = format!("bytes={last}-");
    let beyond = format!("bytes={}-", file.bytes.len());
    let modified = {
        let answer = visitor.get(&path).await;
        header(&answer, "last-modified").to_owned()
    };
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("range", "bytes=0-9")],
        &[("range", &tail)],
        &[("range", "bytes=-7")],
        &[("range", &beyond)],
        &[("range", "bytes=0-9"), ("if-range", &etag)],
        &[("range", "bytes=0-9"), ("if-range", &modified)],
        &[("range", "bytes=0-9"), ("if-range", "\"other\"")],
        &[
            ("range", "bytes=0-9"),
            ("if-range", "Tue, 01 Sep 2015 12:00:00 GMT"),
        ],
        &[("if-none-match", &etag)],
        &[("if-none-match", "\"other\"")],
        &[("if-none-match", "\"other\""), ("range", "bytes=5-6")],
        &[("if-modified-since", &modified)],
        &[("if-modified-since", "Tue, 01 Sep 2015 12:00:00 GMT")],
        &[("if-match", &etag), ("range", "bytes=5-6")],
        &[("if-unmodified-since", &modified)],
        &[("accept-encoding", "gzip")],
    ];
    for headers in cases {
        let (ours, expected) = both_ways(&visitor, &site, &path, headers).await;
        assert_eq!(ours.status(), expected.status(), "{headers:?}");
        for name in [
            "content-type",
            "content-length",
            "content-range",
            "content-encoding",
            "content-disposition",
            "accept-ranges",
            "cache-control",
            "etag",
            "last-modified",
            "vary",
            "x-content-type-options",
            "x-devpi-serial",
            "x-devpi-api-version",
        ] {
            let all = |answer: &reqwest::Response| {
                let values = answer.headers().get_all(name).iter();
                values
                    .map(|value| value.to_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            // nginx does not repeat it with a part.
            if name != "accept-ranges" || ours.status() == StatusCode::OK {
                assert_eq!(all(&ours), all(&expected), "{name} of {headers:?}");
            }
        }
        assert!(!ours.headers().contains_key("x-accel-redirect"));
        assert!(!header(&ours, "x-request-id").is_empty(), "{headers:?}");
        assert!(
            !header(&ours, "strict-transport-security").is_empty(),
            "{headers:?}"
        );
        assert_eq!(
            ours.bytes().await.unwrap(),
            expected.bytes().await.unwrap(),
            "{headers:?}"
        );
    }
    let head = visitor.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        header(&head, "content-length"),
        file.bytes.len().to_string()
    );
    assert_eq!(header(&head, "etag"), etag);
    // The server has sent headers only: the bytes came from nginx.
    wait_for_lines(&site.server, ACCELERATED, |line| {
        line.contains(&format!("GET {path} 200")) && line.contains("size_bytes=0 ")
    });
    assert!(
        !site.nginx.log().contains("[error]"),
        "{}",
        site.nginx.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_the_bytes_but_by_an_answer_of_the_server() {
    let (site, path, file) = with_file(&[ACCEL]).await;
    let visitor = site.visitor();
    let place = format!("/+blobs/{}/{}", &file.sha256[..2], file.sha256);
    assert!(site.blobs().join(&place["/+blobs/".len()..]).is_file());
    for wanted in [
        place.clone(),
        "/+blobs/".to_owned(),
        "/+blobs/tmp/".to_owned(),
        place.replace('+', "%2B"),
        place.replacen('/', "//", 1),
        format!("/bob/..{place}"),
    ] {
        let answer = visitor.get(&wanted).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wanted}");
    }
    // What a caller says of it does nothing.
    let spoofed = [
        ("x-accel-redirect", place.as_str()),
        ("x-sendfile", place.as_str()),
        ("x-sendfile-type", "X-Accel-Redirect"),
        ("x-accel-mapping", "/=/"),
    ];
    let answer = visitor.get_with("/+health/live", &spoofed).await;
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    let answer = visitor.get_with(&path, &spoofed).await;
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nginx_may_not_read_are_sent_by_the_server() {
    let (site, path, file) = with_file(&[ACCEL]).await;
    let visitor = site.visitor();
    let folder = site.blobs().join(&file.sha256[..2]);
    let blob = folder.join(&file.sha256);
    let rights = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let is_root =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(site.home.path()).unwrap()) == 0;
    let fetch = async |range: bool| {
        let headers: &[(&str, &str)] = if range {
            &[("range", "bytes=10-19")]
        } else {
            &[]
        };
        let answer = visitor.get_with(&path, headers).await;
        let expected = if range {
            &file.bytes[10..20]
        } else {
            &file.bytes[..]
        };
        assert_eq!(answer.bytes().await.unwrap(), expected);
    };
    // The server sees by itself that this one is for its owner only.
    rights(&blob, 0o600);
    fetch(false).await;
    assert!(!site.nginx.log().contains("Permission denied"));
    rights(&blob, 0o640);
    if is_root {
        // Of this one it cannot know, so nginx asks once more.
        rights(&folder, 0o700);
        fetch(false).await;
        fetch(true).await;
        assert!(site.nginx.log().contains("Permission denied"));
        rights(&folder, 0o750);
    }
    // Nor of a file that goes in between; here it is the name that goes.
    let aside = blob.with_extension("aside");
    std::fs::rename(&blob, &aside).unwrap();
    let answer = visitor.get(&path).await;
    assert!(!answer.status().is_success(), "{answer:?}");
    std::fs::rename(&aside, &blob).unwrap();
    fetch(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_asks_for_it_and_is_believed_is_told_where_files_lie() {
    let (site, path, file) = with_file(&[ACCEL, "--set=server.trusted_proxies=192.0.2.1"]).await;
    let direct = Visitor {
        url: site.server.url.clone(),
        ..site.visitor()
    };
    let asking = [("x-sendfile-type", "X-Accel-Redirect")];
    let answer = direct.get_with(&path, &asking).await;
    assert!(!answer.headers().contains_key("x-accel-redirect"));
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);

    let (site, path, file) = with_file(&[ACCEL]).await;
    let direct = Visitor {
        url: site.server.url.clone(),
        ..site.visitor()
    };
    let answer = direct.get_with(&path, &asking).await;
    assert_eq!(
        header(&answer, "x-accel-redirect"),
        format!("/+blobs/{}/{}", &file.sha256[..2], file.sha256)
    );
    assert_eq!(answer.bytes().await.unwrap(), "");
    let answer = direct.get(&path).await;
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);

    // Without the setting the header means nothing.
    let (site, path, file) = with_file(&[]).await;
    let direct = Visitor {
        url: site.server.url.clone(),
        ..site.visitor()
    };
    let answer = direct.get_with(&path, &asking).await;
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
}
