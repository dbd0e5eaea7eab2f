use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use crate::support::{Form, Server, file_path};

#[tokio::test]
async fn a_release_has_metadata_links_and_log() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("MyPkg").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let release = server
        .anonymous()
        .get_json("/alice/dev/mypkg/1.0")
        .await
        .json();
    assert_eq!(release["type"], "versiondata");
    let data = &release["result"];
    assert_eq!(data["name"], "MyPkg");
    assert_eq!(data["version"], "1.0");
    assert_eq!(
        data["+links"],
        json!([{
            "rel": "releasefile",
            "hash_spec": format!("sha256={}", wheel.sha256),
            "hashes": {"sha256": wheel.sha256},
            "href": format!("http://localhost:3141/alice/dev/{}", file_path(&wheel)),
            "log": [{
                "what": "upload",
                "who": "alice",
                "when": [2026, 9, 1, 12, 0, 0],
                "dst": "alice/dev",
            }],
        }])
    );
    assert!(data.get("+shadowing").is_none());
    let project = server.anonymous().get_json("/alice/dev/mypkg").await.json();
    assert_eq!(project["type"], "projectconfig");
    assert_eq!(project["result"]["1.0"], *data);
}

#[tokio::test]
async fn releases_of_bases_are_shown_unless_ignored() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.base_and_dev(&alice).await;
    for (index, version) in [
        ("alice/base", "1.0"),
        ("alice/base", "2.0"),
        ("alice/dev", "2.0"),
    ] {
        alice
            .publish(index, &Wheel::named("flask").version(version).build())
            .await;
    }
    let project = server.anonymous().get_json("/alice/dev/flask").await.json();
    let versions = project["result"].as_object().unwrap();
    assert_eq!(versions.len(), 2);
    let shadowed = &versions["2.0"]["+shadowing"];
    assert_eq!(shadowed.as_array().unwrap().len(), 1);
    let href = shadowed[0]["+links"][0]["href"].as_str().unwrap();
    assert!(
        href.starts_with("http://localhost:3141/alice/base/+f/"),
        "{href}"
    );
    let own = server
        .anonymous()
        .get_json("/alice/dev/flask?ignore_bases=")
        .await
        .json();
    assert_eq!(own["result"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn absence_and_names_are_told_as_devpi_does() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish("alice/dev", &Wheel::named("my-pkg").version("1.0").build())
        .await;
    let none = server.anonymous().get_json("/alice/dev/none").await;
    assert_eq!(
        (none.status.as_u16(), none.message().as_str()),
        (404, "no project 'none'")
    );
    let version = server.anonymous().get_json("/alice/dev/my-pkg/7.0").await;
    assert_eq!(version.status, 404);
    assert_eq!(
        version.message(),
        "The version 7.0 of project my-pkg does not exist."
    );
    for (path, target) in [
        ("/alice/dev/My_Pkg", "/alice/dev/my-pkg"),
        ("/alice/dev/My_Pkg/", "/alice/dev/my-pkg/"),
        ("/alice/dev/My_Pkg/1.0", "/alice/dev/my-pkg/1.0"),
        ("/alice/dev/My_Pkg/1.0/", "/alice/dev/my-pkg/1.0/"),
    ] {
        let answer = server.anonymous().get_json(path).await;
        assert_eq!(answer.status, 302, "{path}");
        let base = url::Url::parse(&format!("http://localhost{path}")).unwrap();
        let location = base.join(answer.header("location")).unwrap();
        assert_eq!(location.path(), target);
        assert_eq!(server.anonymous().get_json(target).await.status, 200);
    }
    let unicode = server
        .anonymous()
        .get("/alice/dev/+simple/gr%C3%BCn/")
        .await;
    assert_eq!(unicode.status, 400);
    assert_eq!(unicode.text(), "unicode project names not allowed\n");
}

#[tokio::test]
async fn a_project_of_the_bases_alone_has_no_own_releases() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.base_and_dev(&alice).await;
    alice
        .publish("alice/base", &Wheel::named("flask").build())
        .await;
    let reader = server.anonymous();
    let own = reader.get_json("/alice/dev/flask?ignore_bases=").await;
    assert_eq!(
        (own.status.as_u16(), own.json()["result"].clone()),
        (200, json!({}))
    );
    let none = reader.get_json("/alice/dev/none?ignore_bases=").await;
    assert_eq!(
        (none.status.as_u16(), none.message().as_str()),
        (404, "no project 'none'")
    );
    // Versions are looked for everywhere, whatever the query says.
    let version = reader.get_json("/alice/dev/flask/1.0?ignore_bases=").await;
    assert_eq!(version.status, 200);
    let version = reader.get_json("/alice/dev/none/1.0").await;
    assert_eq!(version.status, 404);
    assert_eq!(
        version.message(),
        "The version 1.0 of project none does not exist."
    );
}

#[tokio::test]
async fn the_button_of_a_project_refreshes_it() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    server.mirror(&upstream).await;
    let reader = server.anonymous();
    assert_eq!(reader.get("/root/mirror/flask").await.status, 200);
    let page = upstream.project_path("flask");
    let asked = upstream.count(&page);
    for (path, location) in [
        ("/root/mirror/Flask/refresh", "../flask"),
        ("/root/mirror/flask/refresh/", "../../flask"),
    ] {
        let answer = reader.send("POST", path, &[]).await;
        assert_eq!(answer.status, 302, "{path}: {}", answer.text());
        assert_eq!(answer.header("location"), location);
    }
    assert!(upstream.count(&page) > asked);
    let other = reader.send("POST", "/root/mirror/flask/3.0", &[]).await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn a_release_without_files_has_no_links() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let form = Form::submit("flask", "1.0");
    assert_eq!(alice.post_form("/alice/dev/", &form).await.status, 200);
    let release = alice.get_json("/alice/dev/flask/1.0").await.json();
    assert_eq!(release["result"]["name"], "flask");
    assert!(release["result"].get("+links").is_none());
}
