//! The files of `gen-config` with the real nginx and haproxy in front, and a configuration made for devpi.

mod accel;
mod cache;
mod clients;
pub(crate) mod dying;
mod generated;
mod haproxy;
mod limits;
mod load;
pub(crate) mod lockdown;
mod mirror;
mod nodes;
mod private;
mod restart;
mod uploads;

use std::fs::{DirBuilder, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use cheeseshop_test_support::{CertificateAuthority, Nginx, loopback_port};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};

use crate::support::{BETWEEN_LOOKS, DEADLINE, Home, Output, Server, finish};

/// A name that nobody can look up.
const NAME: &str = "index.test";

/// The setting with which nginx sends files itself.
const ACCEL: &str = "--set=server.accel_location=/+blobs/";

/// A server with nginx in front, as `gen-config` has it.
struct Site {
    home: Home,
    server: Server,
    nginx: Nginx,
    authority: CertificateAuthority,
    /// Where nginx speaks TLS.
    port: u16,
    /// Where it does not.
    plain_port: u16,
}

impl Site {
    /// With these settings of the server, and these options of `gen-config nginx`.
    fn start(settings: &[&str], options: &[&str]) -> Self {
        let home = Home::new();
        open_for_nginx(&home);
        let server = Server::start(&home, settings);
        let authority = CertificateAuthority::new();
        let (port, plain_port) = (loopback_port(), loopback_port());
        let site = generate(
            &home,
            &server,
            &authority,
            (port, plain_port),
            settings,
            options,
        );
        let nginx = Nginx::start(&home.path().join("nginx"), &[&site], port, Nginx::USER);
        Self {
            home,
            server,
            nginx,
            authority,
            port,
            plain_port,
        }
    }

    /// The URL for clients that look names up.
    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// A user as seen through nginx, with a password.
    async fn user(&self, name: &str, password: &str) -> Visitor {
        self.server.root().await.create_user(name, password).await;
        self.visitor().with_login(name, password)
    }

    /// Somebody who comes through nginx.
    fn visitor(&self) -> Visitor {
        Visitor::new(&self.authority, self.port)
    }

    /// A file of the authority, for clients.
    fn bundle(&self) -> PathBuf {
        self.authority.write_pem(self.home.path())
    }

    /// The directory of blobs.
    fn blobs(&self) -> PathBuf {
        self.home.data_dir().join("blobs")
    }
}

/// Somebody on the other side of a front server.
#[derive(Clone)]
struct Visitor {
    client: Client,
    url: String,
    login: Option<(String, String)>,
}

impl Visitor {
    fn new(authority: &CertificateAuthority, port: u16) -> Self {
        Self::configured(authority, port, |client| client)
    }

    fn configured(
        authority: &CertificateAuthority,
        port: u16,
        change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Self {
        let certificate = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([certificate])
            .resolve(NAME, SocketAddr::from(([127, 0, 0, 1], port)))
            .redirect(reqwest::redirect::Policy::none());
        Self {
            client: change(client).build().unwrap(),
            url: format!("https://{NAME}:{port}"),
            login: None,
        }
    }

    fn with_login(mut self, name: &str, password: &str) -> Self {
        self.login = Some((name.to_owned(), password.to_owned()));
        self
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.contains("://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.url)
        };
        let request = self.client.request(method, url);
        match &self.login {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// Sends a JSON document.
    async fn send(&self, method: Method, path: &str, body: &serde_json::Value) -> Response {
        self.request(method, path)
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    }
}

/// Waits until the server has written so many lines that are so. A line comes after the answer.
fn wait_for_lines(server: &Server, number: usize, is_one: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let log = server.log();
        let found = log.lines().filter(|line| is_one(line)).count();
        if found == number {
            return;
        }
        assert!(
            found < number && Instant::now() < deadline,
            "{found} in place of {number} lines:\n{log}"
        );
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// A header of an answer; empty when there is none.
fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// Lets nginx's user to the blobs as the manual has it. Whoever is not root has an nginx of the same user.
fn open_for_nginx(home: &Home) {
    let (data, blobs) = (home.data_dir(), home.data_dir().join("blobs"));
    for folder in [&data, &blobs] {
        DirBuilder::new().mode(0o750).create(folder).unwrap();
    }
    if std::fs::metadata(home.path()).unwrap().uid() != 0 {
        return;
    }
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o711)).unwrap();
    let (enter, read) = ("u:www-data:x", "u:www-data:rX,d:u:www-data:rX");
    for (rights, folder) in [(&["-m", enter][..], data), (&["-R", "-m", read], blobs)] {
        let mut command = Command::new("setfacl");
        command.args(rights).arg(folder);
        finish(command, "").succeeded("setfacl");
    }
}

/// The address of a server, as a setting.
fn listen(server: &Server) -> String {
    let address = server.url.trim_start_matches("http://");
    format!("--set=server.listen={address}")
}

/// A certificate and its key as files.
fn certificate(
    home: &Home,
    authority: &CertificateAuthority,
    names: &[&str],
) -> (PathBuf, PathBuf) {
    let (certificate, key) = authority.issue(names);
    let name = names[0];
    (
        home.write(&format!("{name}.pem"), &certificate),
        home.write(&format!("{name}.key"), &key),
    )
}

/// Runs `gen-config nginx` and gives the file.
fn generate(
    home: &Home,
    server: &Server,
    authority: &CertificateAuthority,
    (port, plain_port): (u16, u16),
    settings: &[&str],
    options: &[&str],
) -> PathBuf {
    let (certificate, key) = certificate(home, authority, &["localhost", "127.0.0.1", NAME]);
    let site = home.path().join("site.conf");
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let arguments = [
        words(&["gen-config", "nginx", &listen(server)]),
        words(settings),
        vec![format!("--output={}", site.display())],
        vec![format!("--server-name=localhost,{NAME}")],
        vec![format!("--certificate={}", certificate.display())],
        vec![format!("--key={}", key.display())],
        vec![format!("--listen=127.0.0.1:{port}")],
        vec![format!("--redirect-from=127.0.0.1:{plain_port}")],
        words(options),
    ]
    .concat();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    done(home.run(&arguments));
    site
}

fn done(output: Output) -> String {
    output.succeeded("gen-config").stdout
}
