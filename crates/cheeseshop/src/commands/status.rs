//! `cheeseshop status`: asks a running server how it is.

use cheeseshop_client::Server;

use crate::cli::StatusArgs;
use crate::failure::Failure;
use crate::output;

/// Prints what the server says of itself.
pub(crate) async fn run(arguments: &StatusArgs) -> Result<(), Failure> {
    let server = Server::new(arguments.url.clone())
        .map_err(|error| Failure::caused_by("cannot ask a server", &error))?;
    let status = server.status().await.map_err(|error| {
        Failure::caused_by(&format!("{} gave no status", server.url()), &error)
            .with_hint("is `cheeseshop serve` running there?")
    })?;
    if arguments.json {
        output::data(&format!("{:#}", status.document));
        return Ok(());
    }
    let api = server.api().await.map_err(|error| {
        Failure::caused_by(&format!("{} gave no API description", server.url()), &error)
    })?;
    output::data(&format!("server    {}", server.url()));
    for (package, version) in &status.versions {
        output::data(&format!("version   {package} {version}"));
    }
    output::data(&format!("identity  {}", status.uuid));
    output::data(&format!("role      {}", status.role));
    output::data(&format!("serial    {}", status.serial));
    output::data(&format!("features  {}", api.features.join(", ")));
    Ok(())
}
