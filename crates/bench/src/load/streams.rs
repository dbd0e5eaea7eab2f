//! Downloads of large files by one or more clients at once.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::http::{Answer, Connection, Request};
use crate::servers::Place;

/// What came of some clients.
#[derive(Debug)]
pub(crate) struct Streams {
    /// From the common start until the last client had its last byte.
    pub(crate) total: Duration,
    /// One per client.
    pub(crate) answers: Vec<Answer>,
}

impl Streams {
    /// Millions of bytes per second, all clients together.
    #[expect(clippy::cast_precision_loss, reason = "bytes of one run")]
    pub(crate) fn rate(&self) -> f64 {
        let bytes: u64 = self.answers.iter().map(|answer| answer.length).sum();
        bytes as f64 / 1e6 / self.total.as_secs_f64()
    }
}

/// Lets clients begin together; each compares what comes with `expected` as it comes.
///
/// Comparing costs a tenth of a digest and says the same.
pub(crate) fn download(place: &Place, clients: usize, expected: &[u8]) -> Result<Streams> {
    let barrier = Barrier::new(clients + 1);
    let request = Request::get(&place.path);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| client(place.address, &request, &barrier, expected)))
            .collect();
        barrier.wait();
        let started = Instant::now();
        let answers: Vec<Result<Answer>> = clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("a client panicked")))
            })
            .collect();
        let total = started.elapsed();
        Ok(Streams {
            total,
            answers: answers.into_iter().collect::<Result<_>>()?,
        })
    })
}

fn client(
    address: SocketAddr,
    request: &Request,
    barrier: &Barrier,
    expected: &[u8],
) -> Result<Answer> {
    let connection = Connection::open(address);
    // Whoever has no connection must not keep the others waiting.
    barrier.wait();
    let mut at = 0;
    let answer = connection?.ask(request, &mut |bytes| {
        let end = at + bytes.len();
        if expected.get(at..end) != Some(bytes) {
            bail!("wrong bytes at {at}");
        }
        at = end;
        Ok(())
    })?;
    if answer.status != 200 {
        bail!("status {}", answer.status);
    }
    if at != expected.len() {
        bail!("{at} of {} bytes", expected.len());
    }
    Ok(answer)
}
