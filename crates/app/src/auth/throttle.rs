//! The price of guessing passwords.
//!
//! Failures are counted per user *and* address, and per address. After a few of them every
//! further one doubles a wait. Counting per user alone would let anybody lock anybody out.
//! Memory is bounded: when the table is full, the entries that failed longest ago go first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::settings::ThrottleSettings;

/// Counts failures and says who has to wait.
pub(crate) struct Throttle {
    settings: ThrottleSettings,
    hasher: RandomState,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<u64, Failures>,
    /// Counts the failures of all: the age of entries, finer than any clock.
    turns: u64,
}

/// Who is guessing whose password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guesser {
    pair: u64,
    address: u64,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
    turn: u64,
}

impl Throttle {
    pub(crate) fn new(settings: ThrottleSettings) -> Self {
        Self {
            settings,
            hasher: RandomState::new(),
            table: Mutex::new(Table::default()),
        }
    }

    /// The pair of a user name as sent, which may be anything, and where it came from.
    pub(crate) fn guesser(&self, user: &str, address: Option<IpAddr>) -> Guesser {
        let network = address.map(network);
        Guesser {
            pair: self.hasher.hash_one((user, network)),
            address: self.hasher.hash_one(network),
        }
    }

    /// How long attempts on this user from this address are not looked at.
    pub(crate) fn wait_of_pair(&self, guesser: Guesser, now: Timestamp) -> Option<Duration> {
        self.wait(guesser.pair, self.settings.failures_per_user, now)
    }

    /// How long attempts from this address are not looked at.
    pub(crate) fn wait_of_address(&self, guesser: Guesser, now: Timestamp) -> Option<Duration> {
        self.wait(guesser.address, self.settings.failures_per_address, now)
    }

    /// Counts an attempt that was not looked at because the address has to wait. It does not
    /// make that wait longer, or everybody behind the address would suffer.
    pub(crate) fn blame_pair(&self, guesser: Guesser, now: Timestamp) {
        self.count(&[guesser.pair], now);
    }

    /// Counts a failure. Called before the password is looked at, so that attempts side by
    /// side do not slip through together; [`Self::excuse`] takes it back.
    pub(crate) fn blame(&self, guesser: Guesser, now: Timestamp) {
        self.count(&[guesser.pair, guesser.address], now);
    }

    /// The password was right: the pair starts anew. The address only gets this one attempt
    /// back, or a guesser with an account would wipe the slate whenever it filled up.
    pub(crate) fn excuse(&self, guesser: Guesser) {
        let mut table = self.table();
        table.entries.remove(&guesser.pair);
        if let Some(entry) = table.entries.get_mut(&guesser.address) {
            entry.count = entry.count.saturating_sub(1);
        }
    }

    /// Somebody logged in: the pair starts anew.
    pub(crate) fn forgive(&self, guesser: Guesser) {
        self.table().entries.remove(&guesser.pair);
    }

    /// The attempt could not be judged (the server was busy): it does not count.
    pub(crate) fn retract(&self, guesser: Guesser) {
        let mut table = self.table();
        for key in [guesser.pair, guesser.address] {
            if let Some(entry) = table.entries.get_mut(&key) {
                entry.count = entry.count.saturating_sub(1);
            }
        }
    }

