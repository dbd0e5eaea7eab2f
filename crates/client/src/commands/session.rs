//! One run of a command: its surroundings, its output, its state, and how it asks a server.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::commands::{Connection, Failure, GenericArgs, Output};
use crate::request::Request;
use crate::state::ClientDirectory;
use crate::tool_config::without_password;
use crate::trust::Trust;
use crate::{Credentials, Environment, Error};

/// The version of devpi-client whose behaviour is ours.
pub(crate) const DEVPI_CLIENT_VERSION: &str = "7.3.0";

/// What is done about an answer with an error status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// It ends the command.
    Stop,
    /// It is told, and the command goes on.
    Tell,
    /// The command deals with it.
    Ignore,
}

/// One run of a command.
#[derive(Debug)]
pub(crate) struct Session {
    /// What surrounds the process.
    pub(crate) environment: Environment,
    /// Where lines go.
    pub(crate) output: Output,
    /// The options that every command has.
    pub(crate) options: GenericArgs,
    /// Whether pip is to believe the host without a certificate; `use` asks that, and what is found out
    /// of the server answers it.
    pub(super) pip_trust: Option<PipTrust>,
    /// Who asks in place of whoever has logged in.
    pub(super) stand_in: Option<Credentials>,
    directory: ClientDirectory,
    has_told_of_missing_version: bool,
}

/// Whether pip is to believe a host without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PipTrust {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It is, when there is no certificate that can be verified.
    Auto,
}

impl Session {
    /// A run in these surroundings.
    ///
    /// # Errors
    /// When there is no home to keep state in and no other place was named.
    pub(crate) fn new(
        environment: Environment,
        output: Output,
        options: GenericArgs,
    ) -> Result<Self, Failure> {
        let path = options
            .clientdir
            .as_ref()
            .map(|path| environment.expand(&path.to_string_lossy()))
            .or_else(|| environment.path("DEVPI_CLIENTDIR"))
            .or_else(|| Some(environment.home()?.join(".devpi/client")))
            .ok_or_else(|| {
                Failure::fatal(
                    "there is no home directory to keep state in: set HOME, DEVPI_CLIENTDIR or --clientdir",
                )
            })?;
        let local = environment
            .path("VIRTUAL_ENV")
            .map(|path| path.join("devpi.json"));
        Ok(Self {
            directory: ClientDirectory::new(path, local.as_deref()),
            environment,
            output,
            options,
            pip_trust: None,
            stand_in: None,
            has_told_of_missing_version: false,
        })
    }

    /// Where the state is kept.
    pub(crate) fn directory(&self) -> &ClientDirectory {
        &self.directory
    }

    /// Keeps the index in use in the active virtual environment from now on.
    pub(super) fn keep_state_in(&mut self, local: &std::path::Path) {
        self.directory = ClientDirectory::new(self.directory.path().to_owned(), Some(local));
    }

    /// What connections trust, by `--ca-bundle` and the surroundings.
    pub(crate) fn trust(&self) -> Trust {
        Trust::of(&self.environment, self.options.ca_bundle.as_deref())
    }

    /// The active virtual environment.
    pub(crate) fn active_venv(&self) -> Option<PathBuf> {
        self.environment.path("VIRTUAL_ENV")
    }

