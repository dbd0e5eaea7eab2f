//! Who is asking: passwords, login tokens, users' tokens and the price of guessing.
//!
//! What a caller may do is decided in [`cheeseshop_domain::permission`]; this
//! room only finds out who it is. Passwords and logins that are wrong make an anonymous
//! caller, as in devpi; only a guesser who came too often gets an error, and whoever sends a
//! token that does not hold.

pub(crate) mod api_token;
mod first_start;
mod held;
mod password;
mod remembered;
mod settings;
pub(crate) mod telemetry;
mod throttle;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use cheeseshop_domain::{Caller, Clock, Identity, PermissionPolicy, RecordedEvent, User};
use cheeseshop_storage::Database;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::{App, Error};

pub use self::first_start::FirstStart;
pub use self::held::is_api_token;
pub use self::settings::{Argon2Cost, AuthSettings, ThrottleSettings};

use self::held::HeldTokens;
use self::password::{MAX_PASSWORD_BYTES, Passwords, Turn};
use self::remembered::{Answer, Remembered};
use self::throttle::Throttle;
use self::token::Tokens;

pub(crate) use self::password::{check_foreign_hash, stored_form_of_import};

/// How many distinct secrets are verified side by side; requests with the same secret wait
/// for one verification.
const FLIGHTS: usize = 64;

/// How many requests may wait for the verification of a secret.
const MAX_WAITING: usize = 1024;

/// A user name and a secret, as sent by Basic or `X-Devpi-Auth`.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user's name as sent; not yet known to exist.
    pub user: String,
    /// A password, a login token or a user's token.
    pub secret: SecretString,
}

/// What a login gives.
#[derive(Debug)]
pub struct LoginToken {
    /// ASCII, URL-safe; accepted in place of the password.
    pub token: SecretString,
    /// How long it is accepted.
    pub expires_in: Duration,
}

/// The live parts of authentication.
pub(crate) struct Auth {
    settings: AuthSettings,
    policy: PermissionPolicy,
    passwords: Passwords,
    tokens: Tokens,
    pub(crate) held: HeldTokens,
    throttle: Throttle,
    remembered: Remembered,
    /// Held while a secret is verified, so that fifty requests of one client cost one hash.
    flights: [Mutex<()>; FLIGHTS],
    /// Requests with a secret that is being verified, or waits to be.
    waiting: AtomicUsize,
    clock: Arc<dyn Clock>,
}

impl Auth {
    /// Reads the key of login tokens from the database, or makes one.
    pub(crate) async fn open(
        settings: &AuthSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let policy = PermissionPolicy {
            restrict_modify: settings
                .restrict_modify
                .as_deref()
                .map(PermissionPolicy::parse_restrict_modify),
            self_registration: settings.self_registration,
            login_required: settings.login_required,
        };
        let key = first_start::token_key(database).await?;
        Ok(Self {
            policy,
            passwords: Passwords::new(settings)?,
            tokens: Tokens::new(key),
            held: HeldTokens::new(key, settings),
            throttle: Throttle::new(settings.throttle),
            remembered: Remembered::new(settings)?,
            flights: std::array::from_fn(|_| Mutex::new(())),
            waiting: AtomicUsize::new(0),
            clock,
            settings: settings.clone(),
        })
    }

    /// The rules that hold beside the lists of an index.
    pub(crate) fn policy(&self) -> &PermissionPolicy {
        &self.policy
    }

    /// Takes note of a commit, ours or another node's.
    pub(crate) fn on_event(&self, event: &RecordedEvent) {
        self.remembered.on_event(event);
        self.held.on_event(event);
    }

    /// Nothing that is remembered of users' tokens can be relied upon.
    pub(crate) fn forget_tokens(&self) {
        self.held.forget();
    }

    /// How many tokens a user may have.
    pub(crate) fn tokens_per_user(&self) -> usize {
        usize::try_from(self.settings.tokens_per_user).unwrap_or(usize::MAX)
    }

    /// The stored form of a new password.
    pub(crate) async fn hash_new_password(&self, password: &SecretString) -> Result<String, Error> {
        let text = password.expose_secret();
        if text.is_empty() && !self.settings.allow_empty_password {
            return Err(Error::Invalid("the password must not be empty".to_owned()));
        }
        if text.len() > MAX_PASSWORD_BYTES {
            return Err(Error::Invalid(format!(
                "the password must not be longer than {MAX_PASSWORD_BYTES} bytes"
            )));
        }
        if looks_like_any_token(password) {
            return Err(Error::Invalid(
                "the password must not look like a token".to_owned(),
            ));
        }
        self.passwords.hash(password).await
    }

