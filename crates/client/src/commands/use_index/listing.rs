//! `devpi use -l`: the indexes of a server.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::UseArgs;
use crate::answer::read;
use crate::commands::{Connection, Failure, OnError, Session, key_values};

/// The part of a user's document that is listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    indexes: BTreeMap<String, Map<String, Value>>,
}

pub(super) async fn run(
    session: &mut Session,
    connection: &mut Connection,
    arguments: &UseArgs,
) -> Result<(), Failure> {
    if connection.root().is_none() {
        return Err(Failure::fatal("not connected to any server"));
    }
    let server = connection.server()?;
    let url = match &arguments.user {
        Some(user) => server.user_url(user)?,
        None => server.url(),
    };
    let request = server.request_url(reqwest::Method::GET, url);
    let answer = session.call(connection, request, OnError::Stop).await?;
    let users: BTreeMap<String, User> = match &arguments.user {
        Some(user) => BTreeMap::from([(user.clone(), read(answer.result())?)]),
        None => read(answer.result())?,
    };
    let indexes = users.iter().flat_map(|(user, document)| {
        let indexes = document.indexes.iter();
        indexes.map(move |(name, settings)| (format!("{user}/{name}"), settings))
    });
    if arguments.json {
        let document: Map<String, Value> = indexes
            .map(|(name, settings)| {
                let mut settings = settings.clone();
                settings.remove("projects");
                (name, Value::Object(settings))
            })
            .collect();
        session
            .output
            .json(&format!("{:#}", Value::Object(document)));
        return Ok(());
    }
    for (name, settings) in indexes {
        let setting = |name: &str| settings.get(name).map(key_values::shown);
        let bases = setting("bases").unwrap_or_default();
        let volatile = setting("volatile").unwrap_or_else(|| "None".to_owned());
        session
            .output
            .info(&format!("{name:<15} bases={bases:<15} volatile={volatile}"));
    }
    Ok(())
}
