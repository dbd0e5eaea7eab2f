//! The server that a layout is applied to, and as whom.

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::commands::session::no_answer;
use crate::commands::{Failure, Session};
use crate::layout::SecretSource;
use crate::{Credentials, Error, Server, Token};

/// Options about the server.
#[derive(Args, Debug)]
pub(super) struct TargetArgs {
    /// The server [default: the one in use, as whoever is logged in there].
    #[arg(long, value_name = "URL")]
    server: Option<Url>,

    /// Who asks, at --server [default: $CHEESESHOP_USER, else whom the token names, else root]. The
    /// password or token is $CHEESESHOP_TOKEN or $CHEESESHOP_PASSWORD.
    #[arg(long, value_name = "USER", requires = "server")]
    user: Option<String>,

    /// The password or token of --user is the first line of this file.
    #[arg(long, value_name = "FILE", requires = "server")]
    password_file: Option<PathBuf>,
}

/// A server, asked by a user.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) server: Server,
    /// The user's name, where somebody has logged in.
    pub(super) user: Option<String>,
}

impl TargetArgs {
    /// The server, with a login.
    pub(super) async fn open(&self, session: &mut Session) -> Result<Target, Failure> {
        let Some(url) = &self.server else {
            let mut connection = session.connection(None).await.map_err(could_not_try)?;
            let user = connection.user(&session.environment);
            let server = connection.server().map_err(could_not_try)?;
            return Ok(Target { server, user });
        };
        let server = Server::with_trust(url.clone(), &session.trust())
            .map_err(|error| Failure::usage(error.chain()))?;
        let Some(secret) = self.secret(session)? else {
            let user = None;
            return Ok(Target { server, user });
        };
        let token = Token::parse(secret.expose_secret());
        let named = token.as_ref().and_then(Token::user_and_id);
        let user = (self.user.as_deref())
            .or_else(|| session.environment.get("CHEESESHOP_USER"))
            .or_else(|| Some(named?.0))
            .unwrap_or("root")
            .to_owned();
        let credentials = if Token::kind_of(secret.expose_secret()).is_some() {
            Credentials {
                user: user.clone(),
                secret,
            }
        } else {
            let target = Target {
                server: server.clone(),
                user: None,
            };
            let login = server.log_in(&user, secret.expose_secret()).await;
            login.map_err(|error| target.failure(&error))?.credentials
        };
        Ok(Target {
            server: server.with_login(Some(credentials)),
            user: Some(user),
        })
    }

    fn secret(&self, session: &Session) -> Result<Option<secrecy::SecretString>, Failure> {
        let environment = &session.environment;
        if let Some(path) = &self.password_file {
            return SecretSource::File(path.clone())
                .read(environment.directory(), environment)
                .map(Some)
                .map_err(Failure::usage);
        }
        let variables = ["CHEESESHOP_TOKEN", "CHEESESHOP_PASSWORD"];
        Ok(variables
            .iter()
            .find_map(|name| environment.get(name))
            .map(Into::into))
    }
}

impl Target {
    /// The server could not be asked, or refuses to answer.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        match error {
            Error::Transport(_) | Error::Silence(_) => {
                could_not_try(no_answer(self.server.url().as_str(), error))
            }
            error => Failure::usage(format!("{}: {}", self.server.url(), error.chain())),
        }
    }
}

/// Nothing was tried: exit code 2.
fn could_not_try(failure: Failure) -> Failure {
    Failure { code: 2, ..failure }
}
