//! The fake PyPI and the proxy.

use cheeseshop_test_support::{
    CertificateAuthority, Fault, Formats, ForwardProxy, Gate, Links, Sdist, Upstream, UpstreamFile,
    Wheel,
};
use serde_json::{Value, json};

use crate::http_client::{exchange, get};

const JSON: (&str, &str) = ("Accept", "application/vnd.pypi.simple.v1+json");

#[tokio::test]
async fn json_and_html_list_the_same_file() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("Foo.Bar").requires_python(">=3.9").build();
    upstream.publish(&wheel);
    let path = upstream.project_path("Foo.Bar");

    let json = get(&upstream.address(), &path, &[JSON]).await.unwrap();
    let page: Value = serde_json::from_slice(&json.body).unwrap();
    let file = &page["files"][0];
    assert_eq!(page["name"], "foo-bar");
    assert_eq!(page["versions"], json!(["1.0"]));
    assert_eq!(file["url"], upstream.file_url(&wheel));
    assert_eq!(file["hashes"]["sha256"], wheel.sha256);
    assert_eq!(file["size"], wheel.bytes.len());
    assert_eq!(file["requires-python"], ">=3.9");
    assert!(file["core-metadata"]["sha256"].is_string());
    assert!(json.header("etag").is_some());
    assert!(json.header("x-pypi-last-serial").is_some());

    upstream.set_links(Links::Relative);
    let html = get(&upstream.address(), &path, &[]).await.unwrap();
    assert_eq!(
        html.header("content-type").unwrap(),
        "text/html; charset=utf-8"
    );
    let link = format!(
        "href=\"../..{}#sha256={}\"",
        upstream.file_path(&wheel),
        wheel.sha256
    );
    assert!(html.text().contains(&link), "{}", html.text());
    assert!(html.text().contains("data-requires-python=\"&gt;=3.9\""));
}

#[tokio::test]
async fn formats_lists_and_metadata_can_be_taken_away() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("foo").build();
    upstream.publish(&wheel);
    upstream.set_formats(Formats::Html);
    let page = get(&upstream.address(), "/simple/foo/", &[JSON])
        .await
        .unwrap();
    assert!(page.text().starts_with("<!DOCTYPE html>"));
    upstream.set_formats(Formats::Json);
    let page = get(&upstream.address(), "/simple/foo/", &[]).await.unwrap();
    assert!(page.text().starts_with('{'));
    upstream.set_root_list(false);
    assert_eq!(
        get(&upstream.address(), "/simple/", &[])
            .await
            .unwrap()
            .status,
        404
    );
    upstream.set_core_metadata(false);
    let metadata = get(&upstream.address(), &upstream.metadata_path(&wheel), &[]).await;
    assert_eq!(metadata.unwrap().status, 404);
    upstream.remove_project("foo");
    let page = get(&upstream.address(), "/simple/foo/", &[]).await.unwrap();
    assert_eq!(page.status, 404);
}

#[tokio::test]
async fn an_unchanged_page_is_304_and_a_changed_one_is_not() {
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("foo").build());
    let first = get(&upstream.address(), "/simple/foo/", &[JSON])
        .await
        .unwrap();
    let validator = ("If-None-Match", first.header("etag").unwrap());
    let second = get(&upstream.address(), "/simple/foo/", &[JSON, validator]).await;
    assert_eq!(second.unwrap().status, 304);
    upstream.publish_file(
        UpstreamFile::from(&Sdist::named("foo").build())
            .yanked("broken")
            .without_size()
            .hashes(&[("md5", "00")]),
    );
    let third = get(&upstream.address(), "/simple/foo/", &[JSON, validator])
        .await
        .unwrap();
    assert_eq!(third.status, 200);
    let page: Value = serde_json::from_slice(&third.body).unwrap();
    let sdist = &page["files"][1];
    assert_eq!(sdist["yanked"], "broken");
    assert_eq!(sdist["hashes"], json!({"md5": "00"}));
    assert_eq!(sdist["size"], Value::Null);
}

