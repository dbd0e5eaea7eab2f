//! Password hashes: argon2id in PHC strings, as devpi stores them.
//!
//! An import may bring older ones: any argon2, and the salted SHA-256 of devpi-server before 4.9,
//! which is kept as `SALT:DIGEST`. They verify, and the next login writes today's form over them.
//!
//! Hashing is slow and takes much memory on purpose, so it runs on the blocking threads, a
//! few at a time, and only so many requests may wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cheeseshop_packaging::Sha256;
use secrecy::{ExposeSecret, SecretString};
use sha2::Digest as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings::{Argon2Cost, AuthSettings};
use crate::Error;

/// Longest password in bytes; longer ones are refused when set and never match.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;

/// How many requests may wait for a hash; beyond that the server says that it is busy.
const MAX_WAITING: usize = 128;

/// The dearest stored hash that is accepted from outside (`pwhash`): 256 MiB, and in all passes
/// together 1 GiB. Users set the hash of their own password, and everybody may try to log in as
/// them: without a bound a stored hash would be a way to exhaust the server.
const MAX_MEMORY_KIB: u32 = 256 << 10;
const MAX_MEMORY_KIB_OF_ALL_PASSES: u64 = 1 << 20;

/// The shortest digest that is accepted from outside, in bytes: shorter ones match by chance.
const MIN_DIGEST_BYTES: usize = 16;

/// Hashes and verifies passwords.
pub(crate) struct Passwords {
    cost: Argon2Cost,
    params: Params,
    /// Never matches anything, and costs as much as a real one: what an unknown user has.
    decoy: String,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Passwords {
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, Error> {
        let cost = settings.argon2;
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(32))
            .map_err(|error| Error::Invalid(format!("the argon2 cost is not usable: {error}")))?;
        let mut salt = [0_u8; 16];
        let mut digest = [0_u8; 32];
        getrandom::fill(&mut salt).map_err(Error::internal)?;
        getrandom::fill(&mut digest).map_err(Error::internal)?;
        Ok(Self {
            cost,
            params,
            decoy: format!(
                "$argon2id$v=19$m={},t={},p={}${}${}",
                cost.memory_kib,
                cost.iterations,
                cost.parallelism,
                STANDARD_NO_PAD.encode(salt),
                STANDARD_NO_PAD.encode(digest),
            ),
            permits: Arc::new(Semaphore::new(settings.concurrent_hashes.max(1))),
            waiting: AtomicUsize::new(0),
        })
    }

    /// A new PHC string for `password`.
    pub(crate) async fn hash(&self, password: &SecretString) -> Result<String, Error> {
        let permit = self.permit().await?;
        let params = self.params.clone();
        let password = password.clone();
        blocking(move || {
            let _permit = permit;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password(password.expose_secret().as_bytes())
                .map(|hash: PasswordHash| hash.to_string())
                .map_err(Error::internal)
        })
        .await?
    }

    /// Whether `password` is the one behind `stored`; without `stored` the answer is no, after
    /// the same amount of work.
    pub(crate) async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<bool, Error> {
        let permit = self.permit().await?;
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.decoy).to_owned();
        let decoy = self.decoy.clone();
        let password = password.clone();
        let matches = blocking(move || {
            let _permit = permit;
            let password = password.expose_secret().as_bytes();
            let matches = |stored: &str| {
                PasswordHash::new(stored)
                    .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
            };
            match SaltedDigest::read(&stored) {
                // The time of an answer must not tell whose hash is old.
                Some(old) => old.is_of(password) & !matches(&decoy),
                None => matches(&stored),
            }
        })
        .await?;
        Ok(matches && known)
    }

    /// Whether a stored hash has another form or another cost than the settings ask for.
    pub(crate) fn is_outdated(&self, stored: &str) -> bool {
        !stored.starts_with("$argon2id$v=19$")
            || parameters(stored).is_none_or(|params| {
                params.m_cost() != self.cost.memory_kib
                    || params.t_cost() != self.cost.iterations
                    || params.p_cost() != self.cost.parallelism
            })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _turn = Turn::take(&self.waiting, MAX_WAITING).ok_or(Error::Busy)?;
        Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(Error::internal)
    }
}

