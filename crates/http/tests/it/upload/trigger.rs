use cheeseshop_test_support::{Answer, Receiver, Wheel};
use serde_json::json;

use crate::support::{Form, Server};

#[tokio::test]
async fn a_failed_call_is_told_in_the_reason_phrase_of_a_success() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let jenkins = Receiver::start().await;
    let config = json!({"uploadtrigger_jenkins": jenkins.at("/job/{pkgname}/build")});
    server.index(&alice, "dev", config).await;

    let wheel = Wheel::named("flask").version("1.0").build();
    let answer = alice.post_form("/alice/dev/", &Form::of(&wheel)).await;
    assert_eq!((answer.status.as_u16(), answer.reason()), (200, ""));
    assert_eq!(answer.text(), "");
    let script = jenkins.forms()[0].file.clone().unwrap().bytes;
    let script = String::from_utf8(script.to_vec()).unwrap();
    assert!(
        script.contains("\"http://localhost:3141/alice/dev\""),
        "{script}"
    );

    jenkins.next(Answer::status(500).body("<html>stack trace</html>"));
    let wheel = Wheel::named("flask").version("2.0").build();
    let answer = alice.post_form("/alice/dev/", &Form::of(&wheel)).await;
    let expected = format!(
        "OK, but a trigger plugin failed: Jenkins at {} answered 500 Internal Server Error",
        jenkins.host()
    );
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (200, expected.as_str())
    );
    let page = alice.get("/alice/dev/+simple/flask/").await;
    assert!(page.text().contains(&wheel.name), "the upload stays");
}
