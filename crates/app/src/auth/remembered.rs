//! Answers that were worked out a moment ago, so that Basic on every request costs nothing.
//!
//! An answer is kept under a keyed hash of user and secret (the key lives and dies with the
//! process) together with the stored hash that it was found against. It holds while the user's
//! record still has that hash, so a changed password or a removed user ends it at once,
//! whichever process or node did it. Wrong answers are remembered too: an installer that
//! repeats one outdated password two hundred times is not two hundred guesses.

use std::time::Duration;

use cheeseshop_domain::{EventKind, RecordedEvent};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::settings::AuthSettings;
use crate::Error;

/// The keyed hash of a user name and a secret.
pub(crate) type AnswerKey = [u8; 32];

/// What is known of a user and a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The secret is the user's password.
    Right,
    /// It is not.
    Wrong,
}

/// Remembered answers, bounded in number and time.
pub(crate) struct Remembered {
    key: [u8; 32],
    lifetime: Duration,
    /// Right and wrong ones apart: guessing must not push out what honest callers need.
    right: Cache<AnswerKey, Entry>,
    wrong: Cache<AnswerKey, Entry>,
}

#[derive(Clone)]
struct Entry {
    user: Box<str>,
    stored: Option<Box<str>>,
    since: Timestamp,
}

impl Remembered {
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, Error> {
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key).map_err(Error::internal)?;
        let lifetime = Duration::from_secs(settings.remember_seconds);
        let cache = || {
            Cache::builder()
                .max_capacity(if lifetime.is_zero() {
                    0
                } else {
                    settings.remember_entries
                })
                // Our clock decides; this only gives the memory back.
                .time_to_live(lifetime.max(Duration::from_secs(1)))
                .support_invalidation_closures()
                .build()
        };
        Ok(Self {
            key,
            lifetime,
            right: cache(),
            wrong: cache(),
        })
    }

    pub(crate) fn key(&self, user: &str, secret: &SecretString) -> AnswerKey {
        let mut code =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        code.update(&(user.len() as u64).to_be_bytes());
        code.update(user.as_bytes());
        code.update(secret.expose_secret().as_bytes());
        code.finalize().into_bytes().into()
    }

    /// The answer, when it was found against `stored` (`None`: there was no such user).
    pub(crate) fn find(
        &self,
        key: &AnswerKey,
        stored: Option<&str>,
        now: Timestamp,
    ) -> Option<Answer> {
        let holds = |entry: &Entry| {
            entry.stored.as_deref() == stored
                && Duration::try_from(now.duration_since(entry.since))
                    .is_ok_and(|age| age < self.lifetime)
        };
        if self.right.get(key).as_ref().is_some_and(holds) {
            Some(Answer::Right)
        } else if self.wrong.get(key).as_ref().is_some_and(holds) {
            Some(Answer::Wrong)
        } else {
            None
        }
    }

    pub(crate) fn keep(
        &self,
        key: AnswerKey,
        user: &str,
        stored: Option<&str>,
        answer: Answer,
        now: Timestamp,
    ) {
        let entry = Entry {
            user: user.into(),
            stored: stored.map(Into::into),
            since: now,
        };
        match answer {
            Answer::Right => self.right.insert(key, entry),
            Answer::Wrong => self.wrong.insert(key, entry),
        }
    }

    /// Gives back the memory of answers that an event has ended.
    pub(crate) fn on_event(&self, event: &RecordedEvent) {
        if !matches!(
            event.event.kind,
            EventKind::PasswordChanged | EventKind::UserRemoved
        ) {
            return;
        }
        for cache in [&self.right, &self.wrong] {
            let user = event.event.subject.clone();
            // Fails only for a cache built without closures.
            let _ = cache.invalidate_entries_if(move |_, entry| *entry.user == *user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn an_answer_holds_for_its_time_and_its_stored_hash_only() {
        let remembered = Remembered::new(&AuthSettings::for_testing()).unwrap();
        let key = remembered.key("bob", &"123".into());
        remembered.keep(key, "bob", Some("hash"), Answer::Right, at(0));

        assert_eq!(
            remembered.find(&key, Some("hash"), at(299)),
            Some(Answer::Right)
        );
        assert_eq!(remembered.find(&key, Some("hash"), at(300)), None);
        assert_eq!(remembered.find(&key, Some("other"), at(1)), None);
        assert_eq!(remembered.find(&key, None, at(1)), None);
    }

    #[test]
    fn names_and_secrets_do_not_run_into_each_other() {
        let remembered = Remembered::new(&AuthSettings::for_testing()).unwrap();
        assert_ne!(
            remembered.key("bob", &"by1".into()),
            remembered.key("bobby", &"1".into())
        );
    }

    #[test]
    fn with_no_time_nothing_is_remembered() {
        let settings = AuthSettings {
            remember_seconds: 0,
            ..AuthSettings::for_testing()
        };
        let remembered = Remembered::new(&settings).unwrap();
        let key = remembered.key("bob", &"123".into());
        remembered.keep(key, "bob", Some("hash"), Answer::Right, at(0));
        assert_eq!(remembered.find(&key, Some("hash"), at(0)), None);
    }
}
