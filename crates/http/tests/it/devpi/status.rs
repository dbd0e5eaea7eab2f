use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn the_status_has_what_devpis_watchers_read() {
    let server = Server::start().await;
    server.user("alice").await;
    let answer = server.anonymous().get_json("/+status").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(document["type"], "status");
    let status = &document["result"];
    assert_eq!(status["role"], "MASTER");
    assert_eq!(status["uuid"].as_str().unwrap().len(), 32);
    assert_eq!(status["versioninfo"]["devpi-server"], "6.20.3");
    assert_eq!(status["serial"], status["event-serial"]);
    assert!(status["serial"].as_i64().unwrap() > 0);
    assert_eq!(status["polling_replicas"], json!({}));
    assert_eq!(
        status["serverdir"],
        json!(null),
        "none of the public's business"
    );
}
