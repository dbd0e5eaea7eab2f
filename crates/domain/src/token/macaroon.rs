//! Macaroons: tokens that their holder can narrow without asking the server.
//!
//! A macaroon is a location, an identifier, any number of caveats and one signature. The signature
//! is a chain: of the identifier under a key that only the server has, then of each caveat under
//! the signature before it. Whoever holds one can therefore append a caveat and sign it, and
//! cannot take one away. devpi-tokens' client does just that (`devpi token-derive`), which is why
//! tokens have this form and not one of our own.
//!
//! The bytes are libmacaroons' format 2, and only as far as a token needs it: no third-party
//! caveats, which name other services that would have to agree.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const VERSION: u8 = 2;

const END: u8 = 0;
const LOCATION: u8 = 1;
const IDENTIFIER: u8 = 2;
const SIGNATURE: u8 = 6;

/// What the key of a chain is signed with, by the format's definition.
const KEY_GENERATOR: &[u8] = b"macaroons-key-generator";

/// The most caveats that are looked at.
const MAX_CAVEATS: usize = 64;

/// A macaroon as it was made or sent; sent ones are not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macaroon {
    /// Free text that no signature covers.
    pub location: String,
    /// Names the token to whoever made it: `USER-ID` in tokens of ours and of devpi-tokens.
    pub identifier: String,
    /// What limits it, in the order in which it was added.
    pub caveats: Vec<String>,
    signature: [u8; 32],
}

impl Macaroon {
    /// Makes one, signed with `key`.
    pub fn mint(
        key: &[u8; 32],
        location: String,
        identifier: String,
        caveats: Vec<String>,
    ) -> Self {
        let signature = chain(key, &identifier, &caveats).finalize().into_bytes();
        Self {
            location,
            identifier,
            caveats,
            signature: signature.into(),
        }
    }

    /// Whether it, or the one that it was derived from, was made with `key`. Takes the same time
    /// whatever the answer.
    pub fn is_of(&self, key: &[u8; 32]) -> bool {
        chain(key, &self.identifier, &self.caveats)
            .verify_slice(&self.signature)
            .is_ok()
    }

    /// Reads format 2; `None` for everything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let mut location = "";
        let (mut kind, mut data) = field(&mut rest)?;
        if kind == LOCATION {
            location = text(data)?;
            (kind, data) = field(&mut rest)?;
        }
        let identifier = (kind == IDENTIFIER).then(|| text(data)).flatten()?;
        end_of_section(&mut rest)?;
        let mut caveats = Vec::new();
        loop {
            let (kind, data) = field(&mut rest)?;
            match kind {
                END => break,
                IDENTIFIER if caveats.len() < MAX_CAVEATS => caveats.push(text(data)?.to_owned()),
                _ => return None,
            }
            end_of_section(&mut rest)?;
        }
        let (kind, data) = field(&mut rest)?;
        let signature = data.try_into().ok()?;
        (kind == SIGNATURE && rest.is_empty()).then(|| Self {
            location: location.to_owned(),
            identifier: identifier.to_owned(),
            caveats,
            signature,
        })
    }

    /// A narrower one, made as its holder makes it: knowing the signature and not the key.
    #[must_use]
    pub fn derived(mut self, caveat: &str) -> Self {
        let mut signature = code(&self.signature);
        signature.update(caveat.as_bytes());
        self.signature = signature.finalize().into_bytes().into();
        self.caveats.push(caveat.to_owned());
        self
    }

    /// The bytes of format 2.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        push(&mut bytes, LOCATION, self.location.as_bytes());
        push(&mut bytes, IDENTIFIER, self.identifier.as_bytes());
        bytes.push(END);
        for caveat in &self.caveats {
            push(&mut bytes, IDENTIFIER, caveat.as_bytes());
            bytes.push(END);
        }
        bytes.push(END);
        push(&mut bytes, SIGNATURE, &self.signature);
        bytes
    }
}

