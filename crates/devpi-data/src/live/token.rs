//! The proof that we know the primary's secret (protocol reference §2.3, §22.2).

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha1::{Digest as _, Sha1};

use super::FollowError;

/// Sets replica tokens apart from login tokens, which are made of the same secret.
const SALT: &[u8] = b"devpi-server-replica";

/// Less is not accepted by devpi-server as a secret.
const SHORTEST_SECRET: usize = 32;

/// What it costs to make a key of the secret; must be as the primary has it
/// (`--argon2-memory-cost` and so on, hidden options of devpi-server).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub time: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for SecretCost {
    /// devpi-server's: half a GiB and some seconds, once.
    fn default() -> Self {
        Self {
            memory: 524_288,
            time: 16,
            parallelism: 8,
        }
    }
}

/// Makes tokens of one replica.
pub(super) struct Tokens {
    key: [u8; 20],
}

impl Tokens {
    /// Derives the key. Takes seconds and half a GiB with the usual cost, so not on an async
    /// thread.
    pub(super) fn derive(secret: &[u8], cost: SecretCost) -> Result<Self, FollowError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(FollowError::ShortSecret);
        }
        let failed = |error: argon2::Error| FollowError::Key(error.to_string());
        let params = Params::new(cost.memory, cost.time, cost.parallelism, Some(16));
        let mut derived = [0; 16];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?)
            .hash_password_into(secret, SALT, &mut derived)
            .map_err(failed)?;
        let key = Sha1::new()
            .chain_update("itsdangerous")
            .chain_update("signer")
            .chain_update(derived)
            .finalize();
        Ok(Self { key: key.into() })
    }

    /// A token that the primary accepts for half a minute.
    pub(super) fn issue(&self, uuid: &str, now: Timestamp) -> SecretString {
        let seconds = now.as_second().max(0).to_be_bytes();
        let first = seconds.iter().take_while(|byte| **byte == 0).count();
        let time = URL_SAFE_NO_PAD.encode(&seconds[first..]);
        let message = format!("\"{uuid}\".{time}");
        let mut code = Hmac::<Sha1>::new_from_slice(&self.key).expect("HMAC takes any key");
        code.update(message.as_bytes());
        let code = URL_SAFE_NO_PAD.encode(code.finalize().into_bytes());
        SecretString::from(format!("{message}.{code}"))
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, uuid: &str, now: Timestamp) -> SecretString {
        SecretString::from(format!("Bearer {}", self.issue(uuid, now).expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: SecretCost = SecretCost {
        memory: 8192,
        time: 16,
        parallelism: 8,
    };

    const SECRET: &str = "0123456789abcdef0123456789abcdefXYZ+";

    const TOKEN: &str = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\".awMsEA.Zl5I-VorrewrEm6fzv9lRW0SAW8";

    /// Made with Python's `itsdangerous`, the way devpi-server does.
    #[test]
    fn tokens_are_those_of_devpi() {
        let tokens = Tokens::derive(SECRET.as_bytes(), CHEAP).unwrap();
        let now = Timestamp::from_second(1_795_370_000).unwrap();
        let uuid = "a".repeat(32);
        assert_eq!(tokens.issue(&uuid, now).expose_secret(), TOKEN);
        assert_eq!(
            tokens.authorization(&uuid, now).expose_secret(),
            format!("Bearer {TOKEN}")
        );
    }

    #[test]
    fn what_is_no_secret_is_told() {
        let error = Tokens::derive(b"short", CHEAP).err().unwrap();
        assert!(matches!(error, FollowError::ShortSecret));
        let free = SecretCost { memory: 0, ..CHEAP };
        let error = Tokens::derive(SECRET.as_bytes(), free).err().unwrap();
        assert!(matches!(error, FollowError::Key(_)));
    }
}