/// Checks a hash that was made elsewhere: it must be argon2 with parameters that can be afforded.
pub(crate) fn check_foreign_hash(stored: &str) -> Result<(), Error> {
    let affordable = parameters(stored).is_some_and(|params| {
        let all_passes = u64::from(params.m_cost()) * u64::from(params.t_cost());
        params.m_cost() <= MAX_MEMORY_KIB && all_passes <= MAX_MEMORY_KIB_OF_ALL_PASSES
    });
    if affordable {
        Ok(())
    } else {
        Err(Error::Invalid(
            "pwhash is not an argon2 hash in PHC format with affordable parameters".to_owned(),
        ))
    }
}

/// The form in which a user's hash of an import is stored: `pwhash`, and `pwsalt` of devpi-server
/// before 4.9, where it is set.
///
/// # Errors
/// [`Error::Invalid`] for a hash that cannot be verified, or not at a price that can be afforded.
pub(crate) fn stored_form_of_import(hash: &str, salt: Option<&str>) -> Result<String, Error> {
    let Some(salt) = salt else {
        check_foreign_hash(hash)?;
        return Ok(hash.to_owned());
    };
    let stored = format!("{salt}:{hash}");
    if SaltedDigest::read(&stored).is_some() {
        Ok(stored)
    } else {
        Err(Error::Invalid(
            "pwsalt and pwhash are not the salted SHA-256 of an old devpi-server".to_owned(),
        ))
    }
}

/// `SALT:DIGEST`, where DIGEST is the SHA-256 of salt and password in hex.
struct SaltedDigest<'s> {
    salt: &'s str,
    digest: Sha256,
}

impl<'s> SaltedDigest<'s> {
    fn read(stored: &'s str) -> Option<Self> {
        let (salt, digest) = stored.split_once(':')?;
        let digest = digest.parse().ok()?;
        (!salt.is_empty() && !salt.starts_with('$')).then_some(Self { salt, digest })
    }

    fn is_of(&self, password: &[u8]) -> bool {
        let mut hash = sha2::Sha256::new();
        hash.update(self.salt);
        hash.update(password);
        // Which bytes of a hash agree tells nothing of the password.
        Sha256(hash.finalize().into()) == self.digest
    }
}

fn parameters(stored: &str) -> Option<Params> {
    let hash = PasswordHash::new(stored).ok()?;
    Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    if hash.hash?.len() < MIN_DIGEST_BYTES {
        return None;
    }
    Params::try_from(&hash).ok()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)
}

