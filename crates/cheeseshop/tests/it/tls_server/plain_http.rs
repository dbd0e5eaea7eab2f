//! What an address without TLS does beside one with it.

use cheeseshop_test_support::Wheel;
use reqwest::header::LOCATION;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::json;

use super::{PASSWORD, Stand};
use crate::support::{Api, Server};

/// A server with both kinds of addresses.
struct Both {
    stand: Stand,
    server: Server,
    /// The URL of the address without TLS.
    plain: String,
}

impl Both {
    async fn open(policy: Option<&str>) -> Self {
        let setting = policy.map(|policy| format!("--set=tls.plain_http={policy}"));
        Self::open_with(&Vec::from_iter(setting.as_deref())).await
    }

    async fn open_with(settings: &[&str]) -> Self {
        let stand = Stand::new();
        let socket = format!("unix:{}", stand.path("shop.sock"));
        let addresses = ["127.0.0.1:0", &socket, "https://127.0.0.1:0"];
        let server = stand.serve(&addresses, settings);
        let bob = stand.stock(&server).await;
        bob.upload("bob/dev", &Wheel::named("app").build()).await;
        let first = server.announcement.lines().find_map(|line| {
            let url = line.strip_prefix("Listening on ")?;
            url.starts_with("http://").then(|| url.to_owned())
        });
        let plain = first.expect("the address without TLS is announced");
        Self {
            stand,
            server,
            plain,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let url = format!("{}/{path}", self.plain);
        client.build().unwrap().request(method, url)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }
}

async fn refusal(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    answer.text().await.unwrap()
}

const PAGE: &str = "bob/dev/+simple/app/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_readers_are_led_and_nothing_else_is_taken() {
    let both = Both::open(None).await;
    for (path, method) in [
        (PAGE, Method::GET),
        (PAGE, Method::HEAD),
        ("bob/dev/+api?a=b", Method::GET),
        ("metrics", Method::GET),
    ] {
        let answer = both.request(method, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(answer.headers()[LOCATION], both.server.at(path), "{path}");
    }
    for path in ["+health/live", "+health/ready"] {
        assert_eq!(both.get(path).await.status(), StatusCode::OK, "{path}");
    }
    let url = &both.server.url;
    let login = json!({"user": "bob", "password": PASSWORD}).to_string();
    let login = both
        .request(Method::POST, "+login")
        .header("content-type", "application/json")
        .body(login);
    assert!(refusal(login).await.contains(url.as_str()));
    let with_password = both
        .request(Method::GET, PAGE)
        .basic_auth("bob", Some(PASSWORD));
    let told = refusal(with_password).await;
    assert!(
        told.contains(url.as_str()) && told.contains("replace the password"),
        "{told}"
    );
    assert!(!told.contains(PASSWORD), "{told}");
    let upload = Api::anonymous(&both.plain).upload_request("bob/dev", &Wheel::named("x").build());
    let told = refusal(upload).await;
    assert!(told.contains(url.as_str()), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_is_for_those_who_have_nothing_to_hide() {
    let both = Both::open(Some("read-only")).await;
    for path in [PAGE, "bob/dev", "metrics", "+health/live"] {
        // A second time from memory, where it can be.
        for _ in 0..2 {
            assert_eq!(both.get(path).await.status(), StatusCode::OK, "{path}");
        }
    }
    for path in ["+login", "bob/dev/+api"] {
        let answer = both.get(path).await;
        assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(answer.headers()[LOCATION], both.server.at(path), "{path}");
    }
    let with_password = both
        .request(Method::GET, PAGE)
        .basic_auth("bob", Some(PASSWORD));
    assert!(refusal(with_password).await.contains(&both.server.url));
    let deletion = both.request(Method::DELETE, "bob/dev");
    assert!(refusal(deletion).await.contains(&both.server.url));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn served_in_full_and_what_a_proxy_has_received_over_tls() {
    let both = Both::open(Some("serve")).await;
    let bob = Api::login(&both.plain, "bob", PASSWORD).await;
    bob.upload("bob/dev", &Wheel::named("lib").build()).await;

    let both = Both::open(None).await;
    for (header, value) in [
        ("x-forwarded-proto", "https"),
        ("x-outside-url", "https://shop.test/"),
        ("forwarded", "proto=https;host=shop.test"),
    ] {
        let request = both.request(Method::GET, PAGE).header(header, value);
        let answer = request.basic_auth("bob", Some(PASSWORD)).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK, "{header}");
    }
    let strangers = both.request(Method::GET, PAGE);
    let strangers = strangers.header("x-forwarded-proto", "http");
    let answer = strangers.header("x-forwarded-host", "shop.test");
    let answer = answer.send().await.unwrap();
    assert_eq!(
        answer.headers()[LOCATION],
        format!("https://shop.test/{PAGE}")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_claims_to_have_come_over_tls_is_not_believed() {
    let both = Both::open_with(&["--set=server.trusted_proxies=192.0.2.1"]).await;
    for (header, value) in [
        ("x-forwarded-proto", "https"),
        ("x-outside-url", "https://shop.test/"),
        ("x-forwarded-host", "shop.test"),
    ] {
        let request = both.request(Method::GET, PAGE).header(header, value);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY, "{header}");
        assert_eq!(answer.headers()[LOCATION], both.server.at(PAGE), "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_the_file_system_are_for_proxies_and_served() {
    let both = Both::open(None).await;
    let client = Client::builder()
        .no_proxy()
        .unix_socket(both.stand.home.path().join("shop.sock"));
    let api = Api::login_by(client.build().unwrap(), "http://shop.test", "bob", PASSWORD).await;
    api.upload("bob/dev", &Wheel::named("lib").build()).await;
}
