//! The settings of authentication.

use std::time::Duration;

use serde::Deserialize;

/// How callers prove who they are, and what guessing costs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// Whether anybody may create a user (devpi's default; ours is off).
    pub self_registration: bool,
    /// devpi's `--restrict-modify`: comma-separated users and `:group` items
    /// that alone may change users and indexes. `None` is devpi's open rule.
    pub restrict_modify: Option<String>,
    /// Whether a user may have the empty password (devpi allows it).
    pub allow_empty_password: bool,
    /// Whether nobody reads anything without saying who they are, whatever `acl_read`
    /// says (devpi-lockdown).
    pub login_required: bool,
    /// How many tokens a user may have.
    pub tokens_per_user: u32,
    /// Lifetime of a login token in seconds. devpi: 36000, which clients see.
    pub login_lifetime_seconds: u64,
    /// The cost of one password hash.
    pub argon2: Argon2Cost,
    /// How many password hashes may be computed at once; each takes
    /// `argon2.memory_kib` of memory.
    pub concurrent_hashes: usize,
    /// How guessing is slowed down.
    pub throttle: ThrottleSettings,
    /// How long a verified password is remembered, in seconds. 0 remembers nothing.
    pub remember_seconds: u64,
    /// How many verified passwords are remembered at most.
    pub remember_entries: u64,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            self_registration: false,
            restrict_modify: None,
            allow_empty_password: false,
            login_required: false,
            tokens_per_user: 100,
            login_lifetime_seconds: 36_000,
            argon2: Argon2Cost::default(),
            concurrent_hashes: 2,
            throttle: ThrottleSettings::default(),
            remember_seconds: 300,
            remember_entries: 10_000,
        }
    }
}

impl AuthSettings {
    /// The lifetime of a login token.
    pub fn login_lifetime(&self) -> Duration {
        Duration::from_secs(self.login_lifetime_seconds)
    }

    /// Settings with a cheap hash, for tests that are not about the cost.
    pub fn for_testing() -> Self {
        Self {
            argon2: Argon2Cost {
                memory_kib: 64,
                iterations: 1,
                parallelism: 1,
            },
            ..Self::default()
        }
    }
}

/// The parameters of argon2id. The default is devpi's, so that its stored
/// hashes need no rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Argon2Cost {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self {
            memory_kib: 65_536,
            iterations: 3,
            parallelism: 4,
        }
    }
}

/// When a guesser has to wait. Counted per user and address, and per address.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSettings {
    /// Failures of one user from one address before the first wait. 0 switches throttling off.
    pub failures_per_user: u32,
    /// Failures from one address, whatever the user, before the first wait.
    pub failures_per_address: u32,
    /// The first wait in seconds; it doubles with every further failure.
    pub first_wait_seconds: u64,
    /// The longest wait in seconds.
    pub longest_wait_seconds: u64,
    /// Failures are forgotten after so many quiet seconds.
    pub forget_seconds: u64,
    /// How many (user, address) pairs and addresses are remembered at most.
    pub entries: usize,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            failures_per_user: 5,
            failures_per_address: 50,
            first_wait_seconds: 1,
            longest_wait_seconds: 300,
            forget_seconds: 900,
            entries: 20_000,
        }
    }
}
