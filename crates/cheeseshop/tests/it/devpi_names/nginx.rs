//! The generated nginx configurations with a real nginx, and one that was made for devpi.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cheeseshop_test_support::{
    BuiltFile, Nginx, Wheel, client_command, loopback_port, python_client,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{initialised, run, serve};
use crate::fronts::dying::Dying;
use crate::support::{Api, Home, Server, finish};

/// nginx with one of its files, on a port of its own.
struct Front {
    _nginx: Nginx,
    url: String,
}

impl Front {
    /// Checks the configuration as administrators do, and starts nginx with it.
    fn start(home: &Home, config: &Path, port: u16) -> Self {
        Self {
            // As another user than this one it would have no way to our directory.
            _nginx: Nginx::start(&home.path().join("nginx"), &[config], port, "root"),
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

/// A server with a wheel, and the generated files for it with nginx on a free port.
struct Site {
    home: Home,
    server: Server,
    wheel: BuiltFile,
    port: u16,
}

impl Site {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(arguments: &[&str]) -> Self {
        let home = initialised();
        let server = serve(&home, &[&["--host", "127.0.0.1"], arguments].concat());
        let root = Api::login(&server.url, "root", "").await;
        let config = json!({"bases": [], "acl_upload": ["root"]});
        root.create_index("root/dev", &config).await;
        let wheel = Wheel::named("behind-nginx").build();
        root.upload("root/dev", &wheel).await;
        let port = loopback_port();
        Self {
            home,
            server,
            wheel,
            port,
        }
    }

    /// The generated file of this name.
    fn generated(&self, name: &str) -> PathBuf {
        self.generated_for(&self.server.url, name)
    }

    /// The same for another server.
    fn generated_for(&self, address: &str, name: &str) -> PathBuf {
        let port = address.rsplit(':').next().unwrap();
        let outside = format!("--outside-url=http://127.0.0.1:{}", self.port);
        let arguments = ["--host", "127.0.0.1", "--port", port, &outside];
        let output = run(&self.home, "devpi-gen-config", &arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
        self.home.path().join("gen-config").join(name)
    }

    /// The generated file, started.
    fn nginx(&self, name: &str) -> Front {
        let config = self.generated(name);
        if name.contains("caching") {
            // The path is one that administrators own.
            let text = std::fs::read_to_string(&config).unwrap();
            let cache = self.home.path().join("cache").display().to_string();
            let text = text.replace("/var/cache/nginx/devpi", &cache);
            std::fs::write(&config, text).unwrap();
        }
        Front::start(&self.home, &config, self.port)
    }

    /// Installs the wheel through an index URL.
    fn install(&self, index: &str, folder: &str) {
        let folder = self.home.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = client_command(&python_client("pip"), &folder);
        command
            .args([
                "install",
                "--no-cache-dir",
                "--target",
                "here",
                "--index-url",
                index,
            ])
            .arg("behind-nginx")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_installs_go_through_the_generated_configuration() {
    let site = Site::open().await;
    let nginx = site.nginx("nginx-devpi.conf");
    site.install(&format!("{}/root/dev/+simple/", nginx.url), "one");

    // Links are those of the outside, and an upload is larger than nginx's own limit.
    let api = Api::anonymous(&nginx.url).document("+api").await;
    assert_eq!(api["result"]["login"], format!("{}/+login", nginx.url));
    let root = Api::login(&nginx.url, "root", "").await;
    let large = Wheel::named("large")
        .file("large/data.bin", crate::support::noise(3 << 20))
        .build();
    root.upload("root/dev", &large).await;
    let listed = root.files("root/dev", "large").await;
    assert!(listed[0].url.starts_with(&nginx.url), "{}", listed[0].url);
    assert_eq!(root.digest_of(&listed[0].url).await, large.sha256);
    let metrics = root.get("metrics").await.status();
    assert_eq!(metrics, StatusCode::FORBIDDEN);
    let part = root
        .request(Method::GET, &listed[0].url)
        .header("Range", "bytes=0-9")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), large.bytes[..10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_and_removed_through_nginx_and_never_twice() {
    let site = Site::open().await;
    let nginx = site.nginx("nginx-devpi.conf");
    let root = Api::login(&nginx.url, "root", "").await;
    for _ in 0..3 {
        let long = json!({"bases": [], "title": "x".repeat(300_000)});
        root.create_index("root/new", &long).await;
        let gone = root.send(Method::DELETE, "root/new", &json!({})).await;
        assert!(gone.status().is_success(), "{gone:?}");
    }
    drop(nginx);

    let dying = Dying::of_changes();
    let config = site.generated_for(&dying.address, "nginx-devpi.conf");
    let nginx = Front::start(&site.home, &config, site.port);
    let visitor = Api::anonymous(&nginx.url);
    for round in 1..=6 {
        for method in [Method::PUT, Method::DELETE, Method::POST] {
            assert_eq!(visitor.get("bob").await.status(), StatusCode::OK);
            let answer = visitor.send(method.clone(), "bob/dev", &json!({})).await;
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
            assert_eq!(dying.count(method.as_str()), round, "{method}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_reaches_a_unix_socket() {
    let home = initialised();
    let _server = serve(&home, &["--unix-socket", "socket"]);
    let port = loopback_port();
    let outside = format!("--outside-url=http://127.0.0.1:{port}");
    let output = run(
        &home,
        "devpi-gen-config",
        &["--unix-socket", "socket", &outside],
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    let config = home.path().join("gen-config/nginx-devpi.conf");
    let nginx = Front::start(&home, &config, port);
    let api = Api::anonymous(&nginx.url).document("+api").await;
    assert_eq!(api["result"]["login"], format!("{}/+login", nginx.url));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caching_configuration_serves_pages_while_the_server_is_away() {
    let site = Site::open().await;
    let nginx = site.nginx("nginx-devpi-caching.conf");
    let page = format!("{}/root/dev/+simple/behind-nginx/", nginx.url);
    site.install(&format!("{}/root/dev/+simple/", nginx.url), "one");
    let anonymous = Api::anonymous(&nginx.url);
    let mut states = Vec::new();
    for _ in 0..2 {
        let answer = anonymous.get(&page).await;
        assert_eq!(answer.status(), StatusCode::OK);
        states.push(answer.headers()["x-cached"].to_str().unwrap().to_owned());
    }
    assert_eq!(states[0], "MISS", "{states:?}");
    assert_ne!(states[1], "MISS", "{states:?}");
    // Whoever has credentials gets answers of the server only.
    let root = Api::login(&nginx.url, "root", "").await;
    let answer = root.get(&page).await;
    assert_eq!(answer.headers()["x-cached"], "BYPASS");

    let Site { server, .. } = site;
    server.stop();
    let answer = anonymous.get(&page).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("behind_nginx-1.0"));
    let answer = root.get(&page).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lockdown_configuration_lets_in_whoever_has_logged_in() {
    let site = Site::open_with(&["--set", "auth.login_required=true"]).await;
    let nginx = site.nginx("nginx-devpi-lockdown.conf");
    let page = "root/dev/+simple/behind-nginx/";
    let anonymous = Api::anonymous(&nginx.url);
    let root = Api::login(&nginx.url, "root", "").await;
    let files = root.files("root/dev", "behind-nginx").await;
    assert_eq!(root.digest_of(&files[0].url).await, site.wheel.sha256);
    for path in [page, &files[0].url] {
        let answer = anonymous.get(path).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(
            answer.headers().contains_key("www-authenticate"),
            "without a challenge pip never sends its credentials"
        );
    }
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = browser
        .get(format!("{}/{page}", nginx.url))
        .header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let login = format!("{}/+login?goto_url=/{page}", nginx.url);
    assert_eq!(answer.headers()["location"], login);
    // pip sends what the URL has.
    root.create_user("pip", "pw").await;
    let with_login = nginx.url.replace("http://", "http://pip:pw@");
    site.install(&format!("{with_login}/root/dev/+simple/"), "one");
}

/// How devpi's own configurations have it: files below `root` first, then the server.
const FOR_DEVPI: &str = r"
server {
    server_name localhost;
    listen PORT;
    root DIRECTORY;
    location ~ /\+f/ {
        error_page 418 = @server;
        if ($request_method !~ (GET)|(HEAD)) { return 418; }
        try_files /+files$uri @server;
    }
    location ~ /\+doc/ { try_files $uri @server; }
    location / { error_page 418 = @server; return 418; }
    location @server {
        proxy_pass http://SERVER;
        proxy_set_header X-outside-url $scheme://$http_host;
        proxy_set_header X-Real-IP $remote_addr;
    }
}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_was_made_for_devpi_goes_on_working() {
    let site = Site::open().await;
    let directory = site.home.path().join(".devpi/server");
    let config = FOR_DEVPI
        .replace("PORT", &site.port.to_string())
        .replace("DIRECTORY", &directory.display().to_string())
        .replace("SERVER", site.server.url.trim_start_matches("http://"));
    let config = site.home.write("for-devpi.conf", &config);
    let nginx = Front::start(&site.home, &config, site.port);
    site.install(&format!("{}/root/dev/+simple/", nginx.url), "one");
    let root = Api::login(&nginx.url, "root", "").await;
    let listed = root.files("root/dev", "behind-nginx").await;
    assert!(listed[0].url.starts_with(&nginx.url), "{}", listed[0].url);
    let answer = root.send(Method::DELETE, &listed[0].url, &json!({})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = root.get(&listed[0].url).await;
    assert_eq!(answer.status(), StatusCode::GONE);
}
