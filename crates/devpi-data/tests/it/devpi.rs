//! The other side: a real devpi-server, and what clients do to it.

use cheeseshop_test_support::{BuiltFile, DevpiServer, Sdist, Wheel};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "pw";

const BOUNDARY: &str = "7d1f5b0c9e";

/// A client of one devpi-server.
pub(crate) struct Devpi {
    client: reqwest::Client,
    url: String,
}

impl Devpi {
    pub(crate) fn of(server: &DevpiServer) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: server.url(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path, "root").send().await;
        let response = accepted(path, response.unwrap()).await;
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    pub(crate) async fn bytes(&self, path: &str) -> Vec<u8> {
        // Whoever accepts JSON is told about a file instead.
        let request = self.client.get(format!("{}{path}", self.url));
        let response = accepted(path, request.send().await.unwrap()).await;
        response.bytes().await.unwrap().to_vec()
    }

    /// The number of its last commit.
    pub(crate) async fn serial(&self) -> u64 {
        let response = self.request(Method::GET, "/+api", "root").send().await;
        let serial = response.unwrap().headers()["x-devpi-serial"].clone();
        serial.to_str().unwrap().parse().unwrap()
    }

    /// A request with a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, user: &str, body: Value) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .request(method, path, user)
            .header("content-type", "application/json")
            .body(body.to_string());
        accepted(path, request.send().await.unwrap()).await;
    }

    pub(crate) async fn delete(&self, path: &str, user: &str) {
        let request = self.request(Method::DELETE, path, user);
        accepted(path, request.send().await.unwrap()).await;
    }

    pub(crate) async fn user(&self, name: &str, more: Value) {
        let mut body = more;
        body["password"] = json!(PASSWORD);
        self.send("PUT", &format!("/{name}"), "root", body).await;
    }

    pub(crate) async fn index(&self, user: &str, name: &str, config: Value) {
        self.send("PUT", &format!("/{user}/{name}"), user, config)
            .await;
    }

    pub(crate) async fn upload(&self, index: &str, user: &str, file: &BuiltFile) {
        let fields = [
            (":action", "file_upload"),
            ("name", file.project.as_str()),
            ("version", file.version.as_str()),
            ("filetype", "bdist_wheel"),
            ("pyversion", "py3"),
            ("metadata_version", "2.1"),
            ("summary", "Eine schöne Sache"),
            ("requires_python", ">=3.8"),
            ("classifiers", "A :: B"),
            ("classifiers", "C :: D"),
        ];
        self.form(index, user, &fields, Some((&file.name, &file.bytes)))
            .await;
    }

    pub(crate) async fn document(
        &self,
        index: &str,
        user: &str,
        project: (&str, &str),
        zip: &[u8],
    ) {
        let fields = [
            (":action", "doc_upload"),
            ("name", project.0),
            ("version", project.1),
        ];
        self.form(index, user, &fields, Some(("docs.zip", zip)))
            .await;
    }

    pub(crate) async fn register(&self, index: &str, user: &str, project: (&str, &str)) {
        let fields = [
            (":action", "submit"),
            ("name", project.0),
            ("version", project.1),
            ("summary", "only words"),
        ];
        self.form(index, user, &fields, None).await;
    }

    /// A test run of a file of this version whose name ends so.
    pub(crate) async fn test_result(&self, index: &str, project: (&str, &str), ending: &str) {
        let release = self
            .get(&format!("/{index}/{}/{}", project.0, project.1))
            .await;
        let links = release["result"]["+links"].as_array().unwrap();
        let link = links
            .iter()
            .filter_map(|link| link["href"].as_str())
            .find(|href| href.ends_with(ending))
            .unwrap();
        let path = link.strip_prefix(&self.url).unwrap();
        let run = json!({
            "testenvs": {"py311": {"setup": [], "python": {"version": "3.11"},
                "test": [{"command": ["true"], "output": "ok", "retcode": 0}]}},
            "reportversion": "1", "toxversion": "4.0", "platform": "linux", "host": "h",
        });
        self.send("POST", path, "root", run).await;
    }

    async fn form(
        &self,
        index: &str,
        user: &str,
        fields: &[(&str, &str)],
        content: Option<(&str, &[u8])>,
    ) {
        let mut body = Vec::new();
        let mut part = |header: &str, bytes: &[u8]| {
            body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; ").bytes());
            body.extend(format!("{header}\r\n\r\n").bytes());
            body.extend(bytes);
            body.extend(b"\r\n");
        };
        for (name, value) in fields {
            part(&format!("name=\"{name}\""), value.as_bytes());
        }
        if let Some((name, bytes)) = content {
            let header = format!(
                "name=\"content\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream"
            );
            part(&header, bytes);
        }
        body.extend(format!("--{BOUNDARY}--\r\n").bytes());
        let path = format!("/{index}/");
        let request = self
            .request(Method::POST, &path, user)
            .header(
                "content-type",
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(body);
        accepted(&path, request.send().await.unwrap()).await;
    }

    fn request(&self, method: Method, path: &str, user: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .basic_auth(user, Some(PASSWORD))
            .header("accept", "application/json")
    }
}

