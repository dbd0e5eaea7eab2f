//! The server knows of backups: metrics and status.

use std::time::Instant;

use super::{create, stocked};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Home};

#[tokio::test]
async fn age_and_size_of_the_newest_backup_are_told() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let output = home.run(&["status", &server.url]);
    assert!(
        output
            .stdout
            .contains("backup    none that the server knows of"),
        "{output:?}"
    );
    let created = create(&home, &[]);
    let manifest = &created["manifest"];
    let bytes = manifest["database"]["bytes"].as_u64().unwrap()
        + manifest["blobs"]["bytes"].as_u64().unwrap();
    let line = format!("cheeseshop_backup_bytes {bytes}");
    let deadline = Instant::now() + DEADLINE;
    let metrics = loop {
        let text = server
            .anonymous()
            .get("metrics")
            .await
            .text()
            .await
            .unwrap();
        if text.contains(&line) {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    };
    let finished: jiff::Timestamp = manifest["finished"].as_str().unwrap().parse().unwrap();
    let line = format!(
        "cheeseshop_backup_finished_timestamp_seconds {}",
        finished.as_second()
    );
    assert!(metrics.contains(&line), "{line}: {metrics}");
    let output = home.run(&["status", &server.url]);
    assert!(output.stdout.contains(" ago, "), "{output:?}");
    server.stop();
}
