//! `devpi passwd`: another password for a user.

use clap::Args;
use serde_json::Map;

use crate::commands::{Failure, Session, user};

/// Arguments of `devpi passwd`.
#[derive(Args, Debug)]
pub(super) struct PasswdArgs {
    /// Name of the user [default: who is logged in].
    #[arg(value_name = "USER")]
    username: Option<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &PasswdArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let name = match &arguments.username {
        Some(name) => name.clone(),
        None => user::acting(session, &connection)?,
    };
    connection.required_root()?;
    let password = user::new_password(session, &name)?;
    let settings = Map::from_iter([("password".to_owned(), password.into())]);
    user::modify(session, &mut connection, &name, &settings).await
}
