use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn an_index_is_created_shown_changed_and_removed() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let config = json!({
        "type": "stage",
        "volatile": true,
        "bases": [],
        "acl_upload": ["alice"],
        "acl_toxresult_upload": [":ANONYMOUS:"],
        "mirror_whitelist": [],
        "mirror_whitelist_inheritance": "intersection",
    });
    let created = alice.json("PUT", "/alice/dev", &json!({})).await;
    assert_eq!(created.status, 200);
    assert_eq!(
        created.json(),
        json!({"result": config, "type": "indexconfig"})
    );
    alice
        .publish("alice/dev", &Wheel::named("Flask").build())
        .await;
    for path in ["/alice/dev", "/alice/dev/"] {
        let shown = server.anonymous().get_json(path).await.json();
        assert_eq!(shown["result"]["projects"], json!(["flask"]), "{path}");
    }
    let shown = server
        .anonymous()
        .get_json("/alice/dev?no_projects=")
        .await
        .json();
    assert_eq!(shown["result"], config);
    let removed = alice.delete("/alice/dev").await;
    assert_eq!(removed.status, 201);
    assert_eq!(removed.message(), "index alice/dev deleted");
    let gone = alice.get_json("/alice/dev").await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.message(), "The stage alice/dev could not be found.");
}

#[tokio::test]
async fn both_bodies_of_patch_are_understood() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.index(&alice, "base", json!({})).await;
    server.index(&alice, "dev", json!({})).await;
    let patch = |body: serde_json::Value| {
        let alice = alice.clone();
        async move { alice.json("PATCH", "/alice/dev", &body).await }
    };
    let answer = patch(json!([
        "bases=alice/base",
        "title=hello",
        "acl_upload+=bob"
    ]))
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = answer.json()["result"].clone();
    assert_eq!(result["bases"], json!(["alice/base"]));
    assert_eq!(result["title"], "hello");
    assert_eq!(result["acl_upload"], json!(["alice", "bob"]));
    let answer = patch(json!({"type": "indexconfig", "result": {"volatile": false}})).await;
    assert_eq!(answer.json()["result"]["volatile"], false);
    let answer = patch(json!({"volatile": true})).await;
    assert_eq!(answer.json()["result"]["volatile"], true);
    for (body, message) in [
        (
            json!({"foo": 1}),
            "indexconfig got unexpected keyword arguments: foo=1",
        ),
        (
            json!({"type": "mirror"}),
            "the 'type' of an index can't be changed",
        ),
        (
            json!({"bases": ["root/none"]}),
            "base index 'root/none' does not exist",
        ),
        (json!(["volatile="]), "Unknown boolean value ''."),
    ] {
        let answer = patch(body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.message(), message, "{body}");
    }
    for body in [json!("x"), json!(1), json!([1])] {
        assert_eq!(patch(body.clone()).await.status, 400, "{body}");
    }
    let noop = alice
        .json("PATCH", "/alice/dev?error_on_noop", &json!(["nothing-="]))
        .await;
    assert_eq!(noop.status, 400);
    assert_eq!(
        noop.message(),
        "The requested modifications resulted in no changes"
    );
    let shown = json!({"volatile": true});
    let object = alice.json("PATCH", "/alice/dev?error_on_noop", &shown);
    assert_eq!(object.await.status, 200, "for operations alone");
}

#[tokio::test]
async fn refusals_have_devpis_status_and_words() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server
        .index(&alice, "prod", json!({"volatile": false}))
        .await;
    let exists = alice.json("PUT", "/alice/prod", &json!({})).await;
    assert_eq!(exists.status, 409);
    assert_eq!(exists.message(), "index 'alice/prod' exists");
    let foreign = eve.json("PUT", "/alice/x", &json!({})).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(foreign.message(), "no permission to create index alice/x");
    let nobody = server.root().json("PUT", "/nobody/x", &json!({})).await;
    assert_eq!(nobody.status, 404);
    assert_eq!(nobody.message(), "no user 'nobody'");
    let name = alice.json("PUT", "/alice/a%20b", &json!({})).await;
    assert_eq!(name.status, 400);
    assert_eq!(
        name.message(),
        "indexname 'a b' contains characters that aren't allowed. \
         Any ascii symbol besides -.@_ is blocked."
    );
    let fixed = alice.delete("/alice/prod").await;
    assert_eq!(fixed.status, 403);
    assert_eq!(
        fixed.message(),
        "index alice/prod non-volatile, cannot delete"
    );
}

#[tokio::test]
async fn credentials_of_a_mirror_are_shown_to_nobody() {
    let server = Server::start().await;
    let root = server.root();
    let url = "https://bob:hunter2@upstream.example/simple/";
    let created = root
        .json(
            "PUT",
            "/root/closed",
            &json!({"type": "mirror", "mirror_url": url}),
        )
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    let patched = root
        .json("PATCH", "/root/closed", &json!({"title": "closed"}))
        .await;
    let mut texts = vec![created.text(), patched.text()];
    for path in ["/", "/root", "/root/closed"] {
        texts.push(root.get_json(path).await.text());
    }
    for text in texts {
        assert!(text.contains("upstream.example"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn documents_nest_as_deeply_as_they_can_be_read_again() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut deepest = 0;
    for depth in 120..=132 {
        for (method, path) in [
            ("PUT", format!("/alice/d{depth}")),
            ("PATCH", "/alice".into()),
        ] {
            let body = format!("{{\"custom_data\": {}}}", nested(depth));
            let request = alice
                .request(method, &path)
                .header("accept", "application/json")
                .body(axum::body::Body::from(body))
                .unwrap();
            let status = server.send(request).await.status.as_u16();
            assert!(matches!(status, 200 | 400), "{depth} {status}");
            if status == 200 {
                deepest = depth;
                // Whatever was taken can be read again, by us as well.
                assert_eq!(alice.get(&path).await.status, 200);
                server
                    .index(&alice, &format!("after{}{depth}", method.len()), json!({}))
                    .await;
            }
        }
    }
    assert!((120..132).contains(&deepest), "{deepest}");
}