#[tokio::test]
async fn files_answer_ranges_unless_told_not_to() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("foo").build();
    upstream.publish(&wheel);
    let path = upstream.file_path(&wheel);
    let range = ("Range", "bytes=2-5");
    let part = get(&upstream.address(), &path, &[range]).await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &wheel.bytes[2..6]));
    let expected = format!("bytes 2-5/{}", wheel.bytes.len());
    assert_eq!(part.header("content-range"), Some(expected.as_str()));
    upstream.fault(&path, Fault::NoRanges);
    let whole = get(&upstream.address(), &path, &[range]).await.unwrap();
    assert_eq!((whole.status, &whole.body[..]), (200, &wheel.bytes[..]));
    assert_eq!(
        upstream.requests_to(&path)[0].header("range"),
        Some("bytes=2-5")
    );
    assert_eq!(upstream.count(&path), 2);
}

#[tokio::test]
async fn faults_do_what_their_names_say() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("foo")
        .file("big.bin", vec![7; 300_000])
        .build();
    upstream.publish(&wheel);
    let path = upstream.file_path(&wheel);
    let fetch = async || get(&upstream.address(), &path, &[]).await;

    upstream.fault_times(&path, Fault::Truncate { after: 100 }, 1);
    let cut = fetch().await.unwrap();
    assert_eq!((cut.body.len(), cut.complete), (100, false));

    upstream.fault_times(&path, Fault::Truncate { after: 0 }, 1);
    let cut = fetch().await.unwrap();
    assert_eq!((cut.status, cut.body.len(), cut.complete), (200, 0, false));

    upstream.fault_times(&path, Fault::WrongBytes, 1);
    let wrong = fetch().await.unwrap();
    assert!(wrong.complete && wrong.body.len() == wheel.bytes.len());
    assert_ne!(wrong.body, wheel.bytes);

    upstream.fault_times(&path, Fault::DropConnection, 1);
    assert!(fetch().await.is_none());

    upstream.fault_times(&path, Fault::RetryAfter(503, 7), 1);
    let busy = fetch().await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("7")));

    upstream.fault_times(&path, Fault::NoContentLength, 1);
    let chunked = fetch().await.unwrap();
    assert_eq!(chunked.header("content-length"), None);
    assert!(chunked.complete && chunked.body == wheel.bytes);

    let well = fetch().await.unwrap();
    assert!(
        well.complete && well.body == wheel.bytes,
        "one-time faults end"
    );
}

#[tokio::test]
async fn gates_hold_answers_back_until_released() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("foo").build();
    upstream.publish(&wheel);
    let path = upstream.file_path(&wheel);
    for fault in [
        |gate| Fault::Hang(gate),
        |gate| Fault::HangAfter { bytes: 10, gate },
    ] {
        let gate = Gate::closed();
        upstream.fault_times(&path, fault(gate.clone()), 1);
        let (address, wanted) = (upstream.address(), path.clone());
        let fetching = tokio::spawn(async move { get(&address, &wanted, &[]).await });
        gate.wait_for_arrivals(1).await;
        assert!(!fetching.is_finished());
        gate.open();
        assert_eq!(fetching.await.unwrap().unwrap().body, wheel.bytes);
    }

    let gate = Gate::closed();
    let chunk = wheel.bytes.len().div_ceil(3);
    let stepwise = Fault::Stepwise {
        chunk,
        gate: gate.clone(),
    };
    upstream.fault_times(&path, stepwise, 1);
    let (address, wanted) = (upstream.address(), path.clone());
    let fetching = tokio::spawn(async move { get(&address, &wanted, &[]).await });
    for step in 1..=3 {
        gate.wait_for_arrivals(step).await;
        assert!(!fetching.is_finished());
        gate.release(1);
    }
    assert_eq!(fetching.await.unwrap().unwrap().body, wheel.bytes);
}