/// A place in the queue, given back on drop (also when the request goes away).
pub(super) struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    pub(super) fn take(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let turn = Self(waiting);
        // Counted first, so that the guard above gives it back in either case.
        (waiting.fetch_add(1, Ordering::AcqRel) < limit).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(&AuthSettings::for_testing()).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = passwords();
        let stored = passwords.hash(&"open sesame".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let matches = async |secret: &str| {
            passwords
                .verify(&secret.into(), Some(&stored))
                .await
                .unwrap()
        };
        assert!(matches("open sesame").await);
        assert!(!matches("open sesam").await);
        assert!(!matches("").await);
        assert!(!passwords.verify(&"open sesame".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_made_by_devpi_is_verified_with_its_own_parameters() {
        // 16-byte salt, 32-byte hash, as argon2-cffi and passlib write them.
        let elsewhere = Passwords::new(&AuthSettings {
            argon2: Argon2Cost {
                memory_kib: 256,
                iterations: 2,
                parallelism: 2,
            },
            ..AuthSettings::for_testing()
        })
        .unwrap();
        let stored = elsewhere.hash(&"123".into()).await.unwrap();
        let ours = passwords();
        assert!(ours.verify(&"123".into(), Some(&stored)).await.unwrap());
        assert!(ours.is_outdated(&stored));
        assert!(!elsewhere.is_outdated(&stored));
    }

    /// Made by argon2-cffi and passlib (devpi-server 4.9 and later) and by devpi-server 4.0's rule.
    #[tokio::test]
    async fn every_form_that_devpi_ever_stored_is_verified_and_renewed() {
        let salted = stored_form_of_import(
            "55fa5b9719d755667687ee226852043ea27f5766e8b3b70c06175c9a99039e5a",
            Some("AAECAwQFBgcICQoLDA0ODw=="),
        )
        .unwrap();
        let ours = passwords();
        for (stored, is_outdated) in [
            (
                "$argon2id$v=19$m=64,t=1,p=1$SkkJYUwJ4bxXao0RAmBsLQ$\
                 TcV9fU08gjLuJtxZOO6Zc61j47WKAwtmv1hbrR3lciY",
                false,
            ),
            (
                "$argon2id$v=19$m=64,t=2,p=2$u45i64UPC6wNLNyIDyAunw$\
                 pnoTCwD3Gr8YMgQN2eetTjBvP2ff9Yupnlv6/PVeXUU",
                true,
            ),
            (
                "$argon2i$v=19$m=64,t=2,p=2$5EmXsc3l2yVfb0wV9ZX7qw$\
                 WAyZncgNEIoIe8ZZNUWanX7afP6UnFtR+ddQ8GaVERY",
                true,
            ),
            (
                "$argon2d$v=19$m=64,t=2,p=2$4kqgwrmcvKl7yAQ1l6mygg$\
                 BB6rAtc4kE+AHngDm8xgB2zHXdSSvc5MrQ3RyhKOw+Y",
                true,
            ),
            (
                "$argon2i$v=16$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$Ui5K4S63Ivnu9/mbWlGVlA",
                true,
            ),
            (salted.as_str(), true),
        ] {
            for (password, expected) in [("pässword", true), ("password", false), ("", false)] {
                let matches = ours.verify(&password.into(), Some(stored)).await.unwrap();
                assert_eq!(matches, expected, "{stored} {password}");
            }
            assert_eq!(ours.is_outdated(stored), is_outdated, "{stored}");
        }
    }

    #[test]
    fn what_is_no_hash_is_not_imported() {
        let digest = "5".repeat(64);
        for (hash, salt) in [
            ("5f4dcc3b5aa765d61d8327deb882cf99", Some("salt")),
            (digest.as_str(), Some("")),
            (digest.as_str(), Some("$argon2id$v=19$")),
            (digest.as_str(), None),
            ("", None),
        ] {
            assert!(
                stored_form_of_import(hash, salt).is_err(),
                "{hash} {salt:?}"
            );
        }
    }

    #[test]
    fn foreign_hashes_must_be_affordable_argon2() {
        let salt_and_hash = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let cases = [
            (
                format!("$argon2id$v=19$m=65536,t=3,p=4${salt_and_hash}"),
                true,
            ),
            (
                format!("$argon2i$v=19$m=4096,t=3,p=1${salt_and_hash}"),
                true,
            ),
            (
                format!("$argon2id$v=19$m=4194304,t=3,p=4${salt_and_hash}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=65536,t=3000,p=4${salt_and_hash}"),
                false,
            ),
            // A gigabyte for every attempt to log in would end a small server.
            (
                format!("$argon2id$v=19$m=1048576,t=1,p=4${salt_and_hash}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=262144,t=16,p=4${salt_and_hash}"),
                false,
            ),
            (
                format!("$argon2id$v=19$m=102400,t=2,p=8${salt_and_hash}"),
                true,
            ),
            // A few bytes of digest match by chance.
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAA".to_owned(),
                false,
            ),
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA".to_owned(),
                false,
            ),
            ("5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), false),
            (String::new(), false),
        ];
        for (stored, accepted) in cases {
            assert_eq!(check_foreign_hash(&stored).is_ok(), accepted, "{stored}");
        }
    }

    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let passwords = passwords();
        assert!(!passwords.is_outdated(&passwords.decoy));
    }

    #[test]
    fn the_queue_is_bounded() {
        let waiting = AtomicUsize::new(0);
        let turns: Vec<_> = (0..MAX_WAITING)
            .map(|_| Turn::take(&waiting, MAX_WAITING))
            .collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(Turn::take(&waiting, MAX_WAITING).is_none());
        drop(turns);
        assert_eq!(waiting.load(Ordering::Acquire), 0);
    }
}
