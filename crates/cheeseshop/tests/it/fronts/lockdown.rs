//! A real nginx in front that asks `/+authcheck` before it answers, as devpi-lockdown sets it up.

use std::path::Path;
use std::process::Stdio;

use cheeseshop_test_support::{Nginx, Wheel, client_command, loopback_port, python_client};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response};
use serde_json::json;

use crate::support::{Home, Server, finish_aside};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// nginx, and somebody who asks it.
struct Front {
    _nginx: Nginx,
    url: String,
    client: Client,
}

impl Front {
    /// Starts in front of `server`; files below `folder` are served by nginx itself.
    fn start(folder: &Path, server: &Server) -> Self {
        let port = loopback_port();
        let site = folder.join("site.conf");
        std::fs::write(&site, configuration(folder, port, &server.url)).unwrap();
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            _nginx: Nginx::start(folder, &[&site], port, "root"),
            url: format!("http://127.0.0.1:{port}"),
            client: client.build().unwrap(),
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }
}

fn configuration(folder: &Path, port: u16, application: &str) -> String {
    let folder = folder.display();
    let headers = "proxy_set_header X-outside-url $scheme://$http_host;\n    \
                   proxy_set_header X-Real-IP $remote_addr;";
    format!(
        r"client_max_body_size 64M;
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    {headers}

    recursive_error_pages on;
    error_page 401 = @error401;
    location @error401 {{
      return 302 /+login?goto_url=$request_uri;
    }}
    auth_request /+authcheck;
    location = /+authcheck {{
      internal;
      proxy_pass_request_body off;
      proxy_set_header Content-Length '';
      proxy_set_header X-Original-URI $request_uri;
      {headers}
      proxy_pass {application};
    }}

    location ~ /\+f/ {{
      if ($request_method !~ (GET)|(HEAD)) {{
        proxy_pass {application};
      }}
      expires max;
      try_files /+files$uri @proxy_to_app;
    }}
    location / {{
      error_page 418 = @proxy_to_app;
      return 418;
    }}
    location @proxy_to_app {{
      proxy_pass {application};
    }}
  }}
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_lets_in_whoever_logged_in() {
    let home = Home::new();
    let arguments = [
        "--set=mirror.root_pypi_url=http://127.0.0.1:9/",
        "--set=auth.login_required=true",
    ];
    let server = Server::start(&home, &arguments);
    let bob = server.new_user("bob", "bobs-password").await;
    for (index, config) in [
        ("bob/dev", json!({"bases": []})),
        ("bob/closed", json!({"bases": [], "acl_read": ["bob"]})),
    ] {
        bob.create_index(index, &config).await;
    }
    server.new_user("eve", "eves-password").await;
    let wheel = Wheel::named("pkg").build();
    bob.upload("bob/dev", &wheel).await;
    let folder = home.path().join("nginx");
    // Files that nginx would serve without asking anybody.
    for index in ["bob/dev", "bob/closed"] {
        let place = folder.join(format!("+files/{index}/+f/abc/0123456789abc"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("x-1.0.tar.gz"), index).unwrap();
    }
    let nginx = Front::start(&folder, &server);
    let dev = "/bob/dev/+f/abc/0123456789abc/x-1.0.tar.gz";
    let closed = "/bob/closed/+f/abc/0123456789abc/x-1.0.tar.gz";

    // A stranger.
    for path in [
        dev,
        closed,
        "/bob/dev/+simple/",
        "/bob/dev/+simple/pkg/",
        "/",
        "/+status",
    ] {
        let answer = nginx.get(path, &[("accept", BROWSER)]).await;
        assert_eq!(answer.status(), 302, "{path}");
        assert_eq!(
            answer.headers()[LOCATION],
            format!("{}/+login?goto_url={path}", nginx.url),
            "{path}"
        );
        let client = [("user-agent", "devpi-client/7.3.0 (py3)")];
        assert_eq!(nginx.get(path, &client).await.status(), 403, "{path}");
    }
    for path in ["/+api", "/bob/+api"] {
        assert_eq!(nginx.get(path, &[]).await.status(), 200, "{path}");
    }

    // A browser, following where it is led.
    let login = format!("{}/+login?goto_url={dev}", nginx.url);
    let page = nginx
        .get(&format!("/+login?goto_url={dev}"), &[("accept", BROWSER)])
        .await;
    assert_eq!(page.status(), 200);
    let submit = async |form: &'static str| {
        nginx
            .client
            .post(&login)
            .header("accept", BROWSER)
            .header("origin", &nginx.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap()
    };
    let answer = submit("username=eve&password=eves-password&submit=").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()[LOCATION], dev);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with_cookie = [(COOKIE.as_str(), cookie.as_str())];
    let answer = nginx.get(dev, &with_cookie).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "bob/dev", "nginx's own file");
    let answer = nginx.get("/bob/dev/+simple/pkg/", &with_cookie).await;
    assert_eq!(answer.status(), 200);
    // Known, and yet not allowed.
    assert_eq!(nginx.get(closed, &with_cookie).await.status(), 403);

    // pip, with a token for a password.
    let answer = bob
        .send(
            reqwest::Method::POST,
            "bob/+token-create",
            &json!({"indexes": ["bob/dev"]}),
        )
        .await;
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let token = answer["result"]["token"].as_str().unwrap();
    let index = format!("{}/bob/dev/+simple/", nginx.url);
    let index = index.replacen("://", &format!("://__token__:{token}@"), 1);
    let mut pip = client_command(&python_client("pip"), home.path());
    pip.args(["install", "--target", "there", "--index-url", &index, "pkg"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish_aside(pip).await.succeeded("pip");
}
