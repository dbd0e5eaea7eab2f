//! Whether a sent token holds, and the memory that makes the second time free.
//!
//! A genuine token is remembered with its parsed limits under a keyed hash of its text, so that
//! the requests of one installer cost one look into the database together. The memory is bounded
//! and ends as a whole with every removal of a token or a user: those are rare, and a count that
//! was taken before the row was read cannot be outrun. What does change by the second, the time,
//! is asked each time. Refusals that no commit takes back are remembered as well.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cheeseshop_domain::token::{Limits, TimeLimit};
use cheeseshop_domain::{Caller, Directory, EventKind, HeldToken, RecordedEvent, UserId, UserName};
use cheeseshop_storage::database::tokens;
use jiff::Timestamp;
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};

use super::api_token::{self, ApiTokenKey, Reading, SentToken};
use super::remembered::{Answer, AnswerKey};
use super::{AuthSettings, Credentials};
use crate::{App, Error};

/// Genuine tokens that were seen, bounded in number.
pub(crate) struct HeldTokens {
    pub(crate) key: ApiTokenKey,
    seen: Cache<AnswerKey, Seen>,
    /// Why tokens were refused that are [`Answer::Wrong`] in the memory of answers, which ends them.
    refused: Cache<AnswerKey, Refusal>,
    /// How often a token may have ended.
    ended: AtomicU64,
}

#[derive(Clone)]
struct Seen {
    user: UserName,
    user_id: UserId,
    token: HeldToken,
    /// The count from before the row was read.
    ended: u64,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// There is no such user, or the token is somebody else's of that name. Who has just come is not
    /// known everywhere at once, so this is asked again.
    NotOfUser,
    /// Nobody has a token with this id. Ids are drawn, so nobody ever will.
    NoSuchToken,
    /// The signature is not ours.
    Forged,
    /// It has a restriction that is not known.
    Restricted,
}

impl Refusal {
    fn is_final(self) -> bool {
        self != Self::NotOfUser
    }

    /// The words of devpi-tokens for this token.
    fn of(self, sent: &SentToken) -> Error {
        match (self, Limits::of(sent.restrictions())) {
            // One for all, so that strangers do not learn who exists.
            (Self::NotOfUser | Self::NoSuchToken, _) => {
                Error::Forbidden(format!("The token id {} doesn't exist", sent.id))
            }
            (Self::Restricted, Err(unknown)) => unverified(unknown),
            (Self::Restricted | Self::Forged, _) => unverified("Signatures do not match"),
        }
    }
}

impl HeldTokens {
    pub(super) fn new(key: [u8; 32], settings: &AuthSettings) -> Self {
        let capacity = match settings.remember_seconds {
            0 => 0,
            _ => settings.remember_entries,
        };
        Self {
            key: ApiTokenKey::new(key),
            seen: Cache::new(capacity),
            refused: Cache::new(capacity),
            ended: AtomicU64::new(0),
        }
    }

    /// Takes note of a commit, ours or another node's.
    pub(super) fn on_event(&self, event: &RecordedEvent) {
        if matches!(
            event.event.kind,
            EventKind::TokenRemoved | EventKind::UserRemoved
        ) {
            self.forget();
        }
    }

