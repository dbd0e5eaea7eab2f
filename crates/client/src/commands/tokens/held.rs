//! What can be done with a token that one holds.

use clap::Args;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{LimitArgs, OutputArgs};
use crate::commands::{Failure, OnError, Session};
use crate::{Credentials, Token};

/// Where a token is taken from.
#[derive(Args, Debug)]
struct TokenArgs {
    /// File with the token; `-`: standard input [default: it is asked for].
    #[arg(short, long)]
    file: Option<String>,

    /// The token itself. Others can see it in lists of processes and in logs: better use a file.
    #[arg(long)]
    token: Option<String>,
}

impl TokenArgs {
    fn read(&self, session: &mut Session) -> Result<Token, Failure> {
        let text = match (&self.file, &self.token) {
            (Some(file), _) if file == "-" => {
                let mut line = String::new();
                std::io::stdin()
                    .read_line(&mut line)
                    .map_err(|error| Failure::fatal(format!("standard input: {error}")))?;
                line
            }
            (Some(file), _) => {
                let path = session.environment.expand(file);
                if !path.exists() {
                    return Err(Failure::fatal("The file for the token doesn't exist."));
                }
                std::fs::read_to_string(&path)
                    .map_err(|error| Failure::fatal(format!("{file}: {error}")))?
            }
            (None, Some(token)) if !token.is_empty() => token.clone(),
            (None, _) => session.output.ask_password("token: ")?,
        };
        Token::parse(&text)
            .ok_or_else(|| Failure::fatal("Invalid token: it is damaged, or none at all"))
    }
}

/// Arguments of `devpi token-derive`.
#[derive(Args, Debug)]
pub struct DeriveArgs {
    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// When it ends: seconds of Unix time, or a time from now such as `1 hour` with the units
    /// y(ear(s)), month(s), w(eek(s)), d(ay(s)), h(our(s)), min(ute(s)) and s(econd(s)).
    #[arg(short, long, allow_hyphen_values = true)]
    expires: Option<String>,
}

/// Arguments of `devpi token-inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    #[command(flatten)]
    token: TokenArgs,
}

/// Arguments of `devpi token-login`.
#[derive(Args, Debug)]
pub struct LoginArgs {
    #[command(flatten)]
    token: TokenArgs,
}

pub(super) async fn derive(session: &mut Session, arguments: &DeriveArgs) -> Result<(), Failure> {
    let limits = arguments
        .limits
        .limits(session, arguments.expires.as_deref())?;
    let restrictions = limits.to_restrictions();
    if restrictions.is_empty() {
        return Err(Failure::fatal("No restrictions provided"));
    }
    let token = arguments.token.read(session)?;
    let token = restrictions
        .iter()
        .fold(token, |token, restriction| token.restricted(restriction));
    arguments
        .output
        .write(session, token.secret().expose_secret())
}

pub(super) async fn inspect(session: &mut Session, arguments: &InspectArgs) -> Result<(), Failure> {
    let token = arguments.token.read(session)?;
    let (user, id) = user_and_id(&token)?;
    let mut lines = vec![("user", user.to_owned()), ("id", id.to_owned())];
    for restriction in token.restrictions() {
        lines.push(("restriction", shown(restriction)));
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    session.output.info("Token info:");
    for (name, value) in lines {
        session.output.line(&format!("    {name:width$}: {value}"));
    }
    Ok(())
}

fn user_and_id(token: &Token) -> Result<(&str, &str), Failure> {
    token
        .user_and_id()
        .ok_or_else(|| Failure::fatal("Invalid token: it names no user"))
}

/// A restriction, with the time that `expires` means.
fn shown(restriction: &str) -> String {
    let time = restriction
        .strip_prefix("expires=")
        .and_then(|second| Timestamp::from_second(second.parse().ok()?).ok());
    match time {
        Some(time) => format!(
            "{restriction} ({}+00:00)",
            time.strftime("%Y-%m-%d %H:%M:%S")
        ),
        None => restriction.to_owned(),
    }
}

pub(super) async fn login(session: &mut Session, arguments: &LoginArgs) -> Result<(), Failure> {
    let token = arguments.token.read(session)?;
    let user = user_and_id(&token)?.0.to_owned();
    let mut connection = session.connection(None).await?;
    let root = connection.required_root()?;
    let login = Credentials::new(&user, token.secret().expose_secret());
    let server = connection.server()?;
    let request = server
        .request(Method::GET, "+api")?
        .login(Some(login.clone()));
    let answer = session
        .call(&mut connection, request, OnError::Stop)
        .await?;
    let status = answer
        .result()
        .pointer("/authstatus/0")
        .and_then(Value::as_str);
    let index = connection.current.index.clone();
    if !matches!(status, None | Some("ok")) {
        let index = index.map_or("None".to_owned(), |index| format!("'{index}'"));
        return Err(Failure::fatal(format!(
            "Login with token at {index} failed"
        )));
    }
    let directory = session.directory().clone();
    directory.change_logins(|logins| logins.add(&root, &login))?;
    directory.change_current(|current| current.username = Some(user.clone()))?;
    let place = index.map_or(String::new(), |index| format!(" at '{index}'"));
    session.output.info(&format!("logged in '{user}'{place}"));
    Ok(())
}
