//! Requests that go on while something is restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use reqwest::StatusCode;
use tokio::task::JoinHandle;

use super::Visitor;
use crate::support::{BETWEEN_LOOKS, DEADLINE, digest};

/// A path and the SHA-256 of what is there, if that stays.
pub(super) type Wanted = (String, Option<String>);

/// Callers that ask again and again.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts one caller for each of `wanted`.
    pub(super) fn start(visitor: &Visitor, wanted: &[Wanted]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let callers = wanted.iter().map(|(path, sha256)| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let (visitor, path, sha256) = (visitor.clone(), path.clone(), sha256.clone());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    if let Err(failure) = ask(&visitor, &path, sha256.as_deref()).await {
                        failures.push(failure);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        });
        let callers = callers.collect();
        Self {
            stop,
            done,
            callers,
        }
    }

    /// Waits until so many more requests have ended.
    pub(super) async fn pass(&self, number: usize) {
        let goal = self.done.load(Ordering::Relaxed) + number;
        let deadline = Instant::now() + DEADLINE;
        while self.done.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "requests hang");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Ends it: how many requests there were, and what became of those that failed.
    pub(super) async fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for caller in self.callers {
            failures.extend(caller.await.unwrap());
        }
        let requests = self.done.load(Ordering::Relaxed);
        println!("{} of {requests} requests failed", failures.len());
        (requests, failures)
    }

    /// Ends it. No request may have failed.
    pub(super) async fn end_without_failure(self) {
        let (requests, failures) = self.end().await;
        assert!(
            failures.is_empty(),
            "{} of {requests}: {failures:?}",
            failures.len()
        );
    }
}

async fn ask(visitor: &Visitor, path: &str, sha256: Option<&str>) -> Result<(), String> {
    let request = visitor.request(reqwest::Method::GET, path);
    let told = |error: reqwest::Error| format!("{path}: {error:?}");
    let answer = request.send().await.map_err(told)?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{path}: {}", answer.status().as_u16()));
    }
    let bytes = answer.bytes().await.map_err(told)?;
    match sha256 {
        Some(expected) if digest(&bytes) != expected => Err(format!("{path}: other bytes")),
        _ => Ok(()),
    }
}
