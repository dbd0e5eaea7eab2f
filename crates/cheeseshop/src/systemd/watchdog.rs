//! The watchdog: the manager restarts a server that no longer says that it works.
//!
//! It says so only after looking: the loops that accept connections have answered, which also needs
//! the threads to run, and the database has answered a question. What is slow is not what hangs.
//! There is no limit of our own on the loops: when they do not answer, nothing is said, and the
//! manager counts. The database may be overloaded, or be a server that is away, and a restart would
//! make neither better; so it has to be silent for [`DATABASE_PATIENCE`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cheeseshop_domain::error_chain;
use cheeseshop_storage::{Database, DatabaseError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::ServiceManager;
use crate::config::Surroundings;

/// How long no look at the database may have come back.
const DATABASE_PATIENCE: Duration = Duration::from_mins(5);

/// Looks before the manager loses its patience: one that comes late does not matter.
const LOOKS: u32 = 3;

/// How often it is looked whether all loops have answered.
const GLANCE: Duration = Duration::from_millis(20);

/// What asks the loops that accept connections whether they still run. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    question: watch::Sender<u64>,
    /// Loops that have not ended.
    loops: Arc<AtomicU64>,
    /// Answers to the question at hand.
    answers: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            question: watch::Sender::new(0),
            loops: Arc::default(),
            answers: Arc::default(),
        }
    }
}

impl Pulse {
    /// A loop that is going to answer.
    pub(crate) fn beat(&self) -> Beat {
        self.loops.fetch_add(1, Ordering::Relaxed);
        Beat {
            question: self.question.subscribe(),
            pulse: self.clone(),
        }
    }

