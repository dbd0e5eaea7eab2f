//! A connection to PostgreSQL that breaks around COMMIT: the caller is told the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cheeseshop_domain::Serial;
use cheeseshop_storage::DatabaseConfig;
use cheeseshop_storage::database::change_log;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Kind, TestDatabase, Write, event, record, write};

/// Where the connection breaks next; once.
const NOWHERE: u8 = 0;
const BEFORE_COMMIT: u8 = 1;
const AFTER_COMMIT: u8 = 2;

/// Passes bytes on between clients and the server at `target`, until told to break.
async fn break_at_commit(target: String) -> (u16, Arc<AtomicU8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicU8::new(NOWHERE));
    let shared = Arc::clone(&armed);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(pass_on(client, server, Arc::clone(&shared)));
        }
    });
    (port, armed)
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, armed: Arc<AtomicU8>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut breaking = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &from_client[..length];
                // Not the word in `READ COMMITTED`.
                if bytes.windows(8).any(|word| word == b"; COMMIT") {
                    match armed.swap(NOWHERE, Ordering::SeqCst) {
                        BEFORE_COMMIT => return,
                        AFTER_COMMIT => breaking = true,
                        _ => {}
                    }
                }
                server.write_all(bytes).await.unwrap();
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                // The answer has come, so the server has done it; the client never hears.
                if breaking {
                    return;
                }
                if client.write_all(&from_server[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn through_proxy() -> (TestDatabase, Arc<AtomicU8>) {
    let mut test = TestDatabase::new(Kind::Postgres).await;
    let mut url = url::Url::parse(test.url()).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let (port, armed) = break_at_commit(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    test.config = DatabaseConfig::for_url(url.as_str());
    (test, armed)
}

async fn try_record(database: &cheeseshop_storage::Database, subject: &str) -> Write<()> {
    let event = event(subject);
    write(database, move |tx| {
        Box::pin(async move {
            tx.record(event);
            Ok(())
        })
    })
    .await
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out() {
    let (test, armed) = through_proxy().await;
    let database = test.open().await;
    record(&database, "first").await;
    armed.store(AFTER_COMMIT, Ordering::SeqCst);
    let done = try_record(&database, "second").await.unwrap();
    assert_eq!(
        armed.load(Ordering::SeqCst),
        NOWHERE,
        "the connection was broken"
    );
    assert_eq!(done.serial, Serial(2));
    assert_eq!(record(&database, "third").await, Serial(3));
    assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
}

#[tokio::test]
async fn a_commit_that_never_arrives_fails() {
    let (test, armed) = through_proxy().await;
    let database = test.open().await;
    record(&database, "first").await;
    armed.store(BEFORE_COMMIT, Ordering::SeqCst);
    let error = try_record(&database, "second").await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert_eq!(database.head().await.unwrap(), Serial(1));
    assert_eq!(record(&database, "again").await, Serial(2));
    assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
}
