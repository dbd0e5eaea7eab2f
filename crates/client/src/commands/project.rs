//! What `list`, `remove` and `test` have in common: a project of the index in use.

use cheeseshop_packaging::Requirement;
use reqwest::Method;
use url::Url;

use crate::commands::{Connection, Failure, OnError, Session};
use crate::projects::{Project, url_below};

/// A project and versions of it, as they were asked for.
#[derive(Debug)]
pub(super) struct Spec {
    /// As it was written.
    pub(super) text: String,
    /// What it says.
    pub(super) requirement: Requirement,
}

impl Spec {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let requirement = Requirement::parse(text)
            .map_err(|error| Failure::fatal(format!("invalid requirement: {error}")))?;
        Ok(Self {
            text: text.to_owned(),
            requirement,
        })
    }

    /// The name of the project, as written.
    pub(super) fn name(&self) -> &str {
        self.requirement.project().written()
    }

    /// The project's URL on an index, with a slash at its end.
    pub(super) fn url(&self, index: &Url) -> Url {
        url_below(index, self.name(), None)
    }
}

impl Session {
    /// Gets a project. `None`: the server refused, which has been told ([`OnError::Tell`]).
    ///
    /// # Errors
    /// No answer, or one that is no project; with [`OnError::Stop`] a refusal.
    pub(super) async fn project(
        &mut self,
        connection: &mut Connection,
        mut url: Url,
        inherited: bool,
        on_error: OnError,
    ) -> Result<Option<Project>, Failure> {
        if !inherited {
            url.set_query(Some("ignore_bases="));
        }
        let server = connection.server()?;
        let request = server.request_url(Method::GET, url.clone());
        let answer = self.call(connection, request, on_error).await?;
        if !answer.is_success() {
            return Ok(None);
        }
        if answer.kind() != Some("projectconfig") {
            return Err(Failure::fatal(format!(
                "{url}: got result type '{}', expected 'projectconfig'",
                answer.kind().unwrap_or("None")
            )));
        }
        Ok(Some(Project::read(answer.result(), &answer.url)?))
    }
}
