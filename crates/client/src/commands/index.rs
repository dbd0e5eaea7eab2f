//! `devpi index`: makes, shows, changes, removes and lists indexes.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::answer::read;
use crate::commands::key_values::{KeyValues, shown};
use crate::commands::session::short;
use crate::commands::{Connection, Failure, OnError, Session};

/// These come first when an index is shown.
const FIRST_KEYS: &[&str] = &["type", "bases", "volatile", "acl_upload"];

/// Arguments of `devpi index`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
pub struct IndexArgs {
    /// Create indexes.
    #[arg(short, long, group = "action")]
    create: bool,

    /// Delete indexes with all that they hold.
    #[arg(long, group = "action")]
    delete: bool,

    /// List the indexes of a user [default: who is logged in].
    #[arg(short, long, group = "action")]
    list: bool,

    /// Do not ask for the projects, of which an index can have many.
    #[arg(long = "no-projects", group = "action")]
    no_projects: bool,

    /// Print a JSON document in place of lines, where indexes are shown or listed.
    #[arg(long)]
    json: bool,

    /// Names of indexes, `NAME` or `USER/NAME` [default: the one in use; `-`: those on standard
    /// input], then settings: bases=root/pypi, volatile=False, bases+=bob/dev, bases-=bob/dev …
    #[arg(value_name = "NAME|KEY=VALUE")]
    arguments: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &IndexArgs) -> Result<(), Failure> {
    if arguments.json {
        session.output.be_quiet();
    }
    let mut connection = session.connection(None).await?;
    let given = KeyValues::of(&arguments.arguments)?;
    if arguments.list {
        return list(session, &mut connection, &given.names, arguments.json).await;
    }
    if (arguments.delete || arguments.create) && given.names.is_empty() {
        return Err(Failure::fatal(
            "need to explicitly specify index for deletion/creation",
        ));
    }
    if arguments.delete && !given.settings.is_empty() {
        return Err(Failure::fatal("cannot delete if you specify key=values"));
    }
    let mut urls = Vec::new();
    for name in &given.names {
        urls.push(without_slash(
            connection.url_of_index(name, &session.environment)?,
        ));
    }
    if urls.is_empty() {
        let index = connection.index_url();
        urls.push(without_slash(index.map_err(|_| {
            Failure::fatal("no index specified and no index in use")
        })?));
    }
    let is_change = arguments.create || arguments.delete || !given.settings.is_empty();
    if is_change {
        connection.required_user(&session.environment)?;
    }
    let mut documents = Map::new();
    for url in urls {
        let mut shown_url = url.clone();
        shown_url.set_query(Some("no_projects="));
        if arguments.delete {
            delete(session, &mut connection, url).await?;
            continue;
        }
        if arguments.create {
            let settings = Value::Object(given.map());
            send(
                session,
                &mut connection,
                Method::PUT,
                url.clone(),
                &settings,
            )
            .await?;
        } else if is_change {
            modify(session, &mut connection, &url, &given).await?;
        } else if !arguments.no_projects && !arguments.json {
            shown_url.set_query(None);
        }
        let document = show(session, &mut connection, shown_url).await?;
        documents.insert(name_of(&connection, &url), Value::Object(document));
    }
    if arguments.json && !arguments.delete {
        let text = format!("{:#}", Value::Object(documents));
        session.output.json(&text);
    }
    Ok(())
}

/// Asks for the index before it is changed, as devpi-client does: what is wrong is told of that.
async fn modify(
    session: &mut Session,
    connection: &mut Connection,
    url: &Url,
    given: &KeyValues,
) -> Result<(), Failure> {
    let mut document_url = url.clone();
    document_url.set_query(Some("no_projects="));
    let document = session.get(connection, document_url, "indexconfig").await?;
    let path = url.path();
    let change = if connection.current.has_feature("server-keyvalue-parsing") {
        for setting in &given.settings {
            session.output.info(&format!("{path} {setting}"));
        }
        Value::from(given.settings.clone())
    } else {
        let mut merged: Map<String, Value> = read(&document)?;
        let mut changed = given.map();
        changed.sort_keys();
        for (name, value) in changed {
            let text = format!("{path} changing {name}: {}", shown(&value));
            session.output.info(&text);
            merged.insert(name, value);
        }
        Value::Object(merged)
    };
    send(session, connection, Method::PATCH, url.clone(), &change).await
}

async fn send(
    session: &mut Session,
    connection: &mut Connection,
    method: Method,
    url: Url,
    document: &Value,
) -> Result<(), Failure> {
    let server = connection.server()?;
    let request = server.request_url(method, url).json(document);
    session.call(connection, request, OnError::Stop).await?;
    Ok(())
}

async fn delete(
    session: &mut Session,
    connection: &mut Connection,
    url: Url,
) -> Result<(), Failure> {
    session.output.info(&format!("About to remove: {url}"));
    let is_assumed = session.options.yes;
    if session.output.confirm("Are you sure", is_assumed)? {
        session.delete(connection, url.clone()).await?;
        session.output.info(&format!("index deleted: {url}"));
    }
    Ok(())
}

async fn list(
    session: &mut Session,
    connection: &mut Connection,
    users: &[String],
    is_json: bool,
) -> Result<(), Failure> {
    let mut users = users.to_owned();
    if users.is_empty() {
        users.push(
            connection
                .user(&session.environment)
                .ok_or_else(|| Failure::fatal("no current authenticated user"))?,
        );
    }
    let mut names = Vec::new();
    for user in users {
        if user.contains('/') {
            return Err(Failure::fatal("user name contains a slash"));
        }
        let server = connection.server()?;
        let request = server.request_url(Method::GET, server.user_url(&user)?);
        let answer = session.call(connection, request, OnError::Stop).await?;
        let indexes = answer.result().get("indexes").and_then(Value::as_object);
        let mut found: Vec<_> = indexes.into_iter().flat_map(Map::keys).collect();
        found.sort();
        names.extend(found.into_iter().map(|index| format!("{user}/{index}")));
    }
    if is_json {
        session.output.json(&format!("{:#}", Value::from(names)));
        return Ok(());
    }
    for name in names {
        session.output.info(&name);
    }
    Ok(())
}

async fn show(
    session: &mut Session,
    connection: &mut Connection,
    url: Url,
) -> Result<Map<String, Value>, Failure> {
    let server = connection.server()?;
    let request = server.request_url(Method::GET, url.clone());
    let answer = session.call(connection, request, OnError::Ignore).await?;
    if answer.status == 403 {
        connection.required_user(&session.environment)?;
    }
    if answer.status.as_u16() >= 400 {
        // devpi-client says nothing at all; its standard output is kept.
        session.output.talk(&format!("{url}: {}", short(&answer)));
        return Err(Failure::told());
    }
    let mut settings: Map<String, Value> = answer.expect("indexconfig").and_then(|it| read(&it))?;
    settings.remove("projects");
    session.output.info(&format!("{url}:"));
    let mut rest: Vec<_> = settings
        .keys()
        .map(String::as_str)
        .filter(|key| !FIRST_KEYS.contains(key))
        .collect();
    rest.sort_unstable();
    for key in FIRST_KEYS.iter().copied().chain(rest) {
        if let Some(value) = settings.get(key) {
            session.output.line(&format!("  {key}={}", shown(value)));
        }
    }
    Ok(settings)
}

/// `user/index`, as documents name it.
fn name_of(connection: &Connection, url: &Url) -> String {
    let root = connection.root().map(String::from).unwrap_or_default();
    let url = url.as_str();
    url.strip_prefix(&root).unwrap_or(url).to_owned()
}

fn without_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}
