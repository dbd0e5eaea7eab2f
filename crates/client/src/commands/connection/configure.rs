//! Asking a server what it is, and taking it into use.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::Connection;
use crate::answer::Answer;
use crate::commands::session::{PipTrust, no_answer, short};
use crate::commands::{Failure, OnError, Session};
use crate::server::{credentials_of, without_credentials};
use crate::trust::Trust;
use crate::{Credentials, Server};

/// What is done about the client certificate that is remembered for a server.
#[derive(Debug)]
enum Certificate {
    AsItIs,
    Keep(std::path::PathBuf),
    Forget,
}

impl Session {
    /// Asks the server at `url` (a URL, a path or a name) what it is, and takes it into use.
    ///
    /// # Errors
    /// A text that makes no URL, credentials without a password, no answer, an error status.
    pub(in crate::commands) async fn configure(
        &mut self,
        connection: &mut Connection,
        asked: Option<&str>,
        client_certificate: Option<&str>,
    ) -> Result<(), Failure> {
        let url = match asked {
            Some(asked) => connection.url_of_index(asked, &self.environment)?,
            None => connection.index_url()?,
        };
        if self.pip_trust == Some(PipTrust::Auto)
            && url.scheme() == "http"
            // 127.0.0.1 is not among them with devpi-client.
            && !matches!(url.host_str(), Some("localhost" | "127.0.0.0"))
        {
            self.output
                .line("Warning: insecure http host, trusted-host will be set for pip");
            self.pip_trust = Some(PipTrust::Yes);
        }
        let given = credentials_of(&url);
        if url.password().is_none() && given.is_some() {
            return Err(Failure::fatal(
                "When using basic auth, you have to provide username and password.",
            ));
        }
        let url = without_credentials(&url);
        let stored = connection.logins.basic(&url);
        if given.is_some() || (stored.is_some() && asked.is_some_and(|asked| asked.contains("://")))
        {
            let which = if given.is_some() {
                "basic authentication"
            } else {
                "existing basic auth"
            };
            self.output.info(&format!("Using {which} for '{url}'."));
            self.output.warn("The password is stored unencrypted!");
        }
        let certificate = match client_certificate {
            Some("") | None => connection.logins.client_certificate(&url),
            Some(path) => {
                let path = self.environment.expand(path);
                if !path.exists() {
                    return Err(Failure::fatal(format!(
                        "The client certificate at '{}' doesn't exist.",
                        path.display()
                    )));
                }
                Some(path)
            }
        };
        let is_stored = client_certificate.is_none_or(str::is_empty);
        if is_stored && certificate.is_some() {
            self.output
                .info(&format!("Using existing client cert for '{url}'."));
        }
        let trust = connection
            .trust
            .clone()
            .with_client_certificate(certificate.clone());
        let basic = given.clone().or(stored);
        let server = Server::with_trust(url.clone(), &trust)?.with_basic(basic);
        let answer = self.ask_api(connection, &server, &url, &trust).await?;
        if answer.status.as_u16() >= 400 {
            // A front server that was asked in the wrong way says so in a page for people.
            let advice = crate::trust::answered_in_plain_text(answer.status.as_u16(), &answer.body)
                .map(|advice| format!("\n{advice}"))
                .unwrap_or_default();
            return Err(Failure::fatal(format!(
                "{} {}\n{}{advice}",
                answer.method,
                answer.url,
                short(&answer)
            )));
        }
        if answer.kind() != Some("apiconfig") {
            return Err(Failure::fatal(format!(
                "{} is not the address of a devpi-compatible server",
                answer.url
            )));
        }
        let api = answer.result().clone();
        connection.take(&api, &answer.url, &url)?;
        connection.server = Some(server);
        connection.store(&self.directory().clone())?;
        if connection.is_unverified {
            // Whoever answered has no say in what is secret.
            return Ok(());
        }
        let status = api.pointer("/authstatus/0").and_then(Value::as_str);
        if !matches!(status, None | Some("ok" | "noauth")) {
            connection.forget_login(&self.directory().clone())?;
        }
        let certificate = match (client_certificate, certificate) {
            (None, _) => Certificate::AsItIs,
            (Some(path), Some(found)) if !path.is_empty() => Certificate::Keep(found),
            (Some(_), _) => Certificate::Forget,
        };
        if matches!(certificate, Certificate::Forget) {
            self.output
                .warn(&format!("Removing stored client cert for '{url}'."));
        }
        self.keep_proofs(connection, given.as_ref(), &certificate)
    }

    /// `GET +api`; without the login when that is refused, without looking at the server's
    /// certificate (and then without anything secret) when that cannot be verified.
    async fn ask_api(
        &mut self,
        connection: &mut Connection,
        server: &Server,
        url: &Url,
        trust: &Trust,
    ) -> Result<Answer, Failure> {
        connection.is_unverified = false;
        let request = server
            .request(Method::GET, "+api")?
            .login(connection.login(url));
        match request.send().await {
            Ok(answer) => {
                let answer = self.heed(connection, answer, OnError::Ignore)?;
                if answer.status != 403 {
                    return Ok(answer);
                }
                let request = server.request(Method::GET, "+api")?.login(None);
                self.call(connection, request, OnError::Ignore).await
            }
            Err(error) if error.is_certificate() => {
                let server = Server::with_trust(url.clone(), &trust.clone().unverified())?;
                let request = server.request(Method::GET, "+api")?.login(None);
                connection.is_unverified = true;
                let answer = self.call(connection, request, OnError::Ignore).await?;
                self.output.line(
                    "Warning: https certificate validation failed (self signed?), trusted-host \
                     will be set for pip",
                );
                self.output.line(&error.chain());
                self.pip_trust = Some(PipTrust::Yes);
                Ok(answer)
            }
            Err(error) => Err(no_answer(&format!("{url}+api"), &error)),
        }
    }

    /// Remembers what proves us to a front server, at the address that the server gave itself.
    fn keep_proofs(
        &mut self,
        connection: &mut Connection,
        basic: Option<&Credentials>,
        certificate: &Certificate,
    ) -> Result<(), Failure> {
        let Some(root) = connection.root() else {
            return Ok(());
        };
        if basic.is_none() && matches!(certificate, Certificate::AsItIs) {
            return Ok(());
        }
        for what in [
            basic.as_ref().map(|_| "basic authentication"),
            matches!(certificate, Certificate::Keep(_)).then_some("client side certificates"),
        ]
        .into_iter()
        .flatten()
        {
            self.output.warn(&format!(
                "Use of {what} is deprecated, take a look at devpi-tokens and/or devpi-lockdown instead. \
                 If that doesn't work for you, let us know by filing an issue with details of your usecase."
            ));
        }
        let directory = self.directory().clone();
        connection.change_logins(&directory, |logins| {
            if let Some(basic) = basic {
                logins.set_basic(&root, basic);
            }
            match certificate {
                Certificate::AsItIs => {}
                Certificate::Keep(path) => logins.set_client_certificate(&root, path.to_str()),
                Certificate::Forget => logins.set_client_certificate(&root, None),
            }
        })
    }
}