    /// The server and index to work with: what is in use, unless `index` (the option `--index`) or
    /// `DEVPI_INDEX` says otherwise. Neither changes what is in use.
    ///
    /// # Errors
    /// State that cannot be read, an index that makes no URL, a server that does not answer.
    pub(crate) async fn connection(&mut self, index: Option<&str>) -> Result<Connection, Failure> {
        let mut connection = Connection::read(&self.directory, self.trust())?;
        connection.stand_in = self.stand_in.clone();
        let Some(in_environment) = self.environment.get("DEVPI_INDEX").map(str::to_owned) else {
            if let Some(index) = index {
                connection.is_temporary = true;
                self.configure(&mut connection, Some(index), None).await?;
            }
            return Ok(connection);
        };
        let shown = without_password(&in_environment);
        self.debug(&format!("Got DEVPI_INDEX from environment: {shown}"));
        connection.is_temporary = true;
        if is_url(&in_environment) {
            // The option may be relative to it.
            self.configure(&mut connection, Some(&in_environment), None)
                .await?;
        }
        let asked = match index {
            None if connection.root().is_none() && !is_url(&in_environment) => {
                return Err(Failure::fatal(format!(
                    "No server set and DEVPI_INDEX from environment is not a full valid URL: {shown}"
                )));
            }
            None => {
                self.output
                    .info(&format!("Using DEVPI_INDEX from environment: {shown}"));
                in_environment
            }
            Some(index) if connection.root().is_none() && !is_url(index) => {
                return Err(Failure::fatal(format!(
                    "No server set and neither the --index URL ({index}) nor the DEVPI_INDEX from \
                     environment ({shown}) is a full valid URL."
                )));
            }
            Some(index) => index.to_owned(),
        };
        let asked = connection.sibling(&asked).unwrap_or(asked);
        // What was asked first need not be asked twice.
        if connection.current.index.as_deref() != Some(asked.trim_end_matches('/')) {
            self.configure(&mut connection, Some(&asked), None).await?;
        }
        Ok(connection)
    }

    /// What is in use, whatever the surroundings say: for `use URL`.
    ///
    /// # Errors
    /// State that cannot be read.
    pub(crate) fn stored_connection(&mut self) -> Result<Connection, Failure> {
        if let Some(index) = self.environment.get("DEVPI_INDEX") {
            let text = format!(
                "Using index URL from command line instead of DEVPI_INDEX ({}) from environment.",
                without_password(index)
            );
            self.output.info(&text);
        }
        Ok(Connection::read(&self.directory, self.trust())?)
    }

    /// Sends a request as devpi-client does: follows what the answer says about redirects, logins
    /// and versions, and tells of errors.
    ///
    /// # Errors
    /// No answer; with [`OnError::Stop`] an answer with an error status.
    pub(crate) async fn call(
        &mut self,
        connection: &mut Connection,
        request: Request<'_>,
        on_error: OnError,
    ) -> Result<Answer, Failure> {
        let url = request.url().to_string();
        match request.send().await {
            Ok(answer) => self.heed(connection, answer, on_error),
            Err(error) => Err(no_answer(&url, &error)),
        }
    }

    /// Asks the server to remove what is at a URL.
    ///
    /// # Errors
    /// No answer, or one with an error status.
    pub(crate) async fn delete(
        &mut self,
        connection: &mut Connection,
        url: Url,
    ) -> Result<(), Failure> {
        let server = connection.server()?;
        let request = server.request_url(Method::DELETE, url);
        self.call(connection, request, OnError::Stop).await?;
        Ok(())
    }

    /// What [`Session::call`] does about an answer.
    ///
    /// # Errors
    /// With [`OnError::Stop`] an answer with an error status.
    pub(super) fn heed(
        &mut self,
        connection: &mut Connection,
        answer: Answer,
        on_error: OnError,
    ) -> Result<Answer, Failure> {
        if let Some(from) = &answer.redirected_from {
            let text = format!("*redirected from {from} to {}", answer.url);
            self.output.info(&text);
        }
        // devpi's sign of a login that is no longer valid.
        if answer.status == 401
            && !connection.is_unverified
            && answer.headers.contains_key(reqwest::header::LOCATION)
            && connection.forget_login(&self.directory)?
        {
            self.output
                .error("removed expired authentication information");
        }
        self.check_version(&answer)?;
        if answer.status == 200 || answer.status == 201 {
            return Ok(answer);
        }
        let is_error = answer.status.as_u16() >= 400;
        if is_error && on_error == OnError::Stop {
            return Err(Failure::fatal(self.told(&answer)));
        }
        if on_error == OnError::Tell || self.options.debug {
            let text = self.told(&answer);
            if is_error {
                self.output.error(&text);
            } else {
                self.output.info(&text);
            }
        }
        Ok(answer)
    }

