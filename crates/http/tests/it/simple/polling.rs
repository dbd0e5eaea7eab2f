use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cheeseshop_test_support::Wheel;

use crate::support::Server;

const UPLOADS: usize = 30;
const PAGE: &str = "/alice/dev/+simple/flask/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_sees_an_old_page_after_an_uploads_answer() {
    let server = Arc::new(Server::start().await);
    let alice = server.user("alice").await;
    server.base_and_dev(&alice).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..4)
        .map(|number| {
            let (server, acknowledged) = (Arc::clone(&server), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let accept = match number % 2 {
                    0 => "application/vnd.pypi.simple.v1+json",
                    _ => "text/html",
                };
                let mut reads = 0_usize;
                loop {
                    let known = acknowledged.load(Ordering::SeqCst);
                    let page = server
                        .anonymous()
                        .get_with(PAGE, &[("accept", accept), ("accept-encoding", "identity")])
                        .await;
                    let listed = page.text().matches(".whl#").count()
                        + page.text().matches(".whl\",").count() / 2;
                    let listed = match number % 2 {
                        0 if page.status == 200 => page.file_names().len(),
                        0 => 0,
                        _ => listed,
                    };
                    assert!(listed >= known, "{listed} listed, {known} acknowledged");
                    reads += 1;
                    if known == UPLOADS {
                        return reads;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 0..UPLOADS {
        let index = if number % 3 == 0 {
            "alice/base"
        } else {
            "alice/dev"
        };
        let wheel = Wheel::named("flask")
            .version(&format!("1.{number}"))
            .build();
        alice.publish(index, &wheel).await;
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
