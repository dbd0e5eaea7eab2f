//! `devpi refresh`: a mirror asks its upstream anew.

use clap::Args;
use reqwest::Method;

use crate::commands::session::no_answer;
use crate::commands::{Failure, Session, names};

/// Arguments of `devpi refresh`.
#[derive(Args, Debug)]
pub struct RefreshArgs {
    /// Index to refresh [default: the one in use].
    #[arg(long)]
    index: Option<String>,

    /// Names of projects; `-`: those on standard input.
    #[arg(value_name = "PROJECT", required = true)]
    projects: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &RefreshArgs) -> Result<(), Failure> {
    let index = arguments.index.as_deref();
    let mut connection = session.connection(index).await?;
    let base = connection.index_url()?;
    refuse_path(index)?;
    let server = connection.server()?;
    for project in names::given(&arguments.projects)? {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["+simple", &project, "refresh"]);
        }
        let answer = server
            .request_url(Method::POST, url.clone())
            .send()
            .await
            .map_err(|error| no_answer(url.as_str(), &error))?;
        if answer.status != 200 {
            session.output.error(&format!(
                "Couldn't refresh {project} via {url}: {} {}",
                answer.status.as_u16(),
                answer.reason
            ));
        }
        // Also behind an error: scripts of devpi-client's users look for it.
        session.output.info(&format!("Refreshed {project}"));
    }
    Ok(())
}

/// An index on the command line is `USER/NAME` or `NAME` here.
pub(super) fn refuse_path(index: Option<&str>) -> Result<(), Failure> {
    match index {
        Some(index) if index.matches('/').count() > 1 => Err(Failure::fatal(format!(
            "index '{}' not of form USER/NAME or NAME",
            crate::tool_config::without_password(index)
        ))),
        _ => Ok(()),
    }
}
