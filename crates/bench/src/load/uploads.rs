//! Uploads by some clients at once, each on a connection that it keeps.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::percentile;
use crate::http::{Connection, Request};

/// What came of some uploads.
#[derive(Debug)]
pub(crate) struct Uploads {
    pub(crate) accepted: usize,
    pub(crate) elapsed: Duration,
    /// Microseconds of processor time that the server spent meanwhile, if known.
    pub(crate) spent: Option<u64>,
    latencies: Vec<f64>,
}

impl Uploads {
    /// Microseconds of the server's processor time for each.
    #[expect(clippy::cast_precision_loss, reason = "seconds of one run")]
    pub(crate) fn cost(&self) -> Option<f64> {
        self.spent
            .map(|spent| spent as f64 / self.accepted.max(1) as f64)
    }

    /// Acknowledged uploads per second.
    #[expect(clippy::cast_precision_loss, reason = "a count of one run")]
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds until so many of a hundred were acknowledged.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.latencies, percent)
    }
}

/// Sends the requests until all are through or the time is up. Any refusal is an error: a
/// server that says no is fast.
pub(crate) fn run(
    address: SocketAddr,
    requests: usize,
    clients: usize,
    longest: Duration,
    make: &(dyn Fn(usize) -> Request + Sync),
) -> Result<Uploads> {
    let next = AtomicUsize::new(0);
    let latencies = Mutex::new(Vec::with_capacity(requests));
    let started = Instant::now();
    let client = || -> Result<()> {
        let mut connection = Connection::open(address)?;
        let mut own = Vec::new();
        while started.elapsed() < longest {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                break;
            }
            let request = make(number);
            let sent = Instant::now();
            let (answer, body) = connection.fetch(&request)?;
            if !(200..300).contains(&answer.status) {
                let body = String::from_utf8_lossy(&body);
                bail!("upload {number}: {} {body:.300}", answer.status);
            }
            own.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        latencies
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend(own);
        Ok(())
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .try_for_each(|client| match client.join() {
                Ok(result) => result,
                Err(_) => bail!("a client panicked"),
            })
    })?;
    let elapsed = started.elapsed();
    let latencies = latencies
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Uploads {
        accepted: latencies.len(),
        elapsed,
        spent: None,
        latencies,
    })
}
