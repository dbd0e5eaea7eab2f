//! One flight per resource: whoever asks while it is under way waits for the same landing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::failure::Failure;
use super::telemetry;

/// What lands: an answer or a failure, told to all.
pub(super) type Landed<T> = Result<T, Failure>;

type Running<K, T> = Mutex<HashMap<K, watch::Receiver<Option<Landed<T>>>>>;

/// The flights of one kind that are under way.
pub(super) struct Flights<K, T> {
    running: Arc<Running<K, T>>,
    kind: &'static str,
    most: usize,
}

impl<K: Eq + Hash + Clone, T: Clone> Flights<K, T> {
    /// At most `most` flights are under way or waiting for their turn.
    pub(super) fn new(kind: &'static str, most: usize) -> Self {
        Self {
            running: Arc::default(),
            kind,
            most,
        }
    }

    /// Waits for the flight of `key`, which `start` begins if there is none.
    ///
    /// `start` gets the means to land and must hand it to a task of its own: this future may be
    /// dropped at any moment.
    pub(super) async fn join(&self, key: K, start: impl FnOnce(Landing<K, T>)) -> Landed<T> {
        let (mut waiting, landing) = self.enter(key)?;
        if let Some(landing) = landing {
            start(landing);
        } else {
            telemetry::joined_flight(self.kind);
        }
        match waiting.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(|| Err(Failure::lost())),
            Err(_) => Err(Failure::lost()),
        }
    }

    /// Waits for the end of the flight of `key` that is under way, if there is one: whatever is joined afterwards
    /// began after this call.
    ///
    /// # Errors
    /// The failure of that flight, for the next one would hardly do better.
    pub(super) async fn wait_for_end(&self, key: &K) -> Result<(), Failure> {
        let waiting = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.get(key).cloned()
        };
        let Some(mut waiting) = waiting else {
            return Ok(());
        };
        loop {
            if let Some(Err(failure)) = &*waiting.borrow_and_update() {
                return Err(failure.clone());
            }
            // Landing is not the end: some are told a first answer while it goes on.
            if waiting.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "a receiver, and a landing for the first who comes"
    )]
    fn enter(
        &self,
        key: K,
    ) -> Result<(watch::Receiver<Option<Landed<T>>>, Option<Landing<K, T>>), Failure> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = running.get(&key) {
            return Ok((waiting.clone(), None));
        }
        if running.len() >= self.most {
            return Err(Failure::Busy);
        }
        let (sender, waiting) = watch::channel(None);
        running.insert(key.clone(), waiting.clone());
        drop(running);
        let landing = Landing {
            sender,
            running: Arc::clone(&self.running),
            key,
            _active: telemetry::ActiveFlight::begin(self.kind),
        };
        Ok((waiting, Some(landing)))
    }
}

/// The running flight's end of the line. When it is dropped the flight is over; those who still
/// wait are told that it was lost.
pub(super) struct Landing<K: Eq + Hash, T> {
    sender: watch::Sender<Option<Landed<T>>>,
    running: Arc<Running<K, T>>,
    key: K,
    _active: telemetry::ActiveFlight,
}

impl<K: Eq + Hash, T> Landing<K, T> {
    /// Tells everybody who waits, and who joins before the flight is over.
    pub(super) fn land(&self, landed: Landed<T>) {
        self.sender.send_replace(Some(landed));
    }

    /// Tells everybody who waits, and ends the flight: who comes later starts another one.
    pub(super) fn land_last(self, landed: Landed<T>) {
        self.land(landed);
    }
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_wait_get_the_one_landing() {
        let flights: Arc<Flights<u8, u32>> = Arc::new(Flights::new("test", 10));
        let (begin, takeoff) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.join(1, |landing| drop(begin.send(landing))).await }
        });
        let landing = takeoff.await.ok().unwrap();
        let second = flights.join(1, |_| panic!("a second flight"));
        landing.land(Ok(42));
        assert_eq!(second.await.unwrap(), 42);
        assert_eq!(first.await.unwrap().unwrap(), 42);
        drop(landing);
        let again = flights.join(1, |landing| landing.land(Ok(43))).await;
        assert_eq!(again.unwrap(), 43);
    }

    #[tokio::test]
    async fn who_waits_for_the_end_of_a_flight_finds_its_place_free() {
        let flights: Flights<u8, u32> = Flights::new("test", 10);
        flights.wait_for_end(&1).await.unwrap();
        let (_, landing) = flights.enter(1).unwrap();
        let landing = landing.unwrap();
        let mut end = std::pin::pin!(flights.wait_for_end(&1));
        assert!(futures_util::poll!(&mut end).is_pending());
        landing.land(Ok(1));
        assert!(futures_util::poll!(&mut end).is_pending());
        landing.land_last(Ok(2));
        end.await.unwrap();
        assert!(flights.enter(1).unwrap().1.is_some());

        let (_, landing) = flights.enter(2).unwrap();
        landing.as_ref().unwrap().land(Err(Failure::Busy));
        let failed = flights.wait_for_end(&2).await;
        assert!(matches!(failed, Err(Failure::Busy)));
    }

    #[tokio::test]
    async fn a_lost_flight_is_an_error_and_frees_its_place() {
        let flights: Flights<u8, u32> = Flights::new("test", 1);
        let lost = flights.join(1, drop).await;
        assert!(matches!(lost, Err(Failure::Internal(_))));
        assert_eq!(
            flights
                .join(1, |landing| landing.land(Ok(1)))
                .await
                .unwrap(),
            1
        );
    }

    #[tokio::test]
    async fn more_flights_than_allowed_are_turned_away() {
        let flights: Flights<u8, u32> = Flights::new("test", 1);
        let mut held = None;
        {
            let first = flights.join(1, |landing| held = Some(landing));
            tokio::select! {
                biased;
                _ = first => panic!("nothing has landed"),
                () = async {} => {}
            }
        }
        let second = flights.join(2, |_| panic!("one too many")).await;
        assert!(matches!(second, Err(Failure::Busy)));
        drop(held);
        assert!(flights.join(2, |landing| landing.land(Ok(1))).await.is_ok());
    }
}
