use cheeseshop_app::Settings;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};
use serde_json::json;

use crate::support::{Server, User, file_path, noise};

/// A public index with one file: server, path of the file, the file.
async fn served(file: BuiltFile) -> (Server, String, BuiltFile) {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice.publish("alice/dev", &file).await;
    let path = format!("/alice/dev/{}", file_path(&file));
    (server, path, file)
}

#[tokio::test]
async fn files_are_kept_for_ever_and_never_encoded() {
    let (server, path, file) = served(Sdist::named("flask").build()).await;
    for _ in 0..2 {
        let answer = server
            .anonymous()
            .get_with(&path, &[("accept-encoding", "gzip, zstd")])
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, file.bytes);
        for (name, value) in [
            ("cache-control", "max-age=365000000, immutable, public"),
            ("content-encoding", ""),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-length", &file.size().to_string()),
            ("etag", &format!("\"{}\"", file.sha256)),
            ("content-type", "application/x-tar"),
            ("last-modified", "Tue, 01 Sep 2026 12:00:00 GMT"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn ranges_follow_the_table_for_small_and_large_files() {
    let small = Wheel::named("small").build();
    let large = Wheel::named("large")
        .file("large/data.bin", noise(300_000))
        .build();
    for file in [small, large] {
        let (server, path, file) = served(file).await;
        let size = file.bytes.len();
        let etag = format!("\"{}\"", file.sha256);
        let last = size - 1;
        let cases = [
            ("bytes=0-9".to_owned(), None, 206, Some((0, 10))),
            ("bytes=5-".to_owned(), None, 206, Some((5, size))),
            ("bytes=-7".to_owned(), None, 206, Some((size - 7, size))),
            (format!("bytes=0-{}", size + 5), None, 206, Some((0, size))),
            (
                format!("bytes={last}-{last}"),
                None,
                206,
                Some((last, size)),
            ),
            (format!("bytes={size}-"), None, 416, None),
            ("bytes=0-1,4-5".to_owned(), None, 200, Some((0, size))),
            ("bytes=9-2".to_owned(), None, 200, Some((0, size))),
            ("pages=1".to_owned(), None, 200, Some((0, size))),
            (
                "bytes=5-".to_owned(),
                Some(etag.as_str()),
                206,
                Some((5, size)),
            ),
            (
                "bytes=5-".to_owned(),
                Some("\"other\""),
                200,
                Some((0, size)),
            ),
            (
                "bytes=5-".to_owned(),
                Some("Tue, 01 Sep 2026 12:00:00 GMT"),
                206,
                Some((5, size)),
            ),
        ];
        for (range, condition, status, part) in cases {
            // Twice: the second answer may come from memory.
            for _ in 0..2 {
                let mut headers = vec![("range", range.as_str())];
                headers.extend(condition.map(|value| ("if-range", value)));
                let answer = server.anonymous().get_with(&path, &headers).await;
                assert_eq!(answer.status, status, "{range} {condition:?}");
                let Some((start, end)) = part else {
                    assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
                    assert!(answer.body.is_empty());
                    continue;
                };
                assert_eq!(answer.body, file.bytes[start..end], "{range}");
                assert_eq!(answer.header("content-length"), (end - start).to_string());
                let content_range = match status {
                    206 => format!("bytes {start}-{}/{size}", end - 1),
                    _ => String::new(),
                };
                assert_eq!(answer.header("content-range"), content_range, "{range}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_holds_a_file_gets_a_304() {
    let (server, path, file) = served(Wheel::named("flask").build()).await;
    let etag = format!("\"{}\"", file.sha256);
    for (headers, status) in [
        (&[("if-none-match", etag.as_str())][..], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (
            &[("if-modified-since", "Tue, 01 Sep 2026 12:00:00 GMT")],
            304,
        ),
        (
            &[("if-modified-since", "Tue, 01 Sep 2026 11:59:59 GMT")],
            200,
        ),
    ] {
        for _ in 0..2 {
            let answer = server.anonymous().get_with(&path, headers).await;
            assert_eq!(answer.status, status, "{headers:?}");
            assert_eq!(answer.header("etag"), etag);
            assert_eq!(
                answer.header("cache-control"),
                "max-age=365000000, immutable, public"
            );
        }
    }
}

#[tokio::test]
async fn core_metadata_stands_beside_the_wheel() {
    let (server, path, file) = served(Wheel::named("flask").requires_dist("click").build()).await;
    for _ in 0..2 {
        let answer = server.anonymous().get(&format!("{path}.metadata")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.text(), file.metadata);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(
            answer.header("cache-control"),
            "max-age=365000000, immutable, public"
        );
    }
}

#[tokio::test]
async fn json_by_name_describes_a_file_instead() {
    let (server, path, file) = served(Wheel::named("flask").version("1.0").build()).await;
    let answer = server.anonymous().get_json(&path).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.json(),
        json!({
            "result": {
                "last_modified": "Tue, 01 Sep 2026 12:00:00 GMT",
                "hash_spec": format!("sha256={}", file.sha256),
                "hashes": {"sha256": file.sha256},
                "project": "flask",
                "version": "1.0",
            },
            "type": "releasefilemeta",
        })
    );
    // A browser or a tool that takes anything gets the file.
    let answer = server
        .anonymous()
        .get_with(&path, &[("accept", "*/*")])
        .await;
    assert_eq!(answer.body, file.bytes);
}

#[tokio::test]
async fn a_removed_file_is_gone_and_an_unknown_one_is_not_found() {
    let (server, path, file) = served(Wheel::named("flask").build()).await;
    let alice = crate::support::User::with_password(&server, "alice", "alice-secret");
    server.anonymous().get(&path).await;
    let refused = server.anonymous().delete(&path).await;
    assert!(matches!(refused.status.as_u16(), 401 | 403));
    let answer = alice.delete(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.message(),
        format!("package 'alice/dev/{}' deleted", file_path(&file))
    );
    let answer = server.anonymous().get(&path).await;
    assert_eq!(answer.status, 410, "{}", answer.text());
    assert_eq!(answer.message(), "file existed, deleted in later serial");
    let unknown = path.replace(&file.sha256[..3], "000");
    let answer = server.anonymous().get(&unknown).await;
    assert_eq!(answer.status, 404);
}

/// A server behind an nginx that could send files itself, with a large file and a small one: their paths.
async fn behind_nginx(accel: Option<&str>) -> (Server, [String; 2], [BuiltFile; 2]) {
    let http = HttpSettings {
        accel_location: accel.map(str::to_owned),
        ..HttpSettings::default()
    };
    let server = Server::with(Settings::default(), http).await;
    let alice = server.user_with_dev("alice").await;
    let large = Wheel::named("large").file("large/data.bin", noise(300_000));
    let files = [large.build(), Wheel::named("small").build()];
    for file in &files {
        alice.publish("alice/dev", file).await;
    }
    let paths = files
        .each_ref()
        .map(|file| format!("/alice/dev/{}", file_path(file)));
    (server, paths, files)
}

const ASKS_FOR_PLACE: (&str, &str) = ("x-sendfile-type", "X-Accel-Redirect");

#[tokio::test]
async fn a_proxy_that_sends_files_itself_is_told_where_large_ones_lie() {
    let (server, [large, small], files) = behind_nginx(Some("/+blobs/")).await;
    let place = format!("/+blobs/{}/{}", &files[0].sha256[..2], files[0].sha256);
    let etag = format!("\"{}\"", files[0].sha256);
    let anonymous = server.anonymous();
    for headers in [
        &[ASKS_FOR_PLACE][..],
        &[ASKS_FOR_PLACE, ("range", "bytes=0-9")],
        &[ASKS_FOR_PLACE, ("range", "bytes=0-9"), ("if-range", &etag)],
    ] {
        let answer = anonymous.get_with(&large, headers).await;
        assert_eq!(answer.status, 200, "which part is the proxy's business");
        assert_eq!(answer.header("x-accel-redirect"), place);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("content-range"), "");
        assert_eq!(
            answer.header("cache-control"),
            "max-age=365000000, immutable, public"
        );
    }
    // Whatever needs no bytes, or a judgement that is ours, is answered as ever.
    for (method, path, header, status) in [
        ("HEAD", &large, ("range", "bytes=0-9"), 206),
        ("GET", &large, ("if-none-match", etag.as_str()), 304),
        ("GET", &large, ("range", "bytes=999999-"), 416),
        ("GET", &large, ("if-match", etag.as_str()), 200),
        ("GET", &small, ("accept", "*/*"), 200),
    ] {
        let answer = anonymous
            .send(method, path, &[ASKS_FOR_PLACE, header])
            .await;
        assert_eq!(answer.status, status, "{method} {path} {header:?}");
        assert_eq!(
            answer.header("x-accel-redirect"),
            "",
            "{method} {path} {header:?}"
        );
    }
    let answer = anonymous.get_with(&small, &[ASKS_FOR_PLACE]).await;
    assert_eq!(answer.body, files[1].bytes);
}

#[tokio::test]
async fn nobody_else_is_told_where_files_lie() {
    let (server, [large, _], files) = behind_nginx(Some("/+blobs/")).await;
    let anonymous = server.anonymous();
    for headers in [&[][..], &[("x-sendfile-type", "X-Sendfile")]] {
        let answer = anonymous.get_with(&large, headers).await;
        assert_eq!(answer.header("x-accel-redirect"), "");
        assert_eq!(answer.body, files[0].bytes);
    }
    let request = http::Request::get(&large)
        .header(ASKS_FOR_PLACE.0, ASKS_FOR_PLACE.1)
        .body(axum::body::Body::empty())
        .unwrap();
    let stranger = "192.0.2.7:4711".parse().unwrap();
    let answer = server.send_from(stranger, request).await;
    assert_eq!(answer.header("x-accel-redirect"), "");
    assert_eq!(answer.body, files[0].bytes);

    let (server, [large, _], files) = behind_nginx(None).await;
    let answer = server.anonymous().get_with(&large, &[ASKS_FOR_PLACE]).await;
    assert_eq!(answer.header("x-accel-redirect"), "");
    assert_eq!(answer.body, files[0].bytes);
}

#[tokio::test]
async fn permission_comes_before_the_place_of_a_file() {
    let (server, [large, _], _) = behind_nginx(Some("/+blobs/")).await;
    let alice = User::with_password(&server, "alice", "alice-secret");
    let closed = json!(["acl_read=alice"]);
    let answer = alice.json("PATCH", "/alice/dev", &closed).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = server.anonymous().get_with(&large, &[ASKS_FOR_PLACE]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("x-accel-redirect"), "");
    let answer = alice.get_with(&large, &[ASKS_FOR_PLACE]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("vary"), "Authorization, Cookie");
    assert!(answer.header("x-accel-redirect").starts_with("/+blobs/"));
}
