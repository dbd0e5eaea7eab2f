//! pip, uv, twine and curl over TLS of ours.

use std::path::PathBuf;
use std::process::Command;

use cheeseshop_test_support::{BuiltFile, Wheel, client_command, python_client};
use reqwest::Method;
use reqwest::header::{SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use serde_json::json;

use super::{PASSWORD, Stand};
use crate::support::{Output, Server, finish_aside, noise};

impl Stand {
    /// A client in a directory of its own, which trusts the authority by these variables.
    async fn python_client(&self, name: &'static str, variables: &[&str]) -> Command {
        let program = tokio::task::spawn_blocking(move || python_client(name))
            .await
            .unwrap();
        let folder = self.home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = client_command(&program, &folder);
        for variable in variables {
            command.env(variable, self.home.path().join("ca.pem"));
        }
        piped(command)
    }

    /// curl, which trusts the authority.
    fn curl(&self, arguments: &[&str]) -> Command {
        let mut command = client_command(&PathBuf::from("curl"), self.home.path());
        command.args(["--silent", "--show-error", "--cacert", "ca.pem"]);
        command.args(arguments);
        piped(command)
    }
}

fn piped(mut command: Command) -> Command {
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

async fn succeed(command: Command) -> Output {
    let shown = format!("{command:?}");
    finish_aside(command).await.succeeded(&shown)
}

/// The URL of a server by the name that certificates are for.
fn by_name(server: &Server, path: &str) -> String {
    server.at(path).replace("127.0.0.1", "localhost")
}

fn large(name: &str) -> BuiltFile {
    let bytes = noise(3_000_000);
    Wheel::named(name).file("large.bin", bytes).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twine_uploads_and_pip_and_uv_install() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    stand.stock(&server).await;
    let file = large("app");
    let path = file.write_to(stand.home.path());
    let mut twine = stand.python_client("twine", &["REQUESTS_CA_BUNDLE"]).await;
    twine
        .args(["upload", "--non-interactive", "--repository-url"])
        .arg(by_name(&server, "bob/dev/"))
        .args(["-u", "bob", "-p", PASSWORD])
        .arg(path);
    succeed(twine).await;

    let simple = by_name(&server, "bob/dev/+simple/");
    let installed = |client: &str| stand.home.path().join(client).join("there/large.bin");
    let pip = |variables: &'static [&'static str]| {
        let (stand, simple) = (&stand, simple.as_str());
        async move {
            let mut pip = stand.python_client("pip", variables).await;
            pip.args(["install", "--target", "there", "--no-cache-dir"])
                .args(["--retries", "0", "--index-url", simple, "app"]);
            pip
        }
    };
    let refused = finish_aside(pip(&[]).await).await;
    assert_ne!(
        refused.code,
        Some(0),
        "the authority is nobody's: {refused:?}"
    );
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("CERTIFICATE_VERIFY_FAILED"), "{said}");
    succeed(pip(&["PIP_CERT"]).await).await;
    assert_eq!(std::fs::read(installed("pip")).unwrap(), noise(3_000_000));

    let mut uv = stand.python_client("uv", &["SSL_CERT_FILE"]).await;
    uv.args(["pip", "install", "--target", "there", "--no-cache"])
        .args(["--index-url", &simple, "app"]);
    succeed(uv).await;
    assert_eq!(std::fs::read(installed("uv")).unwrap(), noise(3_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_uv_and_twine_show_certificates_in_place_of_passwords() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    let bob = stand.stock(&server).await;
    let closed = json!({"bases": [], "acl_read": ["bob"]});
    bob.create_index("bob/closed", &closed).await;
    server.stop();
    let (certificate, key) = stand.authority.issue_client("bob");
    stand.home.write("bob.pem", &format!("{key}{certificate}"));
    let authority = format!("--set=tls.client_ca={}", stand.path("ca.pem"));
    let server = stand.serve_tls(&[
        "--set=tls.client_certificates=required",
        "--set=tls.client_user=common_name",
        &authority,
    ]);
    let identity = stand.path("bob.pem");
    let path = large("app").write_to(stand.home.path());
    let mut twine = stand.python_client("twine", &["REQUESTS_CA_BUNDLE"]).await;
    // twine wants a name in any case, and sends it with an empty password.
    twine
        .args(["upload", "--non-interactive", "--client-cert", &identity])
        .args(["-u", "bob"])
        .args(["--repository-url", &by_name(&server, "bob/closed/")])
        .arg(&path);
    succeed(twine).await;

    let simple = by_name(&server, "bob/closed/+simple/");
    let mut pip = stand.python_client("pip", &["PIP_CERT"]).await;
    pip.args(["install", "--target", "there", "--no-cache-dir"])
        .args(["--client-cert", &identity, "--index-url", &simple, "app"]);
    succeed(pip).await;
    let mut uv = stand.python_client("uv", &["SSL_CERT_FILE"]).await;
    uv.env("SSL_CLIENT_CERT", &identity)
        .args(["pip", "install", "--target", "there", "--no-cache"])
        .args(["--index-url", &simple, "app"]);
    succeed(uv).await;
    for client in ["pip", "uv"] {
        let file = stand.home.path().join(client).join("there/large.bin");
        assert_eq!(std::fs::read(file).unwrap(), noise(3_000_000), "{client}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_uploads_and_downloads_over_both_versions_of_http() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    let bob = stand.stock(&server).await;
    for (option, version, name) in [("--http2", "2", "two"), ("--http1.1", "1.1", "one")] {
        let file = large(name);
        let path = file.write_to(stand.home.path());
        let content = format!("content=@{}", path.display());
        let fields = [
            ":action=file_upload".to_owned(),
            "protocol_version=1".to_owned(),
            "metadata_version=2.4".to_owned(),
            format!("name={}", file.project),
            format!("version={}", file.version),
            "filetype=bdist_wheel".to_owned(),
            content,
        ];
        let url = by_name(&server, "bob/dev/");
        let login = format!("bob:{PASSWORD}");
        let mut arguments = vec![option, "--user", &login, "--write-out"];
        arguments.push("\n%{http_version} %{response_code}");
        for field in &fields {
            arguments.extend(["--form", field]);
        }
        arguments.push(&url);
        let answer = succeed(stand.curl(&arguments)).await.stdout;
        assert!(answer.ends_with(&format!("\n{version} 200")), "{answer}");

        // Who is refused is told so, in the middle of sending.
        arguments.retain(|argument| *argument != "--user" && *argument != login);
        let refused = succeed(stand.curl(&arguments)).await.stdout;
        assert!(refused.ends_with(&format!("\n{version} 401")), "{refused}");

        let listed = bob.files("bob/dev", name).await;
        assert_eq!(listed[0].sha256, file.sha256);
        let url = listed[0].url.replace("127.0.0.1", "localhost");
        let output = ["--output", "got", "--write-out", "%{http_version}"];
        let answer = succeed(stand.curl(&[&[option], &output[..], &[&url]].concat())).await;
        assert_eq!(answer.stdout, version);
        let got = std::fs::read(stand.home.path().join("got")).unwrap();
        assert_eq!(got, file.bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_of_itself_begins_with_https() {
    let stand = Stand::new();
    let server = stand.serve_tls(&["--set=tls.hsts=365d"]);
    let bob = stand.stock(&server).await;
    let port = server.url.rsplit_once(':').unwrap().1;
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let pasted = format!("--index-url https://localhost:{port}/root/pypi/+simple/ NAME");
    assert!(
        server.announcement.contains(&pasted),
        "{}",
        server.announcement
    );

    let api = bob.document("bob/dev/+api").await;
    for key in ["login", "index", "simpleindex", "pypisubmit"] {
        let url = api["result"][key].as_str().unwrap();
        assert!(url.starts_with(&server.url), "{key}: {url}");
    }
    let browser = "text/html,application/xhtml+xml";
    let form = [("username", "bob"), ("password", PASSWORD)];
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let answer = stand
        .trusting()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
        .request(Method::POST, server.at("+login"))
        .header("accept", browser)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
    assert_eq!(
        answer.headers()[STRICT_TRANSPORT_SECURITY],
        "max-age=31536000"
    );
    // From memory as well.
    bob.upload("bob/dev", &Wheel::named("app").build()).await;
    for _ in 0..2 {
        let page = bob.get("bob/dev/+simple/app/").await;
        assert_eq!(
            page.headers()[STRICT_TRANSPORT_SECURITY],
            "max-age=31536000"
        );
    }
    server.stop();
    let quiet = stand.serve_tls(&[]);
    let answer = stand.client().get(quiet.at("+api")).send().await.unwrap();
    assert!(!answer.headers().contains_key(STRICT_TRANSPORT_SECURITY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_client_and_the_status_command_get_along_with_it() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    let url = by_name(&server, "");
    let ask = |arguments: &[&str]| {
        let mut command = stand.home.bare_cheeseshop(arguments);
        command.env("SSL_CERT_FILE", stand.home.path().join("ca.pem"));
        command
    };
    let status = succeed(ask(&["status", &url])).await.stdout;
    assert!(status.contains(&format!("server    {url}")), "{status}");
    let doctor = finish_aside(ask(&["doctor", &url])).await.stdout;
    let certificate = "ok    certificate: CN=Cheeseshop test server is valid until";
    assert!(doctor.contains(certificate), "{doctor}");
}
