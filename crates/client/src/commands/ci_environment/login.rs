//! Logging in for a job: who and with what, and the state of it in the workspace.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::address::Address;
use super::workspace::could_not;
use crate::commands::{Failure, Session};
use crate::state::ClientDirectory;
use crate::tokens::Token;
use crate::{Credentials, Environment, Error, Server};

/// No password and no token is longer.
const LONGEST_SECRET_BYTES: u64 = 64 << 10;

/// Options about logins.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Login")]
pub(super) struct LoginOptions {
    /// Log in, and keep that in the workspace. The token or password is $CHEESESHOP_TOKEN or
    /// $CHEESESHOP_PASSWORD, else a line of standard input.
    #[arg(long)]
    login: bool,

    /// Who logs in [default: $CHEESESHOP_USER, else $DEVPI_USER, else whom the token names].
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Log in with the password in this file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    password_file: Option<PathBuf>,

    /// Use the token in this file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What proves who we are.
enum Proof {
    /// To be sent to the server for the token of a login.
    Password(String),
    /// To be sent with each request as it is.
    Token(String),
}

impl LoginOptions {
    /// Whether a login is asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.login || self.password_file.is_some() || self.token_file.is_some()
    }

    /// Who is meant, as far as it is said.
    pub(super) fn user<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        self.user
            .as_deref()
            .or_else(|| environment.get("CHEESESHOP_USER"))
            .or_else(|| environment.get("DEVPI_USER"))
    }

    /// The credentials of the job: a token as it is given, or what the server gives for a password.
    ///
    /// # Errors
    /// Nothing to log in with, or the server's refusal.
    pub(super) async fn log_in(
        &self,
        server: &Server,
        session: &mut Session,
    ) -> Result<Credentials, Failure> {
        let proof = self.proof(session)?;
        let user = self.user(&session.environment).map(str::to_owned);
        match proof {
            Proof::Token(secret) => {
                let named = Token::parse(&secret);
                let named = named.as_ref().and_then(Token::user_and_id);
                let user = user
                    .or_else(|| Some(named?.0.to_owned()))
                    .ok_or_else(|| no_user("a token that does not name its user"))?;
                Ok(Credentials::new(user, secret))
            }
            Proof::Password(password) => {
                let user = user.ok_or_else(|| no_user("a password"))?;
                match server.log_in(&user, &password).await {
                    Ok(login) => Ok(login.credentials),
                    Err(error @ Error::Refused { .. }) => Err(Failure::fatal(format!(
                        "{user} cannot log in at {}: {}",
                        server.url(),
                        error.chain()
                    ))),
                    Err(error) => Err(Failure::usage(format!(
                        "cannot ask {}: {}",
                        server.url(),
                        error.chain()
                    ))),
                }
            }
        }
    }

    fn proof(&self, session: &mut Session) -> Result<Proof, Failure> {
        if let Some(path) = &self.token_file {
            return Ok(Proof::Token(secret_of(path, &session.environment)?));
        }
        let environment = &session.environment;
        let password = if let Some(path) = &self.password_file {
            secret_of(path, environment)?
        } else if let Some(token) = environment.get("CHEESESHOP_TOKEN") {
            return Ok(Proof::Token(checked(token)?));
        } else if let Some(password) = environment.get("CHEESESHOP_PASSWORD") {
            checked(password)?
        } else if std::io::stdin().is_terminal() {
            session.output.ask_password("password: ")?
        } else {
            first_line(std::io::stdin().lock()).map_err(|reason| {
                Failure::usage(format!(
                    "there is nothing to log in with: {reason}; set CHEESESHOP_TOKEN or CHEESESHOP_PASSWORD, \
                     or give --token-file or --password-file"
                ))
            })?
        };
        // People put tokens where a password is asked for.
        Ok(match Token::kind_of(&password) {
            Some("Devpi") => Proof::Token(password),
            _ => Proof::Password(password),
        })
    }
}

/// Keeps a login, and which index is in use, where the job's devpi client looks.
///
/// # Errors
/// Files that cannot be read or written.
pub(super) fn keep(
    directory: &ClientDirectory,
    address: &Address,
    login: Option<&Credentials>,
) -> Result<(), Failure> {
    let keep = || -> Result<(), Error> {
        if login.is_some() || address.basic.is_some() {
            directory.change_logins(|logins| {
                if let Some(login) = login {
                    logins.add(&address.root, login);
                }
                if let Some(basic) = &address.basic {
                    logins.set_basic(&address.root, basic);
                }
            })?;
        }
        let Some(login) = login else {
            return Ok(());
        };
        let index = address.index_url();
        directory.change_current(|current| {
            current.index = Some(index.as_str().trim_end_matches('/').to_owned());
            current.login = Some(format!("{}+login", address.root));
            current.pypisubmit = Some(index.to_string());
            current.simpleindex = Some(address.simple_url().to_string());
            current.username = Some(login.user.clone());
        })?;
        Ok(())
    };
    keep().map_err(|error| could_not(&error))
}

/// The login that an earlier run has kept in the workspace.
pub(super) fn kept(directory: &ClientDirectory, address: &Address) -> Option<Credentials> {
    let user = directory.current().ok()?.username?;
    directory.logins().ok()?.of_user(&address.root, &user)
}

fn secret_of(path: &Path, environment: &Environment) -> Result<String, Failure> {
    if path == Path::new("-") {
        return first_line(std::io::stdin().lock()).map_err(Failure::usage);
    }
    let path = environment.expand(&path.to_string_lossy());
    let file = std::fs::File::open(&path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    first_line(std::io::BufReader::new(file))
        .map_err(|reason| Failure::usage(format!("{}: {reason}", path.display())))
}

fn first_line(reader: impl std::io::BufRead) -> Result<String, String> {
    let mut line = String::new();
    reader
        .take(LONGEST_SECRET_BYTES)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let line = line.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err("its first line is empty".to_owned());
    }
    Ok(line.to_owned())
}

/// A password of a variable, where line ends are somebody's slip.
fn checked(secret: &str) -> Result<String, Failure> {
    first_line(secret.as_bytes()).map_err(Failure::usage)
}

fn no_user(with: &str) -> Failure {
    Failure::usage(format!(
        "who logs in with {with}? Give --user or set CHEESESHOP_USER"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line() {
        assert_eq!(first_line(&b" p w \r\nrest"[..]).unwrap(), " p w ");
        assert!(first_line(&b"\nrest"[..]).is_err());
        assert!(first_line(&b""[..]).is_err());
    }

    #[test]
    fn a_login_is_found_again_at_its_server_only() {
        let folder = tempfile::tempdir().unwrap();
        let directory = ClientDirectory::new(folder.path().to_owned(), None);
        let address = |root: &str| Address {
            root: root.parse().unwrap(),
            basic: None,
            named_by: String::new(),
            index: cheeseshop_domain::IndexName::parse("a/b").unwrap(),
        };
        let here = address("http://shop.test/devpi/");
        assert!(kept(&directory, &here).is_none());
        let bob = Credentials::new("bob", "t");
        keep(&directory, &here, Some(&bob)).unwrap();
        keep(&directory, &here, Some(&bob)).unwrap();
        assert_eq!(kept(&directory, &here).unwrap().secret(), "t");
        assert!(kept(&directory, &address("http://other.test/")).is_none());
        let current = directory.current().unwrap();
        assert_eq!(current.index_name().unwrap(), "a/b");
        assert_eq!(current.root().unwrap(), here.root);
    }
}