    /// Asks all loops and comes back when each has answered.
    async fn felt(&self) {
        self.answers.store(0, Ordering::Relaxed);
        self.question.send_modify(|number| *number += 1);
        while self.answers.load(Ordering::Relaxed) < self.loops.load(Ordering::Relaxed) {
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// The part of a loop that answers.
#[derive(Debug)]
pub(crate) struct Beat {
    question: watch::Receiver<u64>,
    pulse: Pulse,
}

impl Beat {
    /// Answers whenever it is asked, and never ends: to be waited for beside what the loop waits for.
    pub(crate) async fn keep(&mut self) {
        while self.question.changed().await.is_ok() {
            self.pulse.answers.fetch_add(1, Ordering::Relaxed);
        }
        // Not reached: the pulse that this holds has the sending half.
        std::future::pending::<()>().await;
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.pulse.loops.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The manager's wish to hear of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watchdog {
    /// How long the manager waits before it takes us for dead.
    patience: Duration,
}

impl Watchdog {
    /// Reads `WATCHDOG_USEC`, unless `WATCHDOG_PID` says that another process is meant.
    pub(crate) fn wanted(surroundings: &Surroundings) -> Option<Self> {
        let own = std::process::id().to_string();
        if surroundings
            .get("WATCHDOG_PID")
            .is_some_and(|pid| pid != own)
        {
            return None;
        }
        let microseconds = surroundings.get("WATCHDOG_USEC")?.parse().ok()?;
        (microseconds > 0).then(|| Self {
            patience: Duration::from_micros(microseconds),
        })
    }

    /// Tells the manager again and again that the server works, as long as it does. Has no end.
    pub(crate) async fn feed(self, manager: ServiceManager, pulse: Pulse, database: Database) {
        let look = move || {
            let database = database.clone();
            async move { answers(&database).await }
        };
        self.feed_by(manager, pulse, look).await;
    }

    async fn feed_by<F>(self, manager: ServiceManager, pulse: Pulse, mut look: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let interval = self.patience / LOOKS;
        let mut answered = Instant::now();
        let mut is_silent = false;
        loop {
            tokio::time::sleep(interval).await;
            let ((), look) = tokio::join!(
                pulse.felt(),
                // One that takes longer is given up, so that the loops are asked in time.
                tokio::time::timeout(interval, look())
            );
            if look == Ok(true) {
                answered = Instant::now();
            }
            let is_over = answered.elapsed() > DATABASE_PATIENCE;
            if is_over && !is_silent {
                tracing::error!(
                    seconds = answered.elapsed().as_secs(),
                    "the database does not answer; the service manager is asked for a restart"
                );
            }
            is_silent = is_over;
            if !is_over {
                manager.send("WATCHDOG=1");
            }
        }
    }
}

/// Whether the database answers. A database server that is away has answered: it is not us who hang.
async fn answers(database: &Database) -> bool {
    match database.head().await {
        Ok(_) | Err(DatabaseError::Unavailable(_)) => true,
        Err(error) => {
            tracing::debug!(error = %error_chain(&error), "a look at the database");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::net::UnixDatagram;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn watchdog() -> Watchdog {
        Watchdog { patience: PATIENCE }
    }

    /// How many pings come in that time.
    async fn pings<F>(pulse: &Pulse, look: impl FnMut() -> F, time: Duration) -> usize
    where
        F: Future<Output = bool>,
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let feeding = watchdog().feed_by(ServiceManager::at(path.to_str()), pulse.clone(), look);
        let mut feeding = pin!(tokio::time::timeout(time, feeding));
        let mut buffer = [0_u8; 20];
        let mut count = 0;
        loop {
            tokio::select! {
                // Before time goes on: the kernel keeps only some messages for a slow reader.
                biased;
                length = listener.recv(&mut buffer) => {
                    assert_eq!(&buffer[..length.unwrap()], b"WATCHDOG=1");
                    count += 1;
                }
                _ = &mut feeding => return count,
            }
        }
    }

    /// A loop that answers until it is aborted.
    fn running_loop(pulse: &Pulse) -> tokio::task::AbortHandle {
        let mut beat = pulse.beat();
        tokio::spawn(async move { beat.keep().await }).abort_handle()
    }

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        let own = std::process::id().to_string();
        for (variables, expected) in [
            (&[("WATCHDOG_USEC", "30000000")][..], Some(watchdog())),
            (
                &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", &own)],
                Some(watchdog()),
            ),
            (
                &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")],
                None,
            ),
            (&[("WATCHDOG_USEC", "0")], None),
            (&[("WATCHDOG_USEC", "soon")], None),
            (&[], None),
        ] {
            let found = Watchdog::wanted(&Surroundings::of(variables));
            assert_eq!(found, expected, "{variables:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_hears_three_times_before_it_loses_its_patience() {
        let pulse = Pulse::default();
        let _accepting = [running_loop(&pulse), running_loop(&pulse)];
        let time = PATIENCE * 10;
        let pings = pings(&pulse, || ready(true), time).await;
        assert!((29..=30).contains(&pings), "{pings}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_said_while_one_loop_does_not_answer() {
        let pulse = Pulse::default();
        let _accepting = running_loop(&pulse);
        let stuck = pulse.beat();
        assert_eq!(pings(&pulse, || ready(true), PATIENCE * 10).await, 0);
        // One that has ended is not waited for.
        drop(stuck);
        assert!(pings(&pulse, || ready(true), PATIENCE).await > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_slow_for_minutes_is_no_reason_and_one_that_hangs_is() {
        let pulse = Pulse::default();
        let _accepting = running_loop(&pulse);
        // Every look is given up after as long a time as there is between two of them.
        let while_patient = pings(&pulse, pending, Duration::from_secs(270)).await;
        assert!(while_patient >= 12, "{while_patient}");
        let in_an_hour = pings(&pulse, pending, Duration::from_hours(1)).await;
        assert!(in_an_hour <= 15, "{in_an_hour}");
        // Refusing is no hanging as long as some looks come back.
        let mut turn = 0;
        let now_and_then = || {
            turn += 1;
            ready(turn % 10 == 0)
        };
        let in_an_hour = pings(&pulse, now_and_then, Duration::from_hours(1)).await;
        assert!(in_an_hour > 300, "{in_an_hour}");
    }
}
