//! Tokens that users make for programs: their text, and what proves one genuine.
//!
//! ```text
//! devpi- base64url( macaroon )
//!        location    cheeseshop1:  SECRET  CHECK      (32 and 6 characters)
//!        identifier  USER-ID                          (as devpi-tokens' client reads it)
//!        caveats     the restrictions, devpi-tokens' `key=value`
//! ```
//!
//! *The prefix is fixed*: every token, also one that devpi's client derived and wrote without
//! `devpi-`, contains [`STEM`], which is what scanners of leaked secrets look for. CHECK is the
//! beginning of the SHA-256 of secret and identifier, and survives deriving, so that a find (or a
//! slip of the clipboard) can be told from chance without asking anybody.
//!
//! *Only a digest is kept.* The key of the signatures is made from the server's key, the identifier
//! and the secret. Who reads the database has the server's key and a digest of the secret, and makes
//! no token from these; who holds a narrowed token has the secret and not the server's key, and
//! cannot widen it. devpi-tokens keeps the keys themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cheeseshop_domain::UserName;
use cheeseshop_domain::token::Macaroon;
use cheeseshop_packaging::Sha256 as Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// What devpi-tokens' clients write in front, and do without.
const PREFIX: &str = "devpi-";

/// What the base64 of every token of ours begins with.
const STEM: &str = "AgEyY2hlZXNlc2hvcDE6";

/// What the location begins with; the digit is the version of the format.
const LOCATION: &str = "cheeseshop1:";

/// The secret's characters; three quarters as many random bytes.
const SECRET_CHARACTERS: usize = 32;

const CHECK_CHARACTERS: usize = 6;

/// Nothing longer is looked at.
const MAX_CHARACTERS: usize = 4096;

/// Eight of these make an id. No two look alike, for people read ids aloud.
const ID_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A token that was just made.
pub(crate) struct NewToken {
    pub(crate) text: SecretString,
    pub(crate) digest: Digest,
}

/// What a secret turned out to be.
pub(super) enum Reading {
    /// Something else, a password for example.
    NoToken,
    /// One of our tokens, with a piece missing or mistyped.
    Damaged,
    /// It has the form of a token.
    Token(SentToken),
}

/// A token as it was sent; nothing of it is proved.
pub(super) struct SentToken {
    pub(super) user: String,
    pub(super) id: String,
    /// `None` for tokens of other servers.
    secret: Option<String>,
    macaroon: Macaroon,
}

/// Makes tokens and tells genuine ones. The key is the one of login tokens, for another purpose.
pub(crate) struct ApiTokenKey([u8; 32]);

impl ApiTokenKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Makes a token with these restrictions in it.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no randomness.
    pub(crate) fn mint(
        &self,
        user: &UserName,
        id: &str,
        restrictions: Vec<String>,
    ) -> Result<NewToken, Error> {
        let mut random = [0_u8; SECRET_CHARACTERS / 4 * 3];
        getrandom::fill(&mut random).map_err(Error::internal)?;
        let secret = URL_SAFE_NO_PAD.encode(random);
        let identifier = format!("{user}-{id}");
        let location = format!("{LOCATION}{secret}{}", check(&secret, &identifier));
        let key = self.of_token(&secret, &identifier);
        let bytes = Macaroon::mint(&key, location, identifier, restrictions).to_bytes();
        Ok(NewToken {
            text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into(),
            digest: digest(&secret),
        })
    }

    /// Whether the token, or the one that it was derived from, is the one of which `kept` is the
    /// digest.
    pub(super) fn is_genuine(&self, token: &SentToken, kept: Digest) -> bool {
        let Some(secret) = &token.secret else {
            return false;
        };
        digest(secret) == kept
            && token
                .macaroon
                .is_of(&self.of_token(secret, &token.macaroon.identifier))
    }

    fn of_token(&self, secret: &str, identifier: &str) -> [u8; 32] {
        let mut code =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        code.update(b"cheeseshop api token 1");
        // The secret's length is fixed, so no two pairs make one message.
        code.update(secret.as_bytes());
        code.update(identifier.as_bytes());
        code.finalize().into_bytes().into()
    }
}

impl SentToken {
    /// The restrictions that it carries, the first ones those of the server.
    pub(super) fn restrictions(&self) -> impl Iterator<Item = &str> {
        self.macaroon.caveats.iter().map(String::as_str)
    }
}

/// Reads what was sent in place of a password.
pub(super) fn read(text: &str) -> Reading {
    let marked = text.strip_prefix(PREFIX);
    let encoded = marked.unwrap_or(text);
    let is_ours = encoded.starts_with(STEM);
    if !is_ours && marked.is_none() {
        return Reading::NoToken;
    }
    match decode(encoded) {
        Some(token) if token.secret.is_some() || !is_ours => Reading::Token(token),
        _ if is_ours => Reading::Damaged,
        _ => Reading::NoToken,
    }
}

/// Whether a secret has the form of a token, also of a damaged one. Such a secret is never tried as
/// a password, and a password of this form cannot be set.
pub(super) fn looks_like_token(text: &str) -> bool {
    !matches!(read(text), Reading::NoToken)
}

