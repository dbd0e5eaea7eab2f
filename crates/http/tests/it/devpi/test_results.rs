use cheeseshop_app::Settings;
use cheeseshop_app::publish::PublishLimits;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::{Value, json};

use crate::support::{Answer, Server, User, file_path, sha256};

fn report() -> Value {
    json!({
        "reportversion": "1", "toxversion": "3.28.0", "platform": "linux", "host": "builder",
        "testenvs": {"py311": {
            "python": {"version": "3.11.2 (main)"},
            "setup": [{"command": ["pip", "install"], "output": "", "retcode": "0"}],
            "test": [{"command": ["pytest", "-x"], "output": "1 failed", "retcode": "1"}],
        }},
    })
}

async fn post(user: &User<'_>, path: &str, body: &Value) -> Answer {
    user.json("POST", path, body).await
}

#[tokio::test]
async fn a_result_is_posted_to_its_file_and_linked_from_the_release() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let file = format!("/alice/dev/{}", file_path(&wheel));
    let answer = post(&alice, &file, &report()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = report().to_string();
    let digest = sha256(&body);
    let path = format!("{file}.toxresult-20260901120000-0");
    assert_eq!(
        answer.json(),
        json!({
            "result": format!("{}#sha256={digest}", &path[1..]),
            "type": "toxresultpath",
        })
    );
    let kept = server.anonymous().get(&path).await;
    assert_eq!(kept.status, 200);
    assert_eq!(kept.header("content-type"), "application/octet-stream");
    assert_eq!(kept.text(), body);
    let described = alice.get_json(&path).await.json();
    assert_eq!(described["type"], "releasefilemeta");
    assert_eq!(described["result"]["version"], "1.0");

    let release = alice.get_json("/alice/dev/flask/1.0").await.json();
    let link = &release["result"]["+links"][1];
    assert_eq!(link["rel"], "toxresult");
    assert_eq!(link["href"], format!("http://localhost:3141{path}"));
    assert_eq!(link["for_href"], format!("http://localhost:3141{file}"));
    assert_eq!(link["hash_spec"], format!("sha256={digest}"));
    assert_eq!(link["for_href"], release["result"]["+links"][0]["href"]);

    let deleted = alice.delete(&path).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(alice.get(&path).await.status, 410);
    assert_eq!(alice.get(&file).await.status, 200);
}

#[tokio::test]
async fn results_are_listed_and_shown() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let file = format!("/alice/dev/{}", file_path(&wheel));
    post(&alice, &file, &report()).await;
    post(&alice, &file, &json!("anything")).await;

    let list = format!("/alice/dev/flask/1.0/+toxresults/{}", wheel.name);
    let answer = server.anonymous().get_json(&list).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let runs = answer.json();
    assert_eq!(runs["type"], "list:toxresult");
    assert_eq!(runs["result"].as_array().unwrap().len(), 2);
    assert_eq!(runs["result"][0]["report"], Value::Null);
    let run = &runs["result"][1];
    let name = format!("{}.toxresult-20260901120000-0", wheel.name);
    assert_eq!(run["name"], name.as_str());
    assert_eq!(
        run["href"],
        format!("http://localhost:3141{file}.toxresult-20260901120000-0")
    );
    assert_eq!(
        run["report"],
        json!({
            "host": "builder", "platform": "linux", "toxversion": "3.28.0", "outcome": "failed",
            "testenvs": [{
                "name": "py311", "python": "3.11.2", "outcome": "failed",
                "setup_failed": false, "test_failed": true,
            }],
        })
    );
    let shown = alice.get_json(&format!("{list}/{name}")).await.json();
    assert_eq!(shown["type"], "toxresult");
    assert_eq!(
        shown["result"]["report"]["testenvs"][0]["test"],
        json!([{"command": "pytest -x", "output": "1 failed", "failed": true}])
    );
    for missing in [
        format!("{list}/nope"),
        "/alice/dev/flask/1.0/+toxresults/nope.whl".to_owned(),
        format!("/alice/dev/flask/2.0/+toxresults/{}", wheel.name),
    ] {
        assert_eq!(alice.get_json(&missing).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn people_see_results_as_pages_in_which_output_is_text() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let list = format!("/alice/dev/flask/1.0/+toxresults/{}", wheel.name);
    let browse = async |path: &str| {
        let browser = [("accept", "text/html,*/*;q=0.8")];
        let answer = server.anonymous().get_with(path, &browser).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(answer.header("content-security-policy").contains("'none'"));
        answer.text()
    };
    assert!(browse(&list).await.contains("No test results."));

    let file = format!("/alice/dev/{}", file_path(&wheel));
    let mut said = report();
    said["host"] = json!("<script>host</script>");
    said["testenvs"]["py311"]["test"][0]["output"] = json!("first\n<script>alert(1)</script>");
    post(&alice, &file, &said).await;
    let page = browse(&list).await;
    let name = format!("{}.toxresult-20260901120000-0", wheel.name);
    assert!(page.contains(&format!("{list}/{name}#")), "{page}");
    assert!(page.contains("-linux-py311-test\""), "{page}");
    assert!(page.contains("class=\"failed\">failed</a>"), "{page}");
    assert!(page.contains("alice/dev/: flask-1.0 toxresults"), "{page}");
    assert!(!page.contains("<script>"), "{page}");

    let page = browse(&format!("{list}/{name}")).await;
    assert!(page.contains("<code>pytest -x</code>"), "{page}");
    assert!(page.contains("first\n&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("-linux-py311-setup\""), "{page}");
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn refusals_have_devpis_status_and_words() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let acl = json!({"acl_toxresult_upload": ["alice"]});
    server.index(&alice, "dev", acl).await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let file = format!("/alice/dev/{}", file_path(&wheel));
    let refused = post(&server.anonymous(), &file, &report()).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.message(),
        "No permission to upload tox results. \
         You can use the devpi test --no-upload option to skip the upload."
    );
    let absent = "/alice/dev/+f/000/0000000000000/flask-1.0.tar.gz";
    let missing = post(&alice, absent, &report()).await;
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.message(),
        format!("no release file found at {}", &absent[1..])
    );
    let request = alice
        .request("POST", &file)
        .header("accept", "application/json")
        .body("not json".into())
        .unwrap();
    let undecodable = server.send(request).await;
    assert_eq!(undecodable.status, 400);
    assert_eq!(undecodable.message(), "Bad request: could not decode json");
}

#[tokio::test]
async fn a_result_has_a_limit_of_its_own() {
    let settings = Settings {
        publish: PublishLimits {
            max_test_result_bytes: 3 << 20,
            ..PublishLimits::default()
        },
        ..Settings::default()
    };
    let server = Server::with(settings, HttpSettings::default()).await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let file = format!("/alice/dev/{}", file_path(&wheel));
    // Larger than other JSON bodies may be.
    let large = json!("x".repeat(2 << 20));
    assert_eq!(post(&alice, &file, &large).await.status, 200);
    let larger = json!("x".repeat(3 << 20));
    let refused = post(&alice, &file, &larger).await;
    assert_eq!(refused.status, 413);
    assert_eq!(
        refused.message(),
        "the request body is larger than 3145728 bytes"
    );
}

#[tokio::test]
async fn a_mirrors_file_takes_no_result() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("flask").version("1.0").build();
    upstream.publish(&wheel);
    server.mirror(&upstream).await;
    let file = format!("/root/mirror/{}", file_path(&wheel));
    let refused = post(&server.root(), &file, &report()).await;
    assert_eq!(refused.status, 400, "devpi answers 500");
    assert!(refused.message().contains("is a mirror"));
}