    fn count(&self, keys: &[u64], now: Timestamp) {
        if self.is_off() {
            return;
        }
        let mut table = self.table();
        for &key in keys {
            self.make_room(&mut table.entries, key, now);
            table.turns += 1;
            let turn = table.turns;
            let entry = table.entries.entry(key).or_insert(Failures {
                count: 0,
                last: now,
                turn,
            });
            if self.is_forgotten(entry, now) {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
            entry.turn = turn;
        }
    }

    fn wait(&self, key: u64, allowed: u32, now: Timestamp) -> Option<Duration> {
        if self.is_off() {
            return None;
        }
        let entry = *self.table().entries.get(&key)?;
        if self.is_forgotten(&entry, now) || entry.count < allowed {
            return None;
        }
        let doublings = (entry.count - allowed).min(30);
        let wait = self
            .settings
            .first_wait_seconds
            .saturating_mul(1 << doublings)
            .min(self.settings.longest_wait_seconds);
        Duration::from_secs(wait)
            .checked_sub(elapsed(entry.last, now))
            .filter(|left| !left.is_zero())
    }

    fn make_room(&self, entries: &mut HashMap<u64, Failures>, key: u64, now: Timestamp) {
        let limit = self.settings.entries.max(2);
        if entries.len() < limit || entries.contains_key(&key) {
            return;
        }
        entries.retain(|_, entry| !self.is_forgotten(entry, now));
        if entries.len() < limit {
            return;
        }
        // An eighth at once, so that a flood does not sort the table for every attempt.
        let mut turns: Vec<u64> = entries.values().map(|entry| entry.turn).collect();
        let (_, newest_dropped, _) = turns.select_nth_unstable(limit / 8);
        let newest_dropped = *newest_dropped;
        entries.retain(|_, entry| entry.turn > newest_dropped);
    }

    fn is_forgotten(&self, entry: &Failures, now: Timestamp) -> bool {
        elapsed(entry.last, now) > Duration::from_secs(self.settings.forget_seconds)
    }

    fn is_off(&self) -> bool {
        self.settings.failures_per_user == 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A clock that was set back counts as one that stands still.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Whoever has one IPv6 address has the /64 around it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SETTINGS: ThrottleSettings = ThrottleSettings {
        failures_per_user: 3,
        failures_per_address: 6,
        first_wait_seconds: 1,
        longest_wait_seconds: 8,
        forget_seconds: 100,
        entries: 64,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));

    #[test]
    fn waits_begin_after_the_allowed_failures_and_double() {
        let throttle = Throttle::new(SETTINGS);
        let guesser = throttle.guesser("root", HERE);
        let mut waits = Vec::new();
        for _ in 0..8 {
            throttle.blame(guesser, at(0));
            waits.push(
                throttle
                    .wait_of_pair(guesser, at(0))
                    .map(|wait| wait.as_secs()),
            );
        }
        assert_eq!(
            waits,
            [
                None,
                None,
                Some(1),
                Some(2),
                Some(4),
                Some(8),
                Some(8),
                Some(8)
            ]
        );
        assert_eq!(throttle.wait_of_pair(guesser, at(8)), None);
    }

    #[test]
    fn a_wait_is_for_one_user_from_one_address() {
        let throttle = Throttle::new(SETTINGS);
        let guesser = throttle.guesser("root", HERE);
        for _ in 0..3 {
            throttle.blame(guesser, at(0));
        }
        let waits = |user, from| {
            throttle
                .wait_of_pair(throttle.guesser(user, from), at(0))
                .is_some()
        };
        assert!(waits("root", HERE));
        assert!(!waits("root", THERE));
        assert!(!waits("bob", HERE));
    }

    #[test]
    fn trying_many_users_from_one_address_is_guessing_too() {
        let throttle = Throttle::new(SETTINGS);
        for user in ["a", "b", "c", "d", "e", "f"] {
            throttle.blame(throttle.guesser(user, HERE), at(0));
        }
        let fresh = throttle.guesser("g", HERE);
        assert!(throttle.wait_of_address(fresh, at(0)).is_some());
        let elsewhere = throttle.guesser("g", THERE);
        assert!(throttle.wait_of_address(elsewhere, at(0)).is_none());
    }

    #[test]
    fn success_starts_the_pair_anew_but_not_the_address() {
        let throttle = Throttle::new(SETTINGS);
        let root = throttle.guesser("root", HERE);
        let own = throttle.guesser("mallory", HERE);
        for _ in 0..6 {
            throttle.blame(root, at(0));
            throttle.blame(own, at(0));
            throttle.excuse(own);
        }
        assert!(throttle.wait_of_pair(own, at(0)).is_none());
        assert!(throttle.wait_of_pair(root, at(0)).is_some());
        assert!(throttle.wait_of_address(own, at(0)).is_some());
    }

    #[test]
    fn failures_are_forgotten_after_a_quiet_time() {
        let throttle = Throttle::new(SETTINGS);
        let guesser = throttle.guesser("root", HERE);
        for _ in 0..5 {
            throttle.blame(guesser, at(0));
        }
        throttle.blame(guesser, at(101));
        assert!(throttle.wait_of_pair(guesser, at(101)).is_none());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let throttle = Throttle::new(SETTINGS);
        for second in 0..1_000 {
            let user = format!("user{second}");
            let [high, low] = u16::to_be_bytes(second);
            let from = Some(IpAddr::from([10, 0, high, low]));
            let guesser = throttle.guesser(&user, from);
            for _ in 0..3 {
                throttle.blame(guesser, at(i64::from(second) / 50));
            }
            assert!(throttle.table().entries.len() <= SETTINGS.entries);
            assert!(
                throttle
                    .wait_of_pair(guesser, at(i64::from(second) / 50))
                    .is_some()
            );
        }
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_guesser() {
        let throttle = Throttle::new(SETTINGS);
        let from = |text: &str| Some(text.parse().unwrap());
        let pair = |text: &str| throttle.guesser("root", from(text)).pair;
        assert_eq!(pair("2001:db8::1"), pair("2001:db8::2:0:0:ffff"));
        assert_ne!(pair("2001:db8::1"), pair("2001:db8:0:1::1"));
        assert_eq!(pair("::ffff:127.0.0.1"), pair("127.0.0.1"));
    }

    #[test]
    fn a_clock_set_back_neither_frees_nor_panics() {
        let throttle = Throttle::new(SETTINGS);
        let guesser = throttle.guesser("root", HERE);
        for _ in 0..3 {
            throttle.blame(guesser, at(0));
        }
        assert!(throttle.wait_of_pair(guesser, at(-1_000)).is_some());
    }
}
