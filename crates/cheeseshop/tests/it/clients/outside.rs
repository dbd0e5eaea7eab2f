//! What goes out: pushes to other servers, and links for pip's `--find-links`.

use cheeseshop_test_support::{BuiltFile, DevpiServer, Sdist, Wheel};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::shop::{PASSWORD, Shop, installed, run, succeed};
use crate::support::{Api, digest};

/// An archive with a page in it; a wheel is a zip like any other.
fn documentation() -> Vec<u8> {
    let archive = Wheel::named("docs").file("index.html", "docs").build();
    archive.bytes.to_vec()
}

/// A wheel and an sdist of one release.
fn release() -> [BuiltFile; 2] {
    [
        Wheel::named("going-out").requires_python(">=3.9").build(),
        Sdist::named("going-out").build(),
    ]
}

/// Gives the release metadata of every shape.
async fn describe(api: &Api, index: &str) {
    let body = "%3Aaction=submit&name=going-out&version=1.0&metadata_version=2.4\
                &summary=%C3%89in+text+%26+more&description=two%0Alines%22quoted%22\
                &classifiers=A+%3A%3A+B&classifiers=C&requires_dist=library+%3E%3D1\
                &provides_extra=web&license_file=LICENSE&project_urls=Home%2C+https%3A%2F%2Fh.test";
    let answer = api
        .request(Method::POST, &format!("{index}/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn document(api: &Api, index: &str) {
    let boundary = "documentation-boundary";
    let mut body = Vec::new();
    for (name, value) in [
        (":action", "doc_upload"),
        ("name", "going-out"),
        ("version", "1.0"),
    ] {
        body.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .into_bytes(),
        );
    }
    body.extend(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"going-out.zip\"\r\n\r\n"
        )
        .into_bytes(),
    );
    body.extend(documentation());
    body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    let answer = api
        .request(Method::POST, &format!("{index}/"))
        .header(
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        )
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// A document, such as what a push says that it did.
async fn document_of(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// The files that a server lists of the release, by name.
async fn received(api: &Api, index: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = api
        .files(index, "going-out")
        .await
        .into_iter()
        .map(|file| (file.name, file.sha256))
        .collect();
    files.sort();
    files
}

fn expected(files: &[BuiltFile]) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = files
        .iter()
        .map(|file| (file.name.clone(), file.sha256.clone()))
        .collect();
    files.sort();
    files
}

/// A devpi client that knows another server as the repository `other`, logged in at the shop.
async fn pusher(shop: &Shop, other: &str) -> std::path::PathBuf {
    let folder = shop.folder("pusher");
    std::fs::write(
        folder.join(".pypirc"),
        format!(
            "[distutils]\nindex-servers = other\n\n[other]\nrepository = {other}\n\
             username = carol\npassword = carols-password\n"
        ),
    )
    .unwrap();
    for arguments in [
        &["use", &shop.server.at("bob/dev")][..],
        &["login", "bob", "--password", PASSWORD],
    ] {
        let mut devpi = shop.client("devpi-client", &folder).await;
        devpi.args(arguments);
        succeed(devpi).await;
    }
    folder
}

#[tokio::test]
async fn a_release_goes_from_one_server_to_another_and_is_the_same_there() {
    let here = Shop::open().await;
    let there = Shop::open().await;
    let carol = there.server.new_user("carol", "carols-password").await;
    carol
        .create_index("carol/in", &json!({"volatile": false}))
        .await;
    let files = release();
    for file in &files {
        here.bob.upload("bob/dev", file).await;
    }
    describe(&here.bob, "bob/dev").await;
    document(&here.bob, "bob/dev").await;

    let folder = pusher(&here, &there.server.at("carol/in/")).await;
    let mut devpi = here.client("devpi-client", &folder).await;
    devpi.args(["push", "--register-project", "--pypirc"]);
    devpi.arg(folder.join(".pypirc"));
    devpi.args(["going-out==1.0", "pypi:other"]);
    let talk = succeed(devpi).await;
    for line in [
        "200 register going-out 1.0",
        "200 upload bob/dev/+f/",
        "200 docfile going-out",
    ] {
        assert!(talk.contains(line), "{line}: {talk}");
    }
    assert_eq!(received(&carol, "carol/in").await, expected(&files));
    let metadata = |document: Value| {
        let mut release = document["result"].as_object().unwrap().clone();
        let links = release.remove("+links").unwrap();
        (release, links.as_array().unwrap().len())
    };
    let sent = metadata(here.bob.document("bob/dev/going-out/1.0").await);
    let arrived = metadata(carol.document("carol/in/going-out/1.0").await);
    assert_eq!(
        arrived, sent,
        "metadata, and a link for each file and the documentation"
    );
    assert_eq!(sent.1, 3);
    assert_eq!(sent.0["provides_extras"], json!(["web"]));

    // Once more: the other server has it already, and says so where it differs.
    let other = Wheel::named("going-out").summary("other bytes").build();
    here.bob
        .create_index("bob/second", &json!({"volatile": true}))
        .await;
    here.bob.upload("bob/second", &other).await;
    let push = json!({
        "name": "going-out", "version": "1.0", "posturl": there.server.at("carol/in/"),
        "username": "carol", "password": "carols-password",
    });
    let push_method = Method::from_bytes(b"PUSH").unwrap();
    let answer = here
        .bob
        .send(push_method.clone(), "bob/second", &push)
        .await;
    assert_eq!(answer.status(), 502);
    let log = document_of(answer).await;
    assert_eq!(log["result"][0][0], 409);
    assert!(
        log["result"][0][3]
            .as_str()
            .unwrap()
            .contains("already exists in non-volatile index"),
        "{log}"
    );
    let mut wrong = push.clone();
    wrong["password"] = json!("wrong-carols-password");
    let answer = here.bob.send(push_method, "bob/second", &wrong).await;
    let log = document_of(answer).await;
    assert_eq!(log["result"][0][0], 401, "{log}");
    assert!(!here.server.log().contains("carols-password"));
}

#[tokio::test]
async fn a_release_goes_to_the_released_devpi_server() {
    let here = Shop::open().await;
    let folder = here.folder("devpi-server");
    let there = DevpiServer::start(&folder, "", &[]);
    let root = Api::login(&there.url(), "root", "").await;
    root.create_user("carol", "carols-password").await;
    let carol = Api::login(&there.url(), "carol", "carols-password").await;
    carol.create_index("carol/in", &json!({})).await;
    let files = release();
    for file in &files {
        here.bob.upload("bob/dev", file).await;
    }
    describe(&here.bob, "bob/dev").await;
    document(&here.bob, "bob/dev").await;
    let push = json!({
        "name": "going-out", "version": "1.0", "posturl": format!("{}/carol/in/", there.url()),
        "username": "carol", "password": "carols-password", "register_project": true,
    });
    let push_method = Method::from_bytes(b"PUSH").unwrap();
    let answer = here.bob.send(push_method, "bob/dev", &push).await;
    assert_eq!(answer.status(), 200);
    let log = document_of(answer).await;
    let steps: Vec<&Value> = log["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line[1])
        .collect();
    assert_eq!(steps, ["register", "upload", "upload", "docfile"]);
    assert_eq!(received(&carol, "carol/in").await, expected(&files));
    // devpi-web shows a page to whoever does not ask for JSON.
    let arrived = carol
        .request(Method::GET, "carol/in/going-out/1.0")
        .header("Accept", "application/json")
        .send()
        .await
        .unwrap();
    let arrived = document_of(arrived).await;
    for (key, value) in [
        ("summary", json!("Éin text & more")),
        ("description", json!("two\nlines\"quoted\"")),
        ("classifiers", json!(["A :: B", "C"])),
        ("provides_extras", json!(["web"])),
        ("license_file", json!(["LICENSE"])),
    ] {
        assert_eq!(arrived["result"][key], value, "{key}");
    }
    let docs = arrived["result"]["+links"]
        .as_array()
        .unwrap()
        .iter()
        .find(|link| link["rel"] == "doczip")
        .unwrap();
    assert!(
        docs["hash_spec"]
            .as_str()
            .unwrap()
            .ends_with(&digest(&documentation())),
        "{docs}"
    );
}

#[tokio::test]
async fn a_push_that_fails_is_red_and_says_how_far_it_came() {
    let here = Shop::open().await;
    let there = Shop::open().await;
    let carol = there.server.new_user("carol", "carols-password").await;
    carol.create_index("carol/in", &json!({})).await;
    for file in &release() {
        here.bob.upload("bob/dev", file).await;
    }
    // The other server knows carol, but not as somebody who may upload there.
    let folder = pusher(&here, &there.server.at("bob/dev/")).await;
    let mut devpi = here.client("devpi-client", &folder).await;
    devpi
        .arg("push")
        .arg("--pypirc")
        .arg(folder.join(".pypirc"));
    devpi.args(["going-out==1.0", "pypi:other"]);
    let output = run(devpi).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let talk = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(talk.matches("403 upload bob/dev/+f/").count(), 2, "{talk}");
    assert!(talk.contains("no permission to submit"), "{talk}");
    assert!(!talk.contains("carols-password"), "{talk}");
}

#[tokio::test]
async fn a_constrained_index_is_made_and_changed_by_the_devpi_client() {
    let shop = Shop::open().await;
    for version in ["1.0", "2.0"] {
        let wheel = Wheel::named("app").version(version).build();
        shop.bob.upload("bob/dev", &wheel).await;
    }
    let folder = pusher(&shop, "http://127.0.0.1:9/").await;
    let devpi = async |arguments: &[&str]| {
        let mut devpi = shop.client("devpi-client", &folder).await;
        devpi.args(arguments);
        succeed(devpi).await
    };
    devpi(&[
        "index",
        "-c",
        "approved",
        "type=constrained",
        "bases=bob/dev",
    ])
    .await;
    let talk = devpi(&["index", "approved", "constraints+=app<2"]).await;
    assert!(talk.contains("constraints=app<2"), "{talk}");
    let names = async || -> Vec<String> {
        let files = shop.root.files("bob/approved", "app").await;
        files.into_iter().map(|file| file.name).collect()
    };
    assert_eq!(names().await, ["app-1.0-py3-none-any.whl"]);
    devpi(&["index", "approved", "constraints-=app<2"]).await;
    assert_eq!(names().await.len(), 2);
    let trigger = "uploadtrigger_jenkins=http://ci.test/job/{pkgname}/build";
    let talk = devpi(&["index", "bob/dev", trigger]).await;
    assert!(talk.contains(trigger), "{talk}");
    let talk = devpi(&["index", "bob/dev", "uploadtrigger_jenkins-="]).await;
    assert!(!talk.contains("  uploadtrigger_jenkins="), "{talk}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_by_links() {
    let shop = Shop::open().await;
    for file in [
        Wheel::named("app").requires_dist("library <2").build(),
        Wheel::named("library").version("1.5").build(),
        Wheel::named("library").version("2.0").build(),
    ] {
        shop.bob.upload("bob/dev", &file).await;
    }
    shop.bob
        .create_index("bob/derived", &json!({"bases": ["bob/dev"]}))
        .await;
    for index in ["bob/dev", "bob/derived"] {
        let folder = shop.folder(&index.replace('/', "-"));
        let mut pip = shop.client("pip", &folder).await;
        pip.args([
            "install",
            "--target",
            "there",
            "--no-cache-dir",
            "--no-index",
        ])
        .args([
            "--find-links",
            &shop.server.at(&format!("{index}/+findlinks")),
        ])
        .arg("app");
        let talk = succeed(pip).await;
        assert_eq!(
            installed(&folder.join("there")),
            ["app-1.0", "library-1.5"],
            "{talk}"
        );
    }
}
