//! `devpi --version`.

use std::time::Duration;

use reqwest::Method;

use crate::commands::{DEVPI_CLIENT_VERSION, Failure, Session};

/// How long the server in use may take to say its version: nobody waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(session: &mut Session) -> Result<(), Failure> {
    session
        .output
        .line(&format!("devpi-client {DEVPI_CLIENT_VERSION}"));
    session
        .output
        .line(concat!("    cheeseshop ", env!("CARGO_PKG_VERSION")));
    // What is in use says itself in its files; DEVPI_INDEX would ask a server first.
    let mut connection = session.stored_connection()?;
    let Some(root) = connection.root() else {
        return Ok(());
    };
    let server = connection.server()?;
    let Ok(answer) = server
        .request(Method::GET, "+status")?
        .timeout(PATIENCE)
        .send()
        .await
    else {
        return Ok(());
    };
    if answer.status == 200 && answer.result().is_object() {
        session.output.line("");
        session
            .output
            .info(&format!("current devpi server: {root}"));
        let mut versions: Vec<_> = answer.result()["versioninfo"]
            .as_object()
            .into_iter()
            .flatten()
            .collect();
        versions.sort_by_key(|(name, _)| *name);
        for (name, version) in versions {
            let version = version.as_str().unwrap_or_default();
            session.output.line(&format!("    {name} {version}"));
        }
    }
    Ok(())
}