#[tokio::test]
async fn credentials_are_demanded_and_recorded() {
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("foo").build());
    upstream.require_basic("alice", "secret");
    let refused = get(&upstream.address(), "/simple/foo/", &[]).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic")
    );
    // alice:secret
    let credentials = ("Authorization", "Basic YWxpY2U6c2VjcmV0");
    let let_in = get(&upstream.address(), "/simple/foo/", &[credentials]).await;
    assert_eq!(let_in.unwrap().status, 200);
    upstream.wait_for_requests("/simple/foo/", 2).await;
    let seen = upstream.requests_to("/simple/foo/");
    assert_eq!(seen[1].header("authorization"), Some(credentials.1));
}

#[tokio::test]
async fn names_are_redirected_to_their_normalized_form() {
    let upstream = Upstream::start().await;
    upstream.create_project("foo");
    for path in ["/simple/Foo/", "/simple/foo"] {
        let answer = get(&upstream.address(), path, &[]).await.unwrap();
        assert_eq!(answer.header("location"), Some("/simple/foo/"), "{path}");
    }
}

#[tokio::test]
async fn a_proxy_forwards_and_counts() {
    let upstream = Upstream::start().await;
    upstream.create_project("foo");
    let proxy = ForwardProxy::start().await;
    proxy.map_host("pypi.test", &upstream.address());
    let address = proxy.url().replace("http://", "");
    let ask = async |target: &str, extra: &str| {
        let request =
            format!("{target} HTTP/1.1\r\nHost: pypi.test\r\n{extra}Connection: close\r\n\r\n");
        let address = address.clone();
        tokio::task::spawn_blocking(move || exchange(&address, request.as_bytes()))
            .await
            .unwrap()
            .unwrap()
    };
    let page = ask("GET http://pypi.test/simple/foo/", "").await;
    assert_eq!(page.status, 200);
    assert_eq!(upstream.count("/simple/foo/"), 1);
    assert_eq!(proxy.requests()[0].target, "http://pypi.test/simple/foo/");
    assert_eq!((proxy.connects(), proxy.count("GET")), (0, 1));

    proxy.require_basic("u", "p");
    let refused = ask("GET http://pypi.test/simple/foo/", "").await;
    assert_eq!(refused.status, 407);
    let page = ask(
        "GET http://pypi.test/simple/foo/",
        "Proxy-Authorization: Basic dTpw\r\n",
    )
    .await;
    assert_eq!(page.status, 200);
    let last = upstream.requests_to("/simple/foo/").pop().unwrap();
    assert_eq!(last.header("proxy-authorization"), None);
}

#[tokio::test]
async fn curl_trusts_the_authority_and_goes_through_a_tunnel() {
    let authority = CertificateAuthority::new();
    let upstream = Upstream::builder().tls(&authority).start().await;
    upstream.create_project("foo");
    let proxy = ForwardProxy::start().await;
    proxy.map_host("pypi.test", &upstream.address());
    let home = tempfile::tempdir().unwrap();
    let ca = authority.write_pem(home.path());
    let curl = |arguments: &[&str]| {
        let output = std::process::Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", ""])
            .args(arguments)
            .env_clear()
            .output()
            .expect("curl is missing; install it: apt-get install -y curl");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let ca = ca.display().to_string();
    let direct = format!("{}foo/", upstream.url());
    let (fetched, page) = curl(&["--cacert", &ca, &direct]);
    assert!(fetched && page.contains("Links for foo"), "{page}");
    let (fetched, _) = curl(&[&direct]);
    assert!(!fetched, "nobody trusts the authority by default");
    let tunnelled = "https://pypi.test/simple/foo/";
    let (fetched, page) = curl(&["--cacert", &ca, "--proxy", &proxy.url(), tunnelled]);
    assert!(fetched && page.contains("Links for foo"), "{page}");
    assert_eq!(proxy.connects(), 1);
    assert_eq!(proxy.requests()[0].target, "pypi.test:443");
}
