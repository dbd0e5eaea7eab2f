//! What was acknowledged survives the end of the process and of the database server.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cheeseshop_domain::{FixedClock, Serial};
use cheeseshop_storage::database::{change_log, settings};
use cheeseshop_storage::{Database, DatabaseConfig};

use crate::support::{Kind, TestDatabase, Write, event, for_each_database, time, write};

/// Set for the child process: the database to write to until it is killed.
const CHILD: &str = "CHEESESHOP_TEST_CRASH_URL";

async fn leave_trace(database: &Database, number: i64) -> Write<()> {
    write(database, move |tx| {
        Box::pin(async move {
            settings::set(tx, &format!("trace {number}"), "whole").await?;
            tx.record(event(&format!("trace {number}")));
            Ok(())
        })
    })
    .await
}

/// Writes from eight tasks and prints the number of each trace once it is acknowledged.
async fn write_until_killed(url: &str) {
    let config = DatabaseConfig::for_url(url);
    let clock = Arc::new(FixedClock::new(time(1_700_000_000)));
    let database = Database::open(&config, clock).await.unwrap();
    let start = database.head().await.unwrap().0;
    let next = Arc::new(AtomicI64::new(start * 1_000));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (database, next) = (database.clone(), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let serial = leave_trace(&database, number).await.unwrap().serial;
                println!("acknowledged {number} {serial}");
            }
        }));
    }
    futures_util::future::join_all(tasks).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is how the test tells itself that it is the child"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_killed_process() {
    if let Ok(url) = std::env::var(CHILD) {
        return write_until_killed(&url).await;
    }
    for_each_database(async |test| {
        test.open().await.close().await;
        let mut acknowledged = Vec::new();
        for round in 1..=3 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("crash::acknowledged_writes_survive_a_killed_process")
                .env(CHILD, test.url())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let enough = acknowledged.len() + 40 * round;
            for line in lines {
                let line = line.unwrap();
                // The harness prints its own words, sometimes on the same line.
                let Some((_, numbers)) = line.split_once("acknowledged ") else {
                    continue;
                };
                let (number, serial) = numbers.split_once(' ').unwrap();
                acknowledged.push((
                    number.parse::<i64>().unwrap(),
                    serial.parse::<i64>().unwrap(),
                ));
                if acknowledged.len() == enough {
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
        }
        assert!(acknowledged.len() >= 240);
        let database = test.open().await;
        let report = change_log::verify(&database).await.unwrap();
        assert_eq!(report.broken, None);
        let mut reader = database.reader().await.unwrap();
        let events = change_log::list_after(&mut reader, Serial(0), usize::MAX)
            .await
            .unwrap();
        for (number, serial) in acknowledged {
            let event = &events[usize::try_from(serial - 1).unwrap()];
            assert_eq!(event.event.subject, format!("trace {number}"));
        }
        // Acknowledged or not, nothing is half there.
        for event in events {
            let trace = settings::get(&mut reader, &event.event.subject)
                .await
                .unwrap();
            assert_eq!(trace.as_deref(), Some("whole"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_killed_server() {
    let mut server = cheeseshop_test_support::durable_postgres().await;
    let config = DatabaseConfig::for_url(server.url.as_str());
    let clock = Arc::new(FixedClock::new(time(1_700_000_000)));
    let database = Database::open(&config, clock).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for task in 0..8 {
        let (database, tell) = (database.clone(), tell.clone());
        tasks.push(tokio::spawn(async move {
            let mut number = task * 1_000_000;
            while let Ok(done) = leave_trace(&database, number).await {
                tell.send((number, done.serial.0)).unwrap();
                number += 1;
            }
        }));
    }
    drop(tell);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 100 {
        acknowledged.push(told.recv().await.unwrap());
    }
    server.kill().await;
    while let Some(more) = told.recv().await {
        acknowledged.push(more);
    }
    for task in tasks {
        task.await.unwrap();
    }
    server.start().await;
    // The same open database goes on.
    let next = leave_trace(&database, -1).await.unwrap();
    let mut reader = database.reader().await.unwrap();
    let events = change_log::list_after(&mut reader, Serial(0), usize::MAX)
        .await
        .unwrap();
    assert_eq!(events.last().unwrap().serial, next.serial);
    for (number, serial) in acknowledged {
        let event = &events[usize::try_from(serial - 1).unwrap()];
        assert_eq!(event.event.subject, format!("trace {number}"));
    }
    assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
}

#[tokio::test]
async fn a_database_dropped_without_closing_opens_again() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    for number in 1..=3 {
        let database = test.open().await;
        assert_eq!(
            leave_trace(&database, number).await.unwrap().serial,
            Serial(number)
        );
        drop(database);
    }
}
