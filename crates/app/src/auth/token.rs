//! Login tokens: what `+login` gives and every later request may send in place of a password.
//!
//! ```text
//! csl1_ base64url( expiry: 8 bytes big-endian Unix seconds | HMAC-SHA256 )
//! ```
//!
//! The message that is authenticated names the user and the very state of the user's record
//! (id and password hash), so a token dies with the user and with the password. devpi's tokens
//! outlive a password change; ours do not, because a changed password usually means that
//! somebody knew the old one. The prefix lets scanners of leaked secrets find our tokens; the
//! characters need no quoting in a URL or a header.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cheeseshop_domain::User;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What every token starts with; the digit is the version of the format.
const PREFIX: &str = "csl1_";

/// Expiry and authentication code.
const PAYLOAD_BYTES: usize = 8 + 32;

/// Makes and checks login tokens. The key is 32 random bytes, the same on all nodes.
pub(crate) struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A token of `user`, accepted until `expiry`.
    pub(crate) fn issue(&self, user: &User, expiry: Timestamp) -> SecretString {
        let expiry = expiry.as_second().to_be_bytes();
        let mut payload = [0_u8; PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&expiry);
        payload[8..].copy_from_slice(&self.code(user, expiry).finalize().into_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(payload)).into()
    }

    /// Whether `secret` is a valid token of `user` at `now`.
    pub(crate) fn verify(&self, secret: &SecretString, user: &User, now: Timestamp) -> bool {
        let Some(payload) = decode(secret.expose_secret()) else {
            return false;
        };
        let (expiry, code) = payload
            .split_first_chunk::<8>()
            .expect("the payload is longer than eight bytes");
        // `verify_slice` compares in constant time.
        self.code(user, *expiry).verify_slice(code).is_ok()
            && now.as_second() < i64::from_be_bytes(*expiry)
    }

    fn code(&self, user: &User, expiry: [u8; 8]) -> Hmac<Sha256> {
        let mut code =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        let name = user.name.to_string();
        let hash = user.password_hash.as_deref().unwrap_or_default();
        code.update(b"cheeseshop login token 1");
        code.update(&expiry);
        code.update(&user.id.0.to_be_bytes());
        // Lengths, so that no two records make one message.
        for part in [name.as_bytes(), hash.as_bytes()] {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        }
        code
    }
}

/// Whether a secret has the form of a login token. Such a secret is never tried as a password,
/// and a password of this form cannot be set.
pub(crate) fn looks_like_token(secret: &str) -> bool {
    decode(secret).is_some()
}

fn decode(secret: &str) -> Option<[u8; PAYLOAD_BYTES]> {
    let encoded = secret.strip_prefix(PREFIX)?;
    // 40 bytes are 54 characters; nothing longer is worth decoding.
    if encoded.len() != 54 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use cheeseshop_domain::{UserId, UserName, UserProfile};

    use super::*;

    fn user() -> User {
        User {
            id: UserId(7),
            name: UserName::parse("bob").unwrap(),
            password_hash: Some("$argon2id$one".to_owned()),
            profile: UserProfile::default(),
            created: Timestamp::UNIX_EPOCH,
            modified: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_token_holds_for_one_record_one_key_and_its_time() {
        let tokens = Tokens::new([1; 32]);
        let token = tokens.issue(&user(), at(100));
        assert!(looks_like_token(token.expose_secret()));
        assert!(tokens.verify(&token, &user(), at(99)));
        assert!(!tokens.verify(&token, &user(), at(100)));
        assert!(!Tokens::new([2; 32]).verify(&token, &user(), at(0)));

        let mut other = user();
        other.password_hash = Some("$argon2id$two".to_owned());
        assert!(!tokens.verify(&token, &other, at(0)));
        other = user();
        other.id = UserId(8);
        assert!(!tokens.verify(&token, &other, at(0)));
        other = user();
        other.name = UserName::parse("eve").unwrap();
        assert!(!tokens.verify(&token, &other, at(0)));
    }

    #[test]
    fn what_is_no_token_is_recognized() {
        let length = 54;
        for secret in [
            String::new(),
            "csl1_".to_owned(),
            format!("csl1_{}", "!".repeat(length)),
            format!("csl1_{}", "A".repeat(length - 1)),
            format!("csl1_{}", "A".repeat(length + 1)),
            format!("csl2_{}", "A".repeat(length)),
            "a password".to_owned(),
        ] {
            assert!(!looks_like_token(&secret), "{secret}");
        }
        assert!(looks_like_token(&format!("csl1_{}", "A".repeat(length))));
    }
}
