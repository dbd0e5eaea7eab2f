//! pip, uv, twine and curl through nginx with TLS.

use std::path::Path;
use std::process::{Command, Stdio};

use cheeseshop_test_support::{Wheel, client_command, noise, python_client};
use serde_json::json;

use super::{ACCEL, Site};
use crate::support::{Output, finish_aside};

/// Runs a client that trusts the site's authority.
async fn run(site: &Site, program: &Path, arguments: &[&str]) -> Output {
    let bundle = site.bundle();
    let mut command = client_command(program, site.home.path());
    command
        .args(arguments)
        .env("PIP_CERT", &bundle)
        .env("SSL_CERT_FILE", &bundle)
        .env("REQUESTS_CA_BUNDLE", &bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish_aside(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn real_clients_upload_and_install_through_nginx_with_files_sent_by_it() {
    let site = Site::start(&[ACCEL], &[]);
    let bob = site.server.new_user("bob", "secret").await;
    let config = json!({"bases": [], "acl_read": ["bob"]});
    bob.create_index("bob/dev", &config).await;
    let wheel = Wheel::named("behind-nginx")
        .file("behind_nginx/data.bin", noise(1 << 20))
        .build();
    let file = wheel.write_to(site.home.path());
    let file = file.to_str().unwrap();

    let twine = python_client("twine");
    let url = format!("{}/bob/dev/", site.url());
    run(
        &site,
        &twine,
        &[
            "upload",
            "--non-interactive",
            "--repository-url",
            &url,
            "--username=bob",
            "--password=secret",
            file,
        ],
    )
    .await
    .succeeded("twine");

    let index = format!("{}/bob/dev/+simple/", site.url());
    let index = index.replacen("://", "://bob:secret@", 1);
    let pip = python_client("pip");
    run(
        &site,
        &pip,
        &[
            "install",
            "--no-cache-dir",
            "--target=pip",
            "--index-url",
            &index,
            "behind-nginx",
        ],
    )
    .await
    .succeeded("pip");
    let uv = python_client("uv");
    let python = python_client("pip").with_file_name("python");
    run(
        &site,
        &uv,
        &[
            "pip",
            "install",
            "--no-cache",
            "--target=uv",
            "--python",
            python.to_str().unwrap(),
            "--default-index",
            &index,
            "behind-nginx",
        ],
    )
    .await
    .succeeded("uv");
    for client in ["pip", "uv"] {
        let installed = site.home.path().join(client);
        let data = std::fs::read(installed.join("behind_nginx/data.bin")).unwrap();
        assert_eq!(data, noise(1 << 20), "{client}");
    }
    let url = format!("{}/bob/dev/", site.url());
    let other = Wheel::named("by-uv").build().write_to(site.home.path());
    run(
        &site,
        &uv,
        &[
            "publish",
            "--publish-url",
            &url,
            "--username=bob",
            "--password=secret",
            other.to_str().unwrap(),
        ],
    )
    .await
    .succeeded("uv publish");
    assert_eq!(bob.files("bob/dev", "by-uv").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_at_the_front_and_plain_http_leads_to_https() {
    let site = Site::start(&[], &[]);
    let ask = async |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--output",
            "-",
        ])
        .arg("--cacert")
        .arg(site.bundle())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
        finish_aside(curl).await.succeeded("curl").stdout
    };
    let url = format!("{}/+health/live", site.url());
    let told = ask(&["--write-out", " %{http_version}", "--http2", &url]).await;
    assert_eq!(told, "ok\n 2");
    let told = ask(&["--write-out", " %{http_version}", "--http1.1", &url]).await;
    assert_eq!(told, "ok\n 1.1");

    let plain = format!("http://localhost:{}/root/pypi?a=b", site.plain_port);
    let format = "%{http_code} %{redirect_url}";
    let told = ask(&["--head", "--write-out", format, &plain]).await;
    let expected = format!("301 {}/root/pypi?a=b", site.url());
    assert!(told.ends_with(&expected), "{told}");
    // Nobody sends a password there twice.
    let told = ask(&["--request", "POST", "--write-out", "%{http_code}", &plain]).await;
    assert_eq!(told, "use https\n403");
    for sent in ["Authorization: Basic Ym9iOmE=", "X-Devpi-Auth: Ym9iOmE="] {
        let told = ask(&["--header", sent, "--write-out", "%{http_code}", &plain]).await;
        assert_eq!(told, "use https\n403", "{sent}");
    }
}
