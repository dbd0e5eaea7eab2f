//! The JSON API, the Simple API and the upload form as a test speaks them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_test_support::{BuiltFile, FORM_TYPE, Form};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A server as one user sees it.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    url: String,
    /// Value of `X-Devpi-Auth`.
    authorization: Option<String>,
}

/// A file on a project page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) sha256: String,
}

impl Api {
    pub(crate) fn anonymous(url: &str) -> Self {
        // Tests speak to loopback, whatever proxy the machine has.
        Self::anonymous_by(Client::builder().no_proxy().build().unwrap(), url)
    }

    /// As [`Api::anonymous`], through a client of the test's own.
    pub(crate) fn anonymous_by(client: Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
            authorization: None,
        }
    }

    pub(crate) async fn login(url: &str, user: &str, password: &str) -> Self {
        Self::anonymous(url).logged_in(user, password).await
    }

    /// As [`Api::login`], through a client of the test's own.
    pub(crate) async fn login_by(client: Client, url: &str, user: &str, password: &str) -> Self {
        let api = Self::anonymous_by(client, url);
        api.logged_in(user, password).await
    }

    async fn logged_in(self, user: &str, password: &str) -> Self {
        let mut api = self;
        let answer = api
            .try_login(user, password)
            .await
            .unwrap_or_else(|status| panic!("login as {user}: {status}"));
        api.authorization = Some(STANDARD.encode(format!("{user}:{answer}")));
        api
    }

    /// Logs in and gives the token, or the status of the refusal.
    pub(crate) async fn try_login(&self, user: &str, password: &str) -> Result<String, StatusCode> {
        let response = self
            .send(
                Method::POST,
                "+login",
                &json!({"user": user, "password": password}),
            )
            .await;
        if !response.status().is_success() {
            return Err(response.status());
        }
        let document = document(response).await;
        Ok(document["result"]["password"].as_str().unwrap().to_owned())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/{}", self.url, path.trim_start_matches('/'))
        };
        let request = self.client.request(method, url);
        match &self.authorization {
            Some(value) => request.header("X-Devpi-Auth", value),
            None => request,
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.request(method, path)
            .header("Accept", "application/json")
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Fetches a JSON document.
    pub(crate) async fn document(&self, path: &str) -> Value {
        document(self.get(path).await).await
    }

    async fn put(&self, path: &str, body: &Value) {
        let response = self.send(Method::PUT, path, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "PUT {path}: {status} {text}");
    }

    pub(crate) async fn create_user(&self, name: &str, password: &str) {
        self.put(name, &json!({"password": password})).await;
    }

    pub(crate) async fn create_index(&self, name: &str, config: &Value) {
        self.put(name, config).await;
    }

    /// Uploads a file as twine does and gives the answer's status.
    pub(crate) async fn try_upload(
        &self,
        index: &str,
        file: &BuiltFile,
    ) -> Result<StatusCode, reqwest::Error> {
        Ok(self.upload_request(index, file).send().await?.status())
    }

    /// The request of an upload, for tests that look at the answer.
    pub(crate) fn upload_request(&self, index: &str, file: &BuiltFile) -> RequestBuilder {
        self.request(Method::POST, &format!("{index}/"))
            .header("Content-Type", FORM_TYPE)
            .body(Form::of(file).body())
    }

    pub(crate) async fn upload(&self, index: &str, file: &BuiltFile) {
        let status = self.try_upload(index, file).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{}", file.name);
    }

    /// The files of a project; none when the page is not found.
    pub(crate) async fn files(&self, index: &str, project: &str) -> Vec<ListedFile> {
        let path = format!("{index}/+simple/{project}/");
        let response = self
            .request(Method::GET, &path)
            .header("Accept", "application/vnd.pypi.simple.v1+json")
            .send()
            .await
            .unwrap();
        if response.status() == StatusCode::NOT_FOUND {
            return Vec::new();
        }
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let base = response.url().clone();
        let page = document(response).await;
        page["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| ListedFile {
                name: file["filename"].as_str().unwrap().to_owned(),
                url: base.join(file["url"].as_str().unwrap()).unwrap().into(),
                sha256: file["hashes"]["sha256"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    /// Downloads a file and gives the SHA-256 of what came.
    pub(crate) async fn digest_of(&self, url: &str) -> String {
        let response = self.get(url).await;
        assert_eq!(response.status(), StatusCode::OK, "{url}");
        digest(&response.bytes().await.unwrap())
    }
}

async fn document(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
