//! `devpi patchjson`: a PATCH request with a document.

use std::io::Read as _;

use clap::Args;
use reqwest::Method;

use crate::commands::get_json::{document_url, indented};
use crate::commands::{Failure, OnError, Session};
use crate::state::of_file;

/// Arguments of `devpi patchjson`.
#[derive(Args, Debug)]
pub struct PatchJsonArgs {
    /// Path of the document to change.
    path: String,
    /// File with the change; `-` is standard input.
    #[arg(value_name = "JSONFILE")]
    file: String,
}

pub(super) async fn run(session: &mut Session, arguments: &PatchJsonArgs) -> Result<(), Failure> {
    session.output.be_quiet();
    let mut connection = session.connection(None).await?;
    let url = document_url(&connection, &arguments.path)?;
    let text = if arguments.file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::fatal(format!("standard input: {error}")))?;
        text
    } else {
        let path = session.environment.expand(&arguments.file);
        std::fs::read_to_string(&path).map_err(|error| of_file(&path, error))?
    };
    let document = serde_json::from_str(&text)
        .map_err(|error| Failure::fatal(format!("{} is no JSON: {error}", arguments.file)))?;
    let server = connection.server()?;
    let request = server
        .request_url(Method::PATCH, url.clone())
        .json(&document);
    let answer = session
        .call(&mut connection, request, OnError::Stop)
        .await?;
    session.output.data(&format!("PATCH REQUEST sent to {url}"));
    session.output.json(&indented(answer.document()));
    Ok(())
}