/// The chain of signatures, short of its last step.
fn chain(key: &[u8; 32], identifier: &str, caveats: &[String]) -> Hmac<Sha256> {
    let mut root = code(KEY_GENERATOR);
    root.update(key);
    let mut last = code(&root.finalize().into_bytes());
    last.update(identifier.as_bytes());
    for caveat in caveats {
        last = code(&last.finalize().into_bytes());
        last.update(caveat.as_bytes());
    }
    last
}

fn code(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Takes a field off: its kind and its data, which `END` has none of.
fn field<'b>(rest: &mut &'b [u8]) -> Option<(u8, &'b [u8])> {
    let (&kind, behind) = rest.split_first()?;
    *rest = behind;
    if kind == END {
        return Some((END, &[]));
    }
    let length = length(rest)?;
    let (data, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some((kind, data))
}

/// A number in groups of seven bits, the lowest first; three groups are more than a token has.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

fn end_of_section(rest: &mut &[u8]) -> Option<()> {
    (field(rest)?.0 == END).then_some(())
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn push(bytes: &mut Vec<u8>, kind: u8, data: &[u8]) {
    bytes.push(kind);
    let mut length = data.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn minted(caveats: &[&str]) -> Macaroon {
        Macaroon::mint(
            &KEY,
            "somewhere".to_owned(),
            "bob-abcdefgh".to_owned(),
            caveats.iter().map(|&caveat| caveat.to_owned()).collect(),
        )
    }

    #[test]
    fn a_holder_can_add_caveats_and_take_none_away() {
        let token = minted(&["expires=5"]);
        assert!(token.is_of(&KEY));
        assert!(!token.is_of(&[4; 32]));
        let narrower = token.clone().derived("allowed=pkg_read");
        assert!(narrower.is_of(&KEY));
        assert_eq!(narrower, {
            let mut same = minted(&["expires=5", "allowed=pkg_read"]);
            same.location.clone_from(&narrower.location);
            same
        });

        let mut wider = narrower.clone();
        wider.caveats.remove(1);
        assert!(!wider.is_of(&KEY));
        let mut other = token.clone();
        other.caveats[0] = "expires=9".to_owned();
        assert!(!other.is_of(&KEY));
        other = token;
        other.identifier = "eve-abcdefgh".to_owned();
        assert!(!other.is_of(&KEY));
    }

    #[test]
    fn damaged_bytes_are_no_macaroon() {
        let bytes = minted(&["a=b"]).to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Macaroon::parse(&bytes[..length]), None, "{length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Macaroon::parse(&longer), None);
        let mut other_version = bytes.clone();
        other_version[0] = 1;
        assert_eq!(Macaroon::parse(&other_version), None);
        let many = vec!["a=b"; MAX_CAVEATS + 1];
        assert_eq!(Macaroon::parse(&minted(&many).to_bytes()), None);
    }

    #[test]
    fn third_party_caveats_are_refused() {
        let mut bytes = vec![VERSION];
        push(&mut bytes, IDENTIFIER, b"bob-abcdefgh");
        bytes.push(END);
        push(&mut bytes, LOCATION, b"elsewhere");
        push(&mut bytes, IDENTIFIER, b"ask them");
        bytes.push(END);
        bytes.push(END);
        push(&mut bytes, SIGNATURE, &[0; 32]);
        assert_eq!(Macaroon::parse(&bytes), None);
    }

    /// The bytes of another implementation: pymacaroons 0.13, key `[3; 32]`, no location.
    #[test]
    fn the_format_is_that_of_other_implementations() {
        let theirs = hex(PYMACAROONS);
        let macaroon = Macaroon::parse(&theirs).unwrap();
        assert_eq!(macaroon.identifier, "bob-abcdefgh");
        assert_eq!(macaroon.caveats, ["expires=5", "allowed=pkg_read"]);
        assert!(macaroon.is_of(&KEY));
        assert_eq!(macaroon.to_bytes(), theirs);
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|start| u8::from_str_radix(&text[start..start + 2], 16).unwrap())
            .collect()
    }

    const PYMACAROONS: &str = concat!(
        "020100020c626f622d6162636465666768000209657870697265733d35000210",
        "616c6c6f7765643d706b675f72656164000006207c3f8683cb8fa3eded0a61ab",
        "af7b0aab8fceec534aad3664ef9992029fa39a50",
    );
}
