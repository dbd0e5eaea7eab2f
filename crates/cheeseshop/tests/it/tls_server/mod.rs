//! TLS in the server itself, spoken by real clients.

mod client_certificates;
mod handshake;
mod inherited;
mod installers;
mod plain_http;
mod rotation;
mod settings;
mod unread;
mod watched;

use std::path::PathBuf;
use std::time::Instant;

use cheeseshop_test_support::CertificateAuthority;
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use serde_json::json;

use crate::support::{Api, BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, Server};

/// The names of the server in these tests.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

const PASSWORD: &str = "bobs-password";

/// A home with a company's authority, and a certificate of it for the server.
struct Stand {
    home: Home,
    authority: CertificateAuthority,
}

impl Stand {
    fn new() -> Self {
        let stand = Self {
            home: Home::new(),
            authority: CertificateAuthority::new(),
        };
        stand.authority.write_pem(stand.home.path());
        let (certificate, key) = stand.authority.issue(NAMES);
        stand.install(&certificate, &key);
        stand
    }

    /// Puts the server's certificate and key where its settings say.
    fn install(&self, certificate: &str, key: &str) {
        self.home.write("server.crt", certificate);
        private(self.home.write("server.key", key));
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// Starts the server with these addresses and more arguments. The URL is that of the last address.
    fn serve(&self, addresses: &[&str], more: &[&str]) -> Server {
        let mut arguments = vec!["serve"];
        for address in addresses {
            arguments.extend(["--listen", address]);
        }
        let certificate = format!("--set=tls.certificate={}", self.path("server.crt"));
        let key = format!("--set=tls.key={}", self.path("server.key"));
        arguments.extend([certificate.as_str(), &key]);
        arguments.push("--set=mirror.root_pypi_url=http://127.0.0.1:9/");
        arguments.extend(CHEAP_HASH);
        arguments.extend(more);
        Server::spawn(&self.home, self.home.cheeseshop(&arguments))
    }

    /// Starts the server with TLS alone.
    fn serve_tls(&self, more: &[&str]) -> Server {
        self.serve(&["https://127.0.0.1:0"], more)
    }

    /// A client that trusts the company's authority and nobody else.
    fn trusting(&self) -> ClientBuilder {
        let authority = Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        Client::builder().no_proxy().tls_certs_only([authority])
    }

    fn client(&self) -> Client {
        self.trusting().build().unwrap()
    }

    /// A client with a certificate of its own.
    fn client_with(&self, (certificate, key): &(String, String)) -> Client {
        let identity = Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
        self.trusting().identity(identity).build().unwrap()
    }

    /// The user `bob` with the index `bob/dev`, made over TLS.
    async fn stock(&self, server: &Server) -> Api {
        let password = server.root_password.as_ref().unwrap();
        let root = Api::login_by(self.client(), &server.url, "root", password).await;
        root.create_user("bob", PASSWORD).await;
        root.create_index("bob/dev", &json!({"bases": []})).await;
        Api::login_by(self.client(), &server.url, "bob", PASSWORD).await
    }
}

impl Server {
    /// Waits until the log says something: it may be written after a client has seen the consequence.
    async fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in {}", self.log());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Lets nobody else read a file.
fn private(path: PathBuf) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
