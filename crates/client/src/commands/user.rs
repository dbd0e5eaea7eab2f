//! `devpi user`: makes, shows, changes, removes and lists users.

use std::collections::BTreeMap;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use crate::answer::read;
use crate::commands::key_values::{KeyValues, shown};
use crate::commands::{Connection, Failure, OnError, Session};

/// As often a new password may be mistyped.
const TRIES: usize = 3;

/// A password is asked about when it is shorter.
const SHORTEST_PASSWORD: usize = 8;

/// Arguments of `devpi user`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
pub struct UserArgs {
    /// Create users.
    #[arg(short, long, group = "action")]
    create: bool,

    /// Delete users with all their indexes.
    #[arg(long, group = "action")]
    delete: bool,

    /// Change settings of users.
    #[arg(short, long, group = "action")]
    modify: bool,

    /// List the names of all users.
    #[arg(short, long, group = "action")]
    list: bool,

    /// Print a JSON document in place of lines, where users are shown or listed.
    #[arg(long)]
    json: bool,

    /// Names of users [default: who is logged in; `-`: those on standard input], then settings:
    /// email, password, pwhash and those of the server's plugins.
    #[arg(value_name = "NAME|KEY=VALUE")]
    arguments: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &UserArgs) -> Result<(), Failure> {
    if arguments.json {
        session.output.be_quiet();
    }
    let mut connection = session.connection(None).await?;
    let given = KeyValues::of(&arguments.arguments)?;
    if (arguments.delete || arguments.create) && given.names.is_empty() {
        return Err(Failure::fatal("need to specify a username"));
    }
    if arguments.list {
        return list(session, &mut connection, arguments.json).await;
    }
    let mut names = given.names.clone();
    if names.is_empty() {
        names.push(acting(session, &connection)?);
    }
    connection.required_root()?;
    let mut documents = Map::new();
    for name in &names {
        if arguments.create {
            create(session, &mut connection, name, given.map()).await?;
        } else if arguments.delete {
            delete(session, &mut connection, name).await?;
        } else if arguments.modify || !given.settings.is_empty() {
            modify(session, &mut connection, name, &given.map()).await?;
        } else {
            let document = show(session, &mut connection, name).await?;
            documents.insert(name.clone(), Value::Object(document));
        }
    }
    if arguments.json {
        let text = format!("{:#}", Value::Object(documents));
        session.output.json(&text);
    }
    Ok(())
}

/// Who is logged in, when no name is given.
pub(super) fn acting(session: &Session, connection: &Connection) -> Result<String, Failure> {
    connection
        .user(&session.environment)
        .ok_or_else(|| Failure::fatal("no user specified and no user currently active"))
}

async fn create(
    session: &mut Session,
    connection: &mut Connection,
    name: &str,
    mut settings: Map<String, Value>,
) -> Result<(), Failure> {
    if !settings.contains_key("password") && !settings.contains_key("pwhash") {
        settings.insert("password".to_owned(), new_password(session, name)?.into());
    }
    let server = connection.server()?;
    let request = server
        .request_url(Method::PUT, server.user_url(name)?)
        .json(&Value::Object(settings));
    session.call(connection, request, OnError::Stop).await?;
    session.output.info(&format!("user created: {name}"));
    Ok(())
}

/// Changes what is named and nothing else, so that two changes at once both last.
pub(super) async fn modify(
    session: &mut Session,
    connection: &mut Connection,
    name: &str,
    settings: &Map<String, Value>,
) -> Result<(), Failure> {
    let server = connection.server()?;
    let url = server.user_url(name)?;
    session.get(connection, url.clone(), "userconfig").await?;
    let sorted: BTreeMap<_, _> = settings.iter().collect();
    for (setting, value) in sorted {
        let value = if matches!(setting.as_str(), "password" | "pwhash") {
            "********".to_owned()
        } else {
            shown(value)
        };
        let path = url.path();
        session
            .output
            .info(&format!("{path} changing {setting}: {value}"));
    }
    let request = server
        .request_url(Method::PATCH, url)
        .json(&Value::Object(settings.clone()));
    session.call(connection, request, OnError::Stop).await?;
    session.output.info(&format!("user modified: {name}"));
    Ok(())
}

async fn delete(
    session: &mut Session,
    connection: &mut Connection,
    name: &str,
) -> Result<(), Failure> {
    let server = connection.server()?;
    let url = server.user_url(name)?;
    session.output.info(&format!("About to remove: {url}"));
    let is_assumed = session.options.yes;
    if session.output.confirm("Are you sure", is_assumed)? {
        session.delete(connection, url).await?;
        session.output.info(&format!("user deleted: {name}"));
    }
    Ok(())
}

async fn list(
    session: &mut Session,
    connection: &mut Connection,
    is_json: bool,
) -> Result<(), Failure> {
    let server = connection.server()?;
    let request = server.request_url(Method::GET, server.url());
    let answer = session.call(connection, request, OnError::Stop).await?;
    let users: BTreeMap<String, Value> = read(answer.result())?;
    if is_json {
        let names: Vec<_> = users.into_keys().collect();
        session.output.json(&format!("{:#}", Value::from(names)));
        return Ok(());
    }
    for name in users.keys() {
        session.output.line(name);
    }
    Ok(())
}

async fn show(
    session: &mut Session,
    connection: &mut Connection,
    name: &str,
) -> Result<Map<String, Value>, Failure> {
    let server = connection.server()?;
    let url = server.user_url(name)?;
    let mut settings: Map<String, Value> =
        read(&session.get(connection, url.clone(), "userconfig").await?)?;
    session.output.info(&format!("{url}:"));
    settings.remove("indexes");
    settings.remove("username");
    settings.sort_keys();
    for (key, value) in &settings {
        session.output.line(&format!("  {key}={}", shown(value)));
    }
    Ok(settings)
}

/// Asks for a new password, twice.
pub(super) fn new_password(session: &mut Session, user: &str) -> Result<String, Failure> {
    let is_assumed = session.options.yes;
    for _ in 0..TRIES {
        let question = format!("new password for user {user}:");
        let password = session.output.ask_password(&question)?;
        let again = session.output.ask_password(&format!("repeat {question}"))?;
        if password != again {
            session.output.error("passwords did not match");
            continue;
        }
        let doubt = if password.is_empty() {
            "empty password, are you sure to use it?"
        } else if password.chars().count() < SHORTEST_PASSWORD {
            "password with less than 8 characters, are you sure to use it?"
        } else {
            return Ok(password);
        };
        if session.output.confirm(doubt, is_assumed)? {
            return Ok(password);
        }
    }
    Err(Failure::fatal("no password was set"))
}
