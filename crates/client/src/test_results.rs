//! Test results: adding what tox said of a file, and reading what others said.

use std::path::Path;

use cheeseshop_domain::TestReport;
use reqwest::Method;
use url::Url;

use crate::{Error, Server};

impl Server {
    /// Adds a test result, a JSON file here, to a file of a release. Says what the server has to say about it.
    ///
    /// # Errors
    /// No answer, the server's refusal, [`Error::File`] when the file cannot be read.
    pub async fn add_test_result(
        &self,
        file: &Url,
        report: &Path,
    ) -> Result<Option<String>, Error> {
        let request = self.request_url(Method::POST, file.clone());
        let answer = request.json_file(report).send().await?.accepted()?;
        Ok(answer.message().map(str::to_owned))
    }

    /// Reads a test result.
    ///
    /// # Errors
    /// No answer, the server's refusal, [`Error::Unexpected`] for what is no report.
    pub async fn test_result(&self, url: &Url) -> Result<TestReport, Error> {
        let request = self.request_url(Method::GET, url.clone()).accept("*/*");
        let answer = request.send().await?.accepted()?;
        TestReport::parse(&answer.body).map_err(|error| Error::Unexpected(error.to_string()))
    }
}
