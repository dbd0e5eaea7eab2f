//! Making, listing and ending tokens at the server.

use clap::Args;
use reqwest::Method;
use url::Url;

use super::{LimitArgs, OutputArgs};
use crate::answer::read;
use crate::commands::{Connection, Failure, OnError, Session, names};
use crate::tokens::{TokenDocument, TokensDocument};

/// Arguments of `devpi token-create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// User to make a token for [default: whoever is logged in].
    #[arg(short, long)]
    user: Option<String>,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// When it ends: seconds of Unix time, `never`, or a time from now such as `90 days` or
    /// `1 hour` with the units y(ear(s)), month(s), w(eek(s)), d(ay(s)), h(our(s)), min(ute(s)) and
    /// s(econd(s)).
    #[arg(short, long, default_value = "1 year", allow_hyphen_values = true)]
    expires: String,
}

/// Arguments of `devpi token-delete`.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// User whose tokens they are [default: whoever is logged in].
    #[arg(short, long)]
    user: Option<String>,

    /// The ids of the tokens; `-` reads them from standard input.
    #[arg(value_name = "TOKEN_ID", required = true)]
    ids: Vec<String>,
}

/// Arguments of `devpi token-list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// User whose tokens to list [default: whoever is logged in].
    #[arg(short, long)]
    user: Option<String>,

    /// Print the server's document instead.
    #[arg(long)]
    json: bool,
}

pub(super) async fn create(session: &mut Session, arguments: &CreateArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let user = user(session, &connection, arguments.user.as_deref())?;
    let url = below_user(&connection, &user, &["+token-create"])?;
    let limits = arguments
        .limits
        .limits(session, Some(arguments.expires.as_str()))?;
    let server = connection.server()?;
    let request = server
        .request_url(Method::POST, url)
        .json(&limits.to_document());
    let answer = session
        .call(&mut connection, request, OnError::Stop)
        .await?;
    let document: TokenDocument = answer.read("token-info")?;
    arguments.output.write(session, &document.token)
}

pub(super) async fn delete(session: &mut Session, arguments: &DeleteArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let user = user(session, &connection, arguments.user.as_deref())?;
    for id in names::given(&arguments.ids)? {
        let url = below_user(&connection, &user, &["+tokens", &id])?;
        let server = connection.server()?;
        let request = server.request_url(Method::DELETE, url);
        let answer = session
            .call(&mut connection, request, OnError::Stop)
            .await?;
        session.output.line(answer.message().unwrap_or_default());
    }
    Ok(())
}

pub(super) async fn list(session: &mut Session, arguments: &ListArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let user = user(session, &connection, arguments.user.as_deref())?;
    let url = below_user(&connection, &user, &["+tokens"])?;
    let document = session.get(&mut connection, url, "tokens-info").await?;
    if arguments.json {
        session.output.json(&document.to_string());
        return Ok(());
    }
    let document: TokensDocument = read(&document)?;
    if document.tokens.is_empty() {
        session.output.info(&format!("No tokens for '{user}'"));
        return Ok(());
    }
    session.output.info(&format!("Tokens for '{user}':"));
    for (id, token) in &document.tokens {
        session.output.info(&format!("    {id}"));
        if let Some(restrictions) = &token.restrictions {
            session.output.line("        restrictions:");
            for restriction in restrictions {
                session.output.line(&format!("            {restriction}"));
            }
        }
    }
    Ok(())
}

fn user(
    session: &Session,
    connection: &Connection,
    named: Option<&str>,
) -> Result<String, Failure> {
    let logged_in = connection.required_user(&session.environment)?;
    let user = named.unwrap_or(&logged_in);
    if user.contains('/') {
        return Err(Failure::fatal("user name contains a slash"));
    }
    Ok(user.to_owned())
}

fn below_user(connection: &Connection, user: &str, path: &[&str]) -> Result<Url, Failure> {
    let mut url = connection.required_root()?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(user).extend(path);
    }
    Ok(url)
}
