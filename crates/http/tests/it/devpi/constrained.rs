use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Form, Server};

#[tokio::test]
async fn a_constrained_index_is_made_changed_and_shown_as_by_devpis_plugin() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let config = json!({"type": "constrained", "bases": ["alice/dev"]});
    let answer = alice.json("PUT", "/alice/c", &config).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({
            "result": {
                "type": "constrained",
                "volatile": true,
                "bases": ["alice/dev"],
                "acl_upload": ["alice"],
                "acl_toxresult_upload": [":ANONYMOUS:"],
                "mirror_whitelist": [],
                "mirror_whitelist_inheritance": "intersection",
                "constraints": [],
            },
            "type": "indexconfig",
        })
    );
    let patch = json!({"constraints": "flask<2\n\n# and nothing else\n*"});
    let answer = alice.json("PATCH", "/alice/c", &patch).await;
    assert_eq!(
        answer.json()["result"]["constraints"],
        json!(["flask<2", "*"])
    );
    let answer = alice
        .json("PATCH", "/alice/c", &json!(["constraints+=click"]))
        .await;
    assert_eq!(
        answer.json()["result"]["constraints"],
        json!(["flask<2", "*", "click"])
    );
    for (patch, message) in [
        (
            json!({"constraints": ["a", "a<2"]}),
            "Error while parsing constrains: Constraint for 'a' already exists.",
        ),
        (
            json!({"constraints": 5}),
            "'constraints' option must be a list of strings",
        ),
        (json!(["constraints-="]), "Default values can't be removed."),
    ] {
        let answer = alice.json("PATCH", "/alice/c", &patch).await;
        assert_eq!(answer.status, 400, "{patch}");
        assert_eq!(answer.message(), message);
    }
    let bad = json!({"constraints": ["!!"]});
    let answer = alice.json("PATCH", "/alice/c", &bad).await;
    assert!(
        answer
            .message()
            .starts_with("Error while parsing constrains: ")
    );
}

#[tokio::test]
async fn it_shows_a_part_and_takes_nothing() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let config = json!({
        "type": "constrained", "bases": ["alice/dev"], "constraints": ["flask<2", "*"],
    });
    server.index(&alice, "c", config).await;
    for (name, version) in [("flask", "1.0"), ("flask", "2.0"), ("click", "1.0")] {
        let wheel = Wheel::named(name).version(version).build();
        alice.publish("alice/dev", &wheel).await;
    }
    let simple = |path: &'static str| {
        let alice = alice.clone();
        async move {
            alice
                .get_with(path, &[("accept", "application/vnd.pypi.simple.v1+json")])
                .await
        }
    };
    let list = simple("/alice/c/+simple/").await;
    assert_eq!(list.json()["projects"], json!([{"name": "flask"}]));
    let page = simple("/alice/c/+simple/flask/").await;
    assert_eq!(page.file_names(), ["flask-1.0-py3-none-any.whl"]);
    assert_eq!(simple("/alice/c/+simple/click/").await.status, 404);
    let project = alice.get_json("/alice/c/flask").await.json();
    let versions: Vec<&String> = project["result"].as_object().unwrap().keys().collect();
    assert_eq!(versions, ["1.0"]);
    let missing = alice.get_json("/alice/c/click").await;
    assert_eq!(
        (missing.status.as_u16(), missing.message()),
        (404, "no project 'click'".to_owned())
    );
    let missing = alice.get_json("/alice/c/flask/2.0").await;
    assert_eq!(
        (missing.status.as_u16(), missing.message()),
        (
            404,
            "The version 2.0 of project flask does not exist.".to_owned()
        )
    );

    let wheel = Wheel::named("flask").version("1.5").build();
    let refused = alice.post_form("/alice/c/", &Form::of(&wheel)).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.reason(), "index is marked read only");
    assert!(refused.text().contains("index is marked read only"));
    let push = json!({"name": "flask", "version": "1.0", "targetindex": "alice/c"});
    let refused = alice.json("PUSH", "/alice/dev", &push).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.message(), "index is marked read only");
}
