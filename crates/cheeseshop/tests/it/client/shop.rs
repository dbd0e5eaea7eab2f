//! A server of ours behind a front with TLS, whose certificate is of a company's own authority, and a
//! client in a home of its own.

use cheeseshop_test_support::{CertificateAuthority, TlsFront, Wheel};
use serde_json::{Value, json};

use super::twins::Side;
use crate::support::{Home, Output, Server};

/// The password of the user `bob`.
pub(super) const PASSWORD: &str = "bobs-password";

/// The server with the index `bob/dev`, which holds `pkg` 1.0, and its front.
pub(super) struct Shop {
    pub(super) authority: CertificateAuthority,
    pub(super) front: TlsFront,
    pub(super) client: Side,
    pub(super) server: Server,
    _home: Home,
}

impl Shop {
    /// Starts with a certificate for `localhost`.
    pub(super) async fn open() -> Self {
        let authority = CertificateAuthority::new();
        let (certificate, key) = authority.issue(&["localhost"]);
        let front = TlsFront::start(&certificate, &key, None);
        Self::behind(authority, front).await
    }

    /// Starts with a front that shows a certificate of this authority.
    pub(super) async fn behind(authority: CertificateAuthority, front: TlsFront) -> Self {
        let home = Home::new();
        let outside = format!("--set=server.outside_url={}", front.url());
        let server = Server::start(
            &home,
            &[&outside, "--set=mirror.root_pypi_url=http://127.0.0.1:9/"],
        );
        front.pass_to(server.url.trim_start_matches("http://"));
        let bob = server.new_user("bob", PASSWORD).await;
        bob.create_index("bob/dev", &json!({"bases": []})).await;
        bob.upload("bob/dev", &Wheel::named("pkg").build()).await;
        Self {
            authority,
            front,
            client: Side::ours_alone(),
            server,
            _home: home,
        }
    }

    /// The URL of something at the front.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.front.url())
    }

    /// Runs the client in its home.
    pub(super) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        run(&self.client, arguments, variables)
    }
}

/// Runs a client in its home.
pub(super) fn run(client: &Side, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = client.command(arguments);
    command.envs(variables.iter().copied());
    crate::support::finish(command, "")
}

/// Makes a client use a server that it has never asked.
pub(super) fn use_unasked(client: &Side, root: &str) {
    let state = client.home.path().join(".devpi/client");
    std::fs::create_dir_all(&state).unwrap();
    let current = json!({"index": format!("{root}bob/dev"), "login": format!("{root}+login")});
    std::fs::write(state.join("current.json"), current.to_string()).unwrap();
}

/// The document that a command printed.
pub(super) fn document(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
