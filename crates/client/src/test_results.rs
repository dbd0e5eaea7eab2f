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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Canned, answer};

    const JSON: &[&str] = &["Content-Type: application/json"];

    #[tokio::test]
    async fn a_report_is_sent_as_it_is_also_behind_a_redirect() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        let text = format!("{{\"host\": \"{}\"}}", "x".repeat(1 << 20));
        std::fs::write(&report, &text).unwrap();
        let canned = Canned::start(vec![
            answer("307 Temporary Redirect", &["Location: /devpi/f.zip"], b""),
            answer(
                "200 OK",
                JSON,
                br#"{"type": "toxresultpath", "message": "thanks"}"#,
            ),
        ]);
        let url = format!("{}f.zip", canned.url).parse().unwrap();
        let said = canned.server().add_test_result(&url, &report).await;
        assert_eq!(said.unwrap().as_deref(), Some("thanks"));
        for asked in canned.asked() {
            assert!(asked.head.starts_with("post /"), "{}", asked.head);
            assert!(asked.head.contains("content-type: application/json"));
            assert!(asked.body == text.as_bytes());
        }
        assert!(canned.asked()[1].head.starts_with("post /devpi/f.zip"));
    }

    #[tokio::test]
    async fn what_is_no_report_is_told() {
        let canned = Canned::start(vec![
            answer("200 OK", &[], br#"{"host": "box", "testenvs": {"py": {}}}"#),
            answer("200 OK", &[], b"<html>"),
            answer("410 Gone", JSON, br#"{"message": "deleted"}"#),
        ]);
        let url = canned.url.parse().unwrap();
        let server = canned.server();
        assert_eq!(
            server.test_result(&url).await.unwrap().environments.len(),
            1
        );
        let error = server.test_result(&url).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
        let error = server.test_result(&url).await.unwrap_err();
        assert!(
            matches!(error, Error::Refused { status: 410, .. }),
            "{error}"
        );
    }
}