    /// A login token for a user whose identity was proved just now.
    pub(crate) fn issue_token(&self, user: &User) -> LoginToken {
        let expires_in = self.settings.login_lifetime();
        let expiry = self
            .now()
            .saturating_add(SignedDuration::try_from(expires_in).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX);
        LoginToken {
            token: self.tokens.issue(user, expiry),
            expires_in,
        }
    }

    /// Whether `secret` is the password of `user`, as fast and as often as allowed. Counts what is not.
    async fn check_password(
        &self,
        name: &str,
        user: Option<&User>,
        secret: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<Answer, Error> {
        let answer = self.judge_password(name, user, secret, address).await;
        match &answer {
            Ok(Answer::Right) => {}
            Ok(Answer::Wrong) => telemetry::wrong("password"),
            Err(error) => telemetry::refused("password", error),
        }
        answer
    }

    async fn judge_password(
        &self,
        name: &str,
        user: Option<&User>,
        secret: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<Answer, Error> {
        let length = secret.expose_secret().len();
        if length > MAX_PASSWORD_BYTES || (length == 0 && !self.settings.allow_empty_password) {
            return Ok(Answer::Wrong);
        }
        let stored = user.and_then(|user| user.password_hash.as_deref());
        let key = self.remembered.key(name, secret);
        let guesser = self.throttle.guesser(name, address);

        if let Some(answer) = self.recall(&key, stored, guesser)? {
            return Ok(answer);
        }
        let _turn = Turn::take(&self.waiting, MAX_WAITING).ok_or(Error::Busy)?;
        let _flight = self.flights[usize::from(key[0]) % FLIGHTS].lock().await;
        // Somebody with the same secret may have been here while we waited.
        if let Some(answer) = self.recall(&key, stored, guesser)? {
            return Ok(answer);
        }
        if let Some(retry_after) = self.throttle.wait_of_address(guesser, self.now()) {
            self.throttle.blame_pair(guesser, self.now());
            return Err(Error::Throttled { retry_after });
        }
        self.throttle.blame(guesser, self.now());
        let matches = match self.passwords.verify(secret, stored).await {
            Ok(matches) => matches,
            Err(error) => {
                self.throttle.retract(guesser);
                return Err(error);
            }
        };
        let answer = if matches {
            self.throttle.excuse(guesser);
            Answer::Right
        } else {
            Answer::Wrong
        };
        self.remembered.keep(key, name, stored, answer, self.now());
        Ok(answer)
    }

    /// What is remembered. A repeated wrong secret is answered even to a guesser who has to
    /// wait, for it tells nothing new; a right one is not.
    fn recall(
        &self,
        key: &remembered::AnswerKey,
        stored: Option<&str>,
        guesser: throttle::Guesser,
    ) -> Result<Option<Answer>, Error> {
        let now = self.now();
        let answer = self.remembered.find(key, stored, now);
        if answer == Some(Answer::Wrong) {
            return Ok(answer);
        }
        match self.throttle.wait_of_pair(guesser, now) {
            Some(retry_after) => Err(Error::Throttled { retry_after }),
            None => Ok(answer),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Whether a text has the form of what a login gives. It says nothing of whether it holds.
pub fn is_login_token(text: &str) -> bool {
    token::looks_like_token(text)
}

/// Whether a secret is of a kind that stands for a password and is none.
fn looks_like_any_token(secret: &SecretString) -> bool {
    token::looks_like_token(secret.expose_secret())
        || api_token::looks_like_token(secret.expose_secret())
}

impl App {
    /// Finds out who sent `credentials`.
    ///
    /// Absent or wrong credentials make an anonymous caller (devpi's rule).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for a user's token that does not hold (devpi-tokens' rule),
    /// [`Error::Throttled`] for a guesser, [`Error::Busy`] when too many passwords wait to be
    /// verified, and whatever the database gives.
    pub async fn authenticate(
        &self,
        credentials: Option<&Credentials>,
        address: Option<IpAddr>,
    ) -> Result<Caller, Error> {
        let anonymous = Caller {
            identity: None,
            address,
        };
        let Some(credentials) = credentials else {
            return Ok(anonymous);
        };
        // Another node may have removed the user or the token, or changed the password.
        self.catch_up().await?;
        if let Some(token) = credentials.token() {
            let caller = self.authenticate_token(token, address).await;
            return caller.inspect_err(|error| telemetry::refused("token", error));
        }
        let Credentials { user: name, secret } = credentials;
        let directory = self.directory();
        let user = directory.user(name).map(|user| &**user);
        let proved = if token::looks_like_token(secret.expose_secret()) {
            let holds = user
                .is_some_and(|user| self.auth().tokens.verify(secret, user, self.clock().now()));
            if !holds {
                telemetry::wrong("token");
            }
            holds
        } else {
            let answer = self
                .auth()
                .check_password(name, user, secret, address)
                .await?;
            answer == Answer::Right
        };
        Ok(match user.filter(|_| proved) {
            Some(user) => Caller {
                identity: Some(Identity {
                    user: user.name.clone(),
                    groups: Vec::new(),
                    token: None,
                }),
                address,
            },
            None => anonymous,
        })
    }

    /// Who sent `credentials`, where that is known without waiting, hashing or a query: for the
    /// hot path. `None` says nothing about them: ask [`App::authenticate`].
    pub fn remembered_caller(
        &self,
        credentials: &Credentials,
        address: Option<IpAddr>,
    ) -> Option<Caller> {
        if self.db().is_shared() {
            return None;
        }
        let directory = self.directory();
        let auth = self.auth();
        if let Some(token) = credentials.token() {
            let key = auth.remembered.key("", &SecretString::from(token));
            let holder = auth.held.find(&key, &directory, auth.now())?;
            return Some(holder.ok()?.at(address));
        }
        let Credentials { user: name, secret } = credentials;
        let user = directory.user(name)?;
        let proved = if token::looks_like_token(secret.expose_secret()) {
            auth.tokens.verify(secret, user, auth.now())
        } else {
            let key = auth.remembered.key(name, secret);
            let guesser = auth.throttle.guesser(name, address);
            let answer = auth
                .recall(&key, user.password_hash.as_deref(), guesser)
                .ok()?;
            answer == Some(Answer::Right)
        };
        proved.then(|| Caller {
            identity: Some(Identity {
                user: user.name.clone(),
                groups: Vec::new(),
                token: None,
            }),
            address,
        })
    }

    /// The caller whose name somebody else has proved: the authority that has issued a certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] when there is no such user, and whatever the database gives.
    pub async fn vouched_for(&self, name: &str, address: Option<IpAddr>) -> Result<Caller, Error> {
        self.catch_up().await?;
        self.find_caller(name, address).ok_or_else(|| {
            Error::Forbidden(format!(
                "the client certificate is for the user {name:?}, who does not exist here"
            ))
        })
    }

    /// As [`App::vouched_for`], where that is known without a query: for the hot path.
    pub fn known_caller(&self, name: &str, address: Option<IpAddr>) -> Option<Caller> {
        if self.db().is_shared() {
            return None;
        }
        self.find_caller(name, address)
    }

    fn find_caller(&self, name: &str, address: Option<IpAddr>) -> Option<Caller> {
        let directory = self.directory();
        let user = directory.user(name)?;
        Some(Caller {
            identity: Some(Identity {
                user: user.name.clone(),
                groups: Vec::new(),
                token: None,
            }),
            address,
        })
    }

    /// Exchanges a password for a login token. A token is not accepted here.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] with `user 'x' could not be authenticated`,
    /// [`Error::Throttled`], [`Error::Busy`].
    pub async fn login(
        &self,
        name: &str,
        password: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<LoginToken, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let user = directory.user(name);
        let refused =
            || Error::Unauthenticated(format!("user '{name}' could not be authenticated"));
        if looks_like_any_token(password) {
            return Err(refused());
        }
        let answer = self
            .auth()
            .check_password(name, user.map(|user| &**user), password, address)
            .await?;
        let user = user
            .filter(|_| answer == Answer::Right)
            .ok_or_else(refused)?;
        // Basic that is remembered does not forgive: beside a client that sends it with every
        // request, a guesser from the same address would never have to wait.
        let throttle = &self.auth().throttle;
        throttle.forgive(throttle.guesser(name, address));
        match self.renew_outdated_hash(user, password, address).await {
            Ok(Some(renewed)) => Ok(self.auth().issue_token(&renewed)),
            Ok(None) => Ok(self.auth().issue_token(user)),
            Err(error) => {
                // The login stands; the next one tries again.
                tracing::warn!(
                    user.name = name,
                    error = &error as &dyn std::error::Error,
                    "the outdated password hash could not be rewritten"
                );
                Ok(self.auth().issue_token(user))
            }
        }
    }
}
