//! Somebody who asks.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_test_support::BuiltFile;
use http::{Method, Request};
use serde_json::Value;

use super::{Answer, FORM_TYPE, Form, Server};

#[derive(Clone)]
pub(crate) struct User<'s> {
    server: &'s Server,
    name: Option<String>,
    authorization: Option<String>,
}

impl<'s> User<'s> {
    pub(crate) fn anonymous(server: &'s Server) -> Self {
        Self {
            server,
            name: None,
            authorization: None,
        }
    }

    pub(crate) fn with_password(server: &'s Server, name: &str, password: &str) -> Self {
        Self {
            server,
            name: Some(name.to_owned()),
            authorization: Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{name}:{password}"))
            )),
        }
    }

    /// With this `Authorization`, whoever that is.
    pub(crate) fn with_authorization(server: &'s Server, value: &str) -> Self {
        Self {
            server,
            name: None,
            authorization: Some(value.to_owned()),
        }
    }

    /// Makes a token of this user with these restrictions.
    pub(crate) async fn token(&self, restrictions: &Value) -> String {
        let path = format!("/{}/+token-create", self.name());
        let answer = self.json("POST", &path, restrictions).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["result"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// This user by a token, as pip and twine are given them.
    pub(crate) fn by_token(&self, token: &str) -> Self {
        Self {
            name: self.name.clone(),
            ..Self::with_password(self.server, "__token__", token)
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("host", "localhost:3141");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        request
    }

    /// Sends what was made of [`User::request`].
    pub(crate) async fn dispatch(&self, request: Request<Body>) -> Answer {
        self.server.send(request).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers).await
    }

    /// As devpi's client asks.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self
            .request(method, path)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.server.send(request).await
    }

    pub(crate) async fn get_json(&self, path: &str) -> Answer {
        self.get_with(path, &[("accept", "application/json")]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[("accept", "application/json")])
            .await
    }

    pub(crate) async fn upload(&self, index: &str, file: &BuiltFile) -> Answer {
        self.post_form(&format!("/{index}/"), &Form::of(file)).await
    }

    /// Uploads and insists that it worked.
    pub(crate) async fn publish(&self, index: &str, file: &BuiltFile) {
        let answer = self.upload(index, file).await;
        assert_eq!(answer.status, 200, "{} {}", answer.reason(), answer.text());
    }

    pub(crate) async fn post_form(&self, path: &str, form: &Form) -> Answer {
        let request = self
            .request("POST", path)
            .header("content-type", FORM_TYPE)
            .header("content-length", form.body().len())
            .body(Body::from(form.body()))
            .unwrap();
        self.server.send(request).await
    }
}

/// The path of a hosted file below its index.
pub(crate) fn file_path(file: &BuiltFile) -> String {
    format!(
        "+f/{}/{}/{}",
        &file.sha256[..3],
        &file.sha256[3..16],
        file.name
    )
}
