//! What a team has on its devpi-server.

use cheeseshop_test_support::{
    BuiltFile, DocumentationArchive, FORM_TYPE, Form, Sdist, Upstream, Wheel,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::Api;

/// Everybody's password.
pub(super) const PASSWORD: &str = "a long enough password";

/// Names by which to ask for what was made.
pub(super) struct World {
    pub(super) indexes: Vec<&'static str>,
    /// Index, project, version.
    pub(super) releases: Vec<(&'static str, &'static str, &'static str)>,
    mirrored: BuiltFile,
}

impl World {
    /// Fills an empty server.
    pub(super) async fn make(url: &str, upstream: &Upstream) -> Self {
        let mirrored = Wheel::named("upstreamed")
            .version("3.0")
            .requires_python(">=3.8")
            .build();
        upstream.publish(&mirrored);
        let root = Api::login(url, "root", PASSWORD).await;
        for (name, more) in [
            ("alice", json!({"email": "alice@example.test"})),
            (
                "bob",
                json!({"title": "Bob", "description": "builds", "custom_data": {"a": [1, null]}}),
            ),
        ] {
            let mut body = more;
            body["password"] = json!(PASSWORD);
            succeed(
                root.send(Method::PUT, name, &body).await,
                StatusCode::CREATED,
            )
            .await;
        }
        let alice = Api::login(url, "alice", PASSWORD).await;
        let bob = Api::login(url, "bob", PASSWORD).await;
        let mirror = json!({
            "type": "mirror", "mirror_url": upstream.url(), "volatile": false, "title": "Upstream",
            "mirror_cache_expiry": 3600,
        });
        root.create_index("root/up", &mirror).await;
        let base = json!({"bases": ["root/up"], "acl_upload": ["alice", ":AUTHENTICATED:"]});
        alice.create_index("alice/base", &base).await;
        let dev = json!({
            "bases": ["alice/base"], "volatile": true, "mirror_whitelist": ["upstreamed"],
            "mirror_whitelist_inheritance": "union", "title": "Entwicklung",
        });
        bob.create_index("bob/dev", &dev).await;
        bob.create_index("bob/prod", &json!({"bases": [], "volatile": false}))
            .await;

        let wheel = Wheel::named("My.Pkg").version("1.0").build();
        // Without `Requires-Python`: the form of this upload does not repeat it, and then devpi-server
        // does not tell it, while we read it out of the wheel.
        let sdist = Sdist::named("My.Pkg").version("1.0").build();
        let newer = Wheel::named("My.Pkg").version("1.1rc1").build();
        let lib = Sdist::named("lib").version("0.1").build();
        for file in [&wheel, &sdist, &newer] {
            bob.upload("bob/dev", file).await;
        }
        alice.upload("alice/base", &lib).await;
        let docs = DocumentationArchive::new().build();
        document(&bob, "bob/dev", ("My.Pkg", "1.0"), &docs).await;
        submit(&bob, "bob/dev", ("announced", "7")).await;
        result(&bob, "bob/dev", "my-pkg", &wheel.name).await;
        let push = json!({"name": "my-pkg", "version": "1.0", "targetindex": "bob/prod"});
        let pushed = bob
            .send(Method::from_bytes(b"PUSH").unwrap(), "bob/dev", &push)
            .await;
        succeed(pushed, StatusCode::OK).await;
        // A mirror holds what somebody installed from it.
        let world = Self {
            indexes: vec!["root/up", "alice/base", "bob/dev", "bob/prod"],
            releases: vec![
                ("bob/dev", "my-pkg", "1.0"),
                ("bob/dev", "my-pkg", "1.1rc1"),
                ("bob/prod", "my-pkg", "1.0"),
                ("alice/base", "lib", "0.1"),
                ("bob/dev", "announced", "7"),
                ("root/up", "upstreamed", "3.0"),
            ],
            mirrored,
        };
        world.assert_mirrored(&root).await;
        world
    }

    /// The mirror gives the file.
    pub(super) async fn assert_mirrored(&self, api: &Api) {
        let files = api.files("root/up", "upstreamed").await;
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(api.digest_of(&files[0].url).await, self.mirrored.sha256);
    }
}

async fn succeed(response: reqwest::Response, expected: StatusCode) {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, expected, "{text}");
}

async fn document(api: &Api, index: &str, (project, version): (&str, &str), archive: &[u8]) {
    let fields = [
        (":action", "doc_upload"),
        ("name", project),
        ("version", version),
    ];
    let name = format!("{project}.zip");
    form(api, index, &fields, Some((&name, archive))).await;
}

/// Registers metadata without any file.
async fn submit(api: &Api, index: &str, (project, version): (&str, &str)) {
    let fields = [
        (":action", "submit"),
        ("name", project),
        ("version", version),
        ("summary", "bald"),
        ("classifiers", "A :: B"),
        ("classifiers", "C :: D"),
    ];
    form(api, index, &fields, None).await;
}

async fn result(api: &Api, index: &str, project: &str, name: &str) {
    let files = api.files(index, project).await;
    let file = files.iter().find(|file| file.name == name).unwrap();
    let url = file.url.split('#').next().unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    let report = json!({"reportversion": "1", "toxversion": "4", "platform": "linux", "host": "h", "testenvs": {}});
    let response = api.send(Method::POST, path, &report).await;
    succeed(response, StatusCode::OK).await;
}

async fn form(api: &Api, index: &str, fields: &[(&str, &str)], content: Option<(&str, &[u8])>) {
    let request = api
        .request(Method::POST, &format!("{index}/"))
        .header("Content-Type", FORM_TYPE)
        .body(Form::of_parts(fields, content).body());
    succeed(request.send().await.unwrap(), StatusCode::OK).await;
}