/// A new id.
///
/// # Errors
/// [`Error::Internal`] when the system has no randomness.
pub(crate) fn new_id() -> Result<String, Error> {
    let mut id = String::with_capacity(8);
    while id.len() < 8 {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(Error::internal)?;
        // Six bits are more than the alphabet has: what is beyond is drawn again, so that all
        // letters are as likely.
        let letters = random
            .iter()
            .filter_map(|byte| ID_ALPHABET.get(usize::from(byte & 0x3f)));
        id.extend(letters.take(8 - id.len()).map(|&letter| char::from(letter)));
    }
    Ok(id)
}

fn decode(encoded: &str) -> Option<SentToken> {
    if encoded.len() > MAX_CHARACTERS {
        return None;
    }
    let macaroon = Macaroon::parse(&URL_SAFE_NO_PAD.decode(encoded).ok()?)?;
    // User names may have hyphens in them, ids have none.
    let (user, id) = macaroon.identifier.rsplit_once('-')?;
    Some(SentToken {
        user: user.to_owned(),
        id: id.to_owned(),
        secret: secret_of(&macaroon),
        macaroon,
    })
}

fn secret_of(macaroon: &Macaroon) -> Option<String> {
    let (secret, sent_check) = macaroon
        .location
        .strip_prefix(LOCATION)?
        .split_at_checked(SECRET_CHARACTERS)?;
    (sent_check == check(secret, &macaroon.identifier)).then(|| secret.to_owned())
}

fn check(secret: &str, identifier: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update(identifier);
    let mut check = URL_SAFE_NO_PAD.encode(hash.finalize());
    check.truncate(CHECK_CHARACTERS);
    check
}

fn digest(secret: &str) -> Digest {
    Digest(Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn bob() -> UserName {
        UserName::parse("bob-by-2").unwrap()
    }

    fn mint(key: &ApiTokenKey) -> NewToken {
        let restrictions = vec!["expires=1800000000".to_owned()];
        key.mint(&bob(), "abcdefgh", restrictions).unwrap()
    }

    fn token(text: &str) -> SentToken {
        match read(text) {
            Reading::Token(token) => token,
            Reading::Damaged => panic!("damaged"),
            Reading::NoToken => panic!("no token"),
        }
    }

    #[test]
    fn a_token_tells_its_user_id_and_restrictions_and_is_proved_by_key_and_digest() {
        let key = ApiTokenKey::new([1; 32]);
        let new = mint(&key);
        let text = new.text.expose_secret();
        assert!(text.starts_with(PREFIX) && text[PREFIX.len()..].starts_with(STEM));
        for text in [text, &text[PREFIX.len()..]] {
            let sent = token(text);
            assert_eq!(
                (sent.user.as_str(), sent.id.as_str()),
                ("bob-by-2", "abcdefgh")
            );
            let restrictions: Vec<_> = sent.restrictions().collect();
            assert_eq!(restrictions, ["expires=1800000000"]);
            assert!(key.is_genuine(&sent, new.digest));
            assert!(!key.is_genuine(&sent, mint(&key).digest));
            assert!(!ApiTokenKey::new([2; 32]).is_genuine(&sent, new.digest));
        }
    }

    #[test]
    fn what_is_kept_makes_no_token() {
        // The thief of a database knows the key, and of every token its id, restrictions and
        // digest; what is missing is the secret.
        let key = ApiTokenKey::new([1; 32]);
        let stolen = mint(&key).digest;
        let forged = key.mint(&bob(), "abcdefgh", Vec::new()).unwrap();
        assert!(!key.is_genuine(&token(forged.text.expose_secret()), stolen));
    }

    #[test]
    fn damage_is_noticed_without_the_server() {
        let new = mint(&ApiTokenKey::new([1; 32]));
        let text = new.text.expose_secret();
        assert!(matches!(read(&text[..text.len() - 1]), Reading::Damaged));
        // One character of the secret, which follows the stem.
        let position = PREFIX.len() + STEM.len() + 5;
        let other = if &text[position..=position] == "A" {
            "B"
        } else {
            "A"
        };
        let mistyped = format!("{}{other}{}", &text[..position], &text[position + 1..]);
        assert!(matches!(read(&mistyped), Reading::Damaged));
    }

    #[test]
    fn what_is_no_token_may_be_a_password() {
        for text in ["", "devpi-", "devpi-secret", "csl1_x", "AgEy", "devpi-AgEA"] {
            assert!(!looks_like_token(text), "{text}");
        }
        assert!(looks_like_token(STEM));
        // A token of devpi-tokens: nothing here knows it, but it is no password either.
        let foreign = Macaroon::mint(&[0; 32], String::new(), "bob-abcdefgh".into(), vec![]);
        let foreign = format!("devpi-{}", URL_SAFE_NO_PAD.encode(foreign.to_bytes()));
        let sent = token(&foreign);
        assert_eq!(sent.id, "abcdefgh");
        assert!(!ApiTokenKey::new([0; 32]).is_genuine(&sent, digest("")));
    }

    #[test]
    fn ids_are_eight_plain_letters() {
        let ids: std::collections::HashSet<String> = (0..200).map(|_| new_id().unwrap()).collect();
        assert_eq!(ids.len(), 200);
        for id in ids {
            assert_eq!(id.len(), 8);
            assert!(
                id.bytes().all(|letter| ID_ALPHABET.contains(&letter)),
                "{id}"
            );
        }
    }
}