    /// Gets the result of a document that has to be there and of a type.
    ///
    /// # Errors
    /// No answer, an error status, another type.
    pub(crate) async fn get(
        &mut self,
        connection: &mut Connection,
        url: Url,
        kind: &str,
    ) -> Result<Value, Failure> {
        let server = connection.server()?;
        let request = server.request_url(Method::GET, url.clone());
        let answer = self.call(connection, request, OnError::Stop).await?;
        if answer.kind() != Some(kind) {
            return Err(Failure::fatal(format!(
                "{url}: got result type '{}', expected '{kind}'",
                answer.kind().unwrap_or("None")
            )));
        }
        Ok(answer.result().clone())
    }

    /// Looks whether the index in use can be read, and says what to do if not.
    ///
    /// # Errors
    /// No answer, or an error that nothing is known about.
    pub(crate) async fn check_index_access(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(), Failure> {
        let mut url = connection.index_url()?;
        // As devpi-client asks: front servers may know the address.
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        url.set_query(Some("no_projects="));
        let server = connection.server()?;
        let request = server.request_url(Method::GET, url);
        let answer = self.call(connection, request, OnError::Ignore).await?;
        let status = answer.status.as_u16();
        if status < 400 {
            return Ok(());
        }
        let text = short(&answer);
        self.output.error(&text);
        match status {
            403 if connection.user(&self.environment).is_none() => {
                self.output
                    .info("You might have to login first to access this index.");
            }
            403 => self
                .output
                .warn("You don't have permission to access this index."),
            404 => self.output.warn("Connected index does not exist."),
            _ => {
                return Err(Failure::fatal(format!("Unhandled status code {text}")));
            }
        }
        Ok(())
    }

    /// A line for those who look for an error.
    pub(crate) fn debug(&mut self, text: &str) {
        if self.options.debug {
            self.output.line(&format!("[debug] {text}"));
        }
    }

    /// Method, URL, status, reason and message of an answer, as devpi-client words them.
    fn told(&self, answer: &Answer) -> String {
        let head = if answer.status.as_u16() >= 400 || self.options.debug {
            format!("{} {}\n", answer.method, answer.url)
        } else {
            String::new()
        };
        let body = match answer.message() {
            None if self.options.debug => String::from_utf8_lossy(&answer.body).into_owned(),
            _ => String::new(),
        };
        format!("{head}{}{body}", short(answer))
    }

    fn check_version(&mut self, answer: &Answer) -> Result<(), Failure> {
        let Some(version) = answer.headers.get("x-devpi-api-version") else {
            if !self.has_told_of_missing_version {
                self.has_told_of_missing_version = true;
                self.output.error(&format!(
                    "WARN: devpi-client-{DEVPI_CLIENT_VERSION} got an unversioned reply, assuming \
                     API-VERSION 2 (as implemented by devpi-server-2.0)"
                ));
            }
            return Ok(());
        };
        if version == "2" {
            return Ok(());
        }
        Err(Failure::fatal(format!(
            "devpi-client-{DEVPI_CLIENT_VERSION} got a reply with API-VERSION {}, acceptable are: 2",
            String::from_utf8_lossy(version.as_bytes())
        )))
    }
}

/// Status, reason and message of an answer.
pub(super) fn short(answer: &Answer) -> String {
    let message = answer
        .message()
        .map(|message| format!(": {message}"))
        .unwrap_or_default();
    format!("{} {}{message}", answer.status.as_u16(), answer.reason)
}

/// devpi-client's words for a server that gives no answer.
pub(super) fn no_answer(url: &str, error: &Error) -> Failure {
    if error.is_certificate() {
        Failure::fatal(format!(
            "SSL verification failed '{url}':\n{}",
            error.chain()
        ))
    } else {
        Failure::fatal(format!("could not connect to '{url}':\n{}", error.chain()))
    }
}

/// Whether a text is a whole URL, not a path or a name.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
