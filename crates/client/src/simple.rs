//! The pages of an index that installers read.

use cheeseshop_packaging::{ProjectName, ProjectPage};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use crate::{Error, Server};

/// JSON where the server has it.
const ACCEPTED: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";

impl Server {
    /// The page of a project, below the URL of the index's pages (`…/+simple/`). `None`: the index
    /// does not have the project.
    ///
    /// # Errors
    /// No answer, the server's refusal, or a page that is none.
    pub async fn project_page(
        &self,
        simple: &Url,
        project: &ProjectName,
    ) -> Result<Option<ProjectPage>, Error> {
        let mut url = simple.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(project.normalized()).push("");
        }
        let request = self.request_url(Method::GET, url).accept(ACCEPTED);
        let answer = request.send().await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.accepted()?;
        let kind = answer
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let page = if cheeseshop_packaging::simple::looks_like_json(kind, &answer.body) {
            ProjectPage::parse_json(&answer.body, &answer.url)
        } else {
            ProjectPage::parse_html(&answer.body, &answer.url)
        };
        page.map(Some)
            .map_err(|error| Error::Unexpected(error.to_string()))
    }
}
