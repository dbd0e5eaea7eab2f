//! `devpi logoff`: forgets a login, here only.

use clap::Args;

use crate::commands::{Failure, Session};

/// Arguments of `devpi logoff`: none of its own.
#[derive(Args, Debug)]
pub struct LogoffArgs {}

pub(super) async fn run(session: &mut Session, _arguments: &LogoffArgs) -> Result<(), Failure> {
    let mut connection = session.connection(None).await?;
    let directory = session.directory().clone();
    if connection.forget_login(&directory)? {
        session.output.info("login information deleted");
    } else {
        session.output.error("not logged in");
    }
    Ok(())
}
