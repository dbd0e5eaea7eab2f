//! `devpi login`: a password turned into a token that the next commands send.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::commands::{Failure, OnError, Session};
use crate::login::LoginDocument;
use crate::{Credentials, answer};

/// Arguments of `devpi login`.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// Password to use [default: asked for, or read from standard input].
    #[arg(long)]
    password: Option<String>,

    /// User to log in.
    #[arg(value_name = "USER")]
    username: String,
}

pub(super) async fn run(session: &mut Session, arguments: &LoginArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let root = connection.required_root()?;
    let user = &arguments.username;
    let password = match &arguments.password {
        Some(password) => password.clone(),
        None => session
            .output
            .ask_password(&format!("password for user {user} at {root}: "))?,
    };
    let server = connection.server()?;
    let request = server
        .request(Method::POST, "+login")?
        .json(&json!({"user": user, "password": password}));
    let answer = session
        .call(&mut connection, request, OnError::Stop)
        .await?;
    let document: LoginDocument = answer::read(answer.result())?;
    let login = Credentials::new(user, document.password);
    let directory = session.directory().clone();
    directory.change_logins(|logins| logins.add(&root, &login))?;
    directory.change_current(|current| current.username = Some(user.clone()))?;
    connection.logins = directory.logins()?;
    connection.current.username = Some(user.clone());
    let place = match &connection.current.index {
        Some(index) => format!(" at '{index}'"),
        None => String::new(),
    };
    // Two digits of an hour are what devpi-client shows.
    #[expect(clippy::cast_precision_loss, reason = "lifetimes are hours to years")]
    let hours = document.expiration as f64 / 3600.0;
    session.output.info(&format!(
        "logged in '{user}'{place}, credentials valid for {hours:.2} hours"
    ));
    if connection.current.index.is_some() {
        session.check_index_access(&mut connection).await?;
    }
    Ok(())
}