/// # Panics
/// With the answer, when it is no success.
async fn accepted(path: &str, response: Response) -> Response {
    let status = response.status();
    if status.is_success() {
        return response;
    }
    let text = response.text().await.unwrap_or_default();
    panic!("{path} was answered {status}: {text}")
}

/// Starts a devpi-server whose users all have the password that this client sends.
pub(crate) fn start(directory: &std::path::Path, options: &[&str]) -> DevpiServer {
    DevpiServer::start(directory, PASSWORD, options)
}

/// Fills a server with something of everything that one can hold, and the remains of more.
pub(crate) async fn fill(devpi: &Devpi) {
    let profile = json!({"email": "bob@x.test", "title": "Böb", "custom_data": {"a": [null, 1.5]}});
    devpi.user("bob", profile).await;
    devpi.user("alice", json!({})).await;
    devpi.user("gone", json!({})).await;
    let base = json!({"volatile": false, "acl_upload": ["bob", "alice", ":grp"], "title": "Base"});
    devpi.index("bob", "base", base).await;
    let dev = json!({"bases": ["bob/base"], "mirror_whitelist": ["*"]});
    devpi.index("bob", "dev", dev).await;
    devpi
        .index("alice", "stage", json!({"bases": ["bob/dev"]}))
        .await;
    devpi.index("gone", "with", json!({})).await;

    for version in ["1.0", "1.1", "2.0a1"] {
        let wheel = Wheel::named("Pkg.One").version(version).build();
        let sdist = Sdist::named("Pkg.One").version(version).build();
        devpi.upload("bob/base", "bob", &wheel).await;
        devpi.upload("bob/base", "bob", &sdist).await;
    }
    let local = Wheel::named("local").version("1.0+abc.1").build();
    devpi.upload("bob/dev", "bob", &local).await;
    for content in ["1", "2", "3"] {
        let vol = Wheel::named("vol").version("1.0").file("vol/x", content);
        devpi.upload("bob/dev", "bob", &vol.build()).await;
    }
    devpi
        .register("bob/dev", "bob", ("only.words", "0.1"))
        .await;
    devpi
        .document("bob/base", "bob", ("Pkg.One", "1.0"), &docs("one"))
        .await;
    for _ in 0..2 {
        devpi
            .test_result("bob/base", ("pkg-one", "1.0"), ".whl")
            .await;
    }
    let push = json!({"name": "Pkg.One", "version": "1.0", "targetindex": "alice/stage"});
    devpi.send("PUSH", "/bob/base/", "alice", push).await;

    let removed = Wheel::named("removed").version("1.0").build();
    devpi.upload("bob/dev", "bob", &removed).await;
    devpi.delete("/bob/dev/removed/1.0", "bob").await;
    let went = Wheel::named("went").version("1.0").build();
    devpi.upload("gone/with", "gone", &went).await;
    devpi.delete("/gone", "root").await;
}

/// A mirror of one of the server's own indexes, of which one file is fetched; gives its name.
pub(crate) async fn fill_mirror(devpi: &Devpi) -> &'static str {
    let url = format!("{}/bob/base/+simple/", devpi.url);
    let config = json!({"type": "mirror", "mirror_url": url, "title": "of base"});
    devpi.index("root", "copy", config).await;
    let page = devpi.bytes("/root/copy/+simple/pkg-one/").await;
    let page = String::from_utf8(page).unwrap();
    let href = page
        .split("href=\"")
        .find(|rest| rest.contains("pkg_one-1.1-py3") && rest.contains("+f/"))
        .and_then(|rest| rest.split(['"', '#']).next())
        .unwrap();
    let path = href.rsplit_once("+f/").unwrap().1;
    let before = devpi.serial().await;
    devpi.bytes(&format!("/root/copy/+f/{path}")).await;
    // The bytes are sent first and kept then.
    let kept = async {
        while devpi.serial().await == before {
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_mins(4);
    tokio::time::timeout(deadline, kept).await.unwrap();
    "pkg_one-1.1-py3-none-any.whl"
}

/// An archive of documentation.
pub(crate) fn docs(text: &str) -> Vec<u8> {
    // A wheel is a zip file, and devpi looks no further.
    Wheel::named("docs")
        .file("index.html", format!("<h1>{text}</h1>"))
        .build()
        .bytes
        .to_vec()
}