    /// What was seen may have ended.
    pub(super) fn forget(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// The holder of a remembered token; `None` says nothing about it.
    pub(super) fn find(
        &self,
        key: &AnswerKey,
        directory: &Directory,
        now: Timestamp,
    ) -> Option<Result<Caller, TimeLimit>> {
        let seen = self.seen.get(key)?;
        if seen.ended != self.ended.load(Ordering::Acquire) {
            return None;
        }
        // Whoever has the name now may be somebody else.
        let user = directory.user(seen.user.as_str())?;
        if user.id != seen.user_id {
            return None;
        }
        Some(
            seen.token
                .limits
                .check_time(now)
                .map(|()| Caller::user(seen.user).with_token(seen.token)),
        )
    }
}

impl Credentials {
    /// The token among them: in place of the password, whatever the user name (devpi-tokens insists
    /// on the right one or none; pip, uv and twine are often given `__token__`), or as user name with
    /// an empty password.
    pub(super) fn token(&self) -> Option<&str> {
        let secret = self.secret.expose_secret();
        let text = if secret.is_empty() {
            &self.user
        } else {
            secret
        };
        api_token::looks_like_token(text).then_some(text)
    }
}

/// Whether a text has the form of a token that users make for programs. It says nothing of whether
/// it holds.
pub fn is_api_token(text: &str) -> bool {
    api_token::looks_like_token(text)
}

impl App {
    /// Who holds a token, as [`App::authenticate`].
    ///
    /// A token that does not hold makes nobody anonymous: whoever sends one means it, and an index
    /// that silently shows less than expected is worse than an error.
    pub(super) async fn authenticate_token(
        &self,
        text: &str,
        address: Option<IpAddr>,
    ) -> Result<Caller, Error> {
        let auth = self.auth();
        let key = auth.remembered.key("", &SecretString::from(text));
        let ended = auth.held.ended.load(Ordering::Acquire);
        let directory = self.directory();
        if let Some(holder) = auth.held.find(&key, &directory, auth.now()) {
            return match holder {
                Ok(caller) => Ok(caller.at(address)),
                Err(limit) => Err(unverified(limit)),
            };
        }
        let sent = match api_token::read(text) {
            Reading::Token(sent) => sent,
            Reading::Damaged | Reading::NoToken => {
                return Err(unverified(
                    "it is damaged, some of it is missing or mistyped",
                ));
            }
        };
        // Not the pair of the user's password: a program with an outdated token must not keep its
        // user from logging in.
        let guesser = auth
            .throttle
            .guesser(&format!("token of {}", sent.user), address);
        let known_wrong = auth.remembered.find(&key, None, auth.now()) == Some(Answer::Wrong);
        if known_wrong && let Some(refusal) = auth.held.refused.get(&key) {
            return Err(refusal.of(&sent));
        }
        if !known_wrong
            && let Some(retry_after) = auth
                .throttle
                .wait_of_pair(guesser, auth.now())
                .or_else(|| auth.throttle.wait_of_address(guesser, auth.now()))
        {
            return Err(Error::Throttled { retry_after });
        }
        match self.prove(&directory, &sent, ended).await? {
            Ok(seen) => {
                auth.held.seen.insert(key, seen.clone());
                seen.token
                    .limits
                    .check_time(auth.now())
                    .map_err(unverified)?;
                Ok(Caller::user(seen.user).with_token(seen.token).at(address))
            }
            Err(refusal) => {
                // The same wrong token two hundred times is one mistake, not two hundred guesses.
                if !known_wrong {
                    auth.throttle.blame(guesser, auth.now());
                    let now = auth.now();
                    auth.remembered
                        .keep(key, &sent.user, None, Answer::Wrong, now);
                }
                if refusal.is_final() {
                    auth.held.refused.insert(key, refusal);
                }
                Err(refusal.of(&sent))
            }
        }
    }

    /// Whether the token is genuine. The inner error is the holder's fault, the outer one ours.
    async fn prove(
        &self,
        directory: &Directory,
        sent: &SentToken,
        ended: u64,
    ) -> Result<Result<Seen, Refusal>, Error> {
        let Some(user) = directory.user(&sent.user) else {
            return Ok(Err(Refusal::NotOfUser));
        };
        let mut reader = self.db().reader().await?;
        let row = tokens::find(&mut reader, &sent.id).await?;
        drop(reader);
        let Some(row) = row else {
            return Ok(Err(Refusal::NoSuchToken));
        };
        if row.user != user.id {
            return Ok(Err(Refusal::NotOfUser));
        }
        if !self.auth().held.key.is_genuine(sent, row.secret) {
            return Ok(Err(Refusal::Forged));
        }
        Ok(match Limits::of(sent.restrictions()) {
            Ok(limits) => Ok(Seen {
                user: user.name.clone(),
                user_id: user.id,
                token: HeldToken::new(Arc::from(row.id), Arc::new(limits)),
                ended,
            }),
            Err(_) => Err(Refusal::Restricted),
        })
    }
}

/// devpi-tokens' text for a token that does not hold.
fn unverified(why: impl std::fmt::Display) -> Error {
    Error::Forbidden(format!("Exception during token verification: {why}"))
}
