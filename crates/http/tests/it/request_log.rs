//! One line per request, with who, what and how much, and without secrets.

use std::io::Write;
use std::sync::{Arc, Mutex};

use cheeseshop_test_support::Wheel;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::Server;

/// Lines of JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn requests(&self) -> Vec<Value> {
        String::from_utf8(self.0.lock().unwrap().clone())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["target"] == "cheeseshop_http::request")
            .collect()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_line_tells_who_asked_for_what_and_no_secret() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish("alice/dev", &Wheel::named("flask").build())
        .await;
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let path = "/alice/dev/+simple/flask/";
    // Made first, at hand second.
    let cold = alice.get(&format!("{path}?token=query-secret")).await;
    let hot = alice.get(&format!("{path}?token=query-secret")).await;
    let missing = server.anonymous().get("/alice/dev/+simple/none/").await;

    let requests = lines.requests();
    assert_eq!(requests.len(), 3, "{}", lines.text());
    for (line, answer) in requests.iter().zip([&cold, &hot]) {
        let fields = &line["fields"];
        assert_eq!(fields["message"], format!("GET {path} 200"));
        assert_eq!(fields["user.name"], "alice");
        assert_eq!(fields["client.address"], "127.0.0.1");
        assert_eq!(fields["size_bytes"], answer.body.len());
        assert_eq!(fields["request.id"], answer.header("x-request-id"));
        assert!(fields["duration_ms"].as_f64().unwrap() >= 0.0);
        assert!(fields.get("torn_off").is_none());
    }
    let fields = &requests[2]["fields"];
    assert_eq!(fields["message"], "GET /alice/dev/+simple/none/ 404");
    assert_eq!(fields["size_bytes"], missing.body.len());
    assert!(fields.get("user.name").is_none());
    for secret in ["query-secret", "alice-secret", "Basic "] {
        assert!(!lines.text().contains(secret), "{secret}");
    }
}
