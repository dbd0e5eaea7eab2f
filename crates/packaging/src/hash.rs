//! Digests, and how URLs, forms and JSON spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-256 digest: what names a blob and what installers check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

/// A digest text that does not fit its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {algorithm} digest in hexadecimal")]
pub struct HashError {
    /// The algorithm that was expected.
    pub algorithm: HashAlgorithm,
}

/// The digest algorithms that an index may name, strongest and most useful
/// first. The order of the variants is the order in which digests are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// `sha256`
    Sha256,
    /// `sha512`
    Sha512,
    /// `sha384`
    Sha384,
    /// `sha3_512`
    Sha3_512,
    /// `sha3_384`
    Sha3_384,
    /// `sha3_256`
    Sha3_256,
    /// `blake2b`, 64 bytes
    Blake2b,
    /// `blake2b_256`, BLAKE2b with a 32 byte digest as PyPI lists it
    Blake2b256,
    /// `blake2s`
    Blake2s,
    /// `sha3_224`
    Sha3_224,
    /// `sha224`
    Sha224,
    /// `sha1`
    Sha1,
    /// `md5`
    Md5,
}

/// The digests known of one file: at most one per algorithm, hexadecimal in
/// lower case, SHA-256 first when listed, MD5 last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    // Nearly every file has this one only; it costs no list.
    sha256: Option<Box<str>>,
    // Sorted by algorithm.
    others: Vec<(HashAlgorithm, Box<str>)>,
}

impl Sha256 {
    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl HashAlgorithm {
    const ALL: [Self; 13] = [
        Self::Sha256,
        Self::Sha512,
        Self::Sha384,
        Self::Sha3_512,
        Self::Sha3_384,
        Self::Sha3_256,
        Self::Blake2b,
        Self::Blake2b256,
        Self::Blake2s,
        Self::Sha3_224,
        Self::Sha224,
        Self::Sha1,
        Self::Md5,
    ];

    /// Finds an algorithm by its name in JSON (Python's `hashlib` name),
    /// whatever the case. Unknown names are `None`; whoever reads a document
    /// drops those digests.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// The name as JSON and URL fragments spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sha384 => "sha384",
            Self::Sha3_512 => "sha3_512",
            Self::Sha3_384 => "sha3_384",
            Self::Sha3_256 => "sha3_256",
            Self::Blake2b => "blake2b",
            Self::Blake2b256 => "blake2b_256",
            Self::Blake2s => "blake2s",
            Self::Sha3_224 => "sha3_224",
            Self::Sha224 => "sha224",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
        }
    }

    /// The length of a digest in bytes.
    pub fn digest_length(self) -> usize {
        match self {
            Self::Sha512 | Self::Sha3_512 | Self::Blake2b => 64,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha256 | Self::Sha3_256 | Self::Blake2b256 | Self::Blake2s => 32,
            Self::Sha3_224 | Self::Sha224 => 28,
            Self::Sha1 => 20,
            Self::Md5 => 16,
        }
    }
}

impl Hashes {
    /// No digests.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `sha256=<hex>`, the form of URL fragments and HTML attributes.
    /// Pairs may be joined by `&`; what is not a known digest is dropped.
    pub fn parse_fragment(text: &str) -> Self {
        let mut hashes = Self::new();
        for pair in text.split('&') {
            if let Some((name, digest)) = pair.split_once('=') {
                hashes.insert_named(name, digest);
            }
        }
        hashes
    }

    /// Adds or replaces a digest given in hexadecimal.
    pub fn insert(&mut self, algorithm: HashAlgorithm, digest: &str) -> Result<(), HashError> {
        let fits = digest.len() == 2 * algorithm.digest_length()
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !fits {
            return Err(HashError { algorithm });
        }
        let digest = digest.to_ascii_lowercase().into_boxed_str();
        if algorithm == HashAlgorithm::Sha256 {
            self.sha256 = Some(digest);
            return Ok(());
        }
        match self
            .others
            .binary_search_by_key(&algorithm, |(known, _)| *known)
        {
            Ok(position) => self.others[position].1 = digest,
            Err(position) => self.others.insert(position, (algorithm, digest)),
        }
        Ok(())
    }

    /// Adds a digest under the name that a document gives it. Unknown
    /// algorithms and malformed digests are dropped.
    pub fn insert_named(&mut self, name: &str, digest: &str) {
        if let Some(algorithm) = HashAlgorithm::find(name) {
            // A digest that cannot be right is worth as much as none.
            let _ = self.insert(algorithm, digest);
        }
    }

    /// The digest of one algorithm, in hexadecimal.
    pub fn get(&self, algorithm: HashAlgorithm) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == algorithm)
            .map(|(_, digest)| digest)
    }

    /// The SHA-256 digest.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256.as_deref().and_then(|hex| hex.parse().ok())
    }

    /// The digest to show where only one fits: SHA-256, else the first.
    pub fn best(&self) -> Option<(HashAlgorithm, &str)> {
        self.iter().next()
    }

    /// [`Self::best`] as `sha256=<hex>`, the form of URL fragments.
    pub fn to_fragment(&self) -> Option<String> {
        self.best()
            .map(|(algorithm, digest)| format!("{}={digest}", algorithm.as_str()))
    }

    /// All digests, SHA-256 first, MD5 last.
    pub fn iter(&self) -> impl Iterator<Item = (HashAlgorithm, &str)> {
        let sha256 = self.sha256.as_deref();
        sha256
            .map(|digest| (HashAlgorithm::Sha256, digest))
            .into_iter()
            .chain(
                self.others
                    .iter()
                    .map(|(algorithm, digest)| (*algorithm, &**digest)),
            )
    }

    /// Whether no digest is known.
    pub fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.others.is_empty()
    }

    /// How many digests are known.
    pub fn len(&self) -> usize {
        usize::from(self.sha256.is_some()) + self.others.len()
    }
}

impl From<Sha256> for Hashes {
    fn from(digest: Sha256) -> Self {
        Self {
            sha256: Some(digest.to_string().into_boxed_str()),
            others: Vec::new(),
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        formatter.write_str(str::from_utf8(&hex).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = HashError;

    /// Reads 64 hexadecimal digits, in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ERROR: HashError = HashError {
            algorithm: HashAlgorithm::Sha256,
        };
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(ERROR);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or(ERROR)? << 4 | nibble(pair[1]).ok_or(ERROR)?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const MD5: &str = "098f6bcd4621d373cade4e832627b4f6";

    #[test]
    fn sha256_is_written_as_it_is_read() {
        let digest: Sha256 = HEX.parse().unwrap();
        assert_eq!(digest.to_string(), HEX);
        assert_eq!(HEX.to_uppercase().parse::<Sha256>().unwrap(), digest);
        assert_eq!(
            serde_json::to_string(&digest).unwrap(),
            format!("\"{HEX}\"")
        );
        let back: Sha256 = serde_json::from_str(&format!("\"{HEX}\"")).unwrap();
        assert_eq!(back, digest);
    }

    #[test]
    fn wrong_sha256_texts_are_refused() {
        for text in ["", "abc", &HEX[1..], &format!("{HEX}0"), &"g".repeat(64)] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
        // 64 bytes, but not 64 digits: must not split a character.
        assert!("é".repeat(32).parse::<Sha256>().is_err());
    }

    #[test]
    fn digests_are_listed_strong_first_whatever_the_order_of_arrival() {
        let mut hashes = Hashes::new();
        for (algorithm, length) in [
            (HashAlgorithm::Md5, 32),
            (HashAlgorithm::Sha1, 40),
            (HashAlgorithm::Sha512, 128),
            (HashAlgorithm::Sha256, 64),
            (HashAlgorithm::Blake2b256, 64),
        ] {
            hashes.insert(algorithm, &"A".repeat(length)).unwrap();
        }
        let names: Vec<&str> = hashes.iter().map(|(known, _)| known.as_str()).collect();
        assert_eq!(names, ["sha256", "sha512", "blake2b_256", "sha1", "md5"]);
        assert_eq!(hashes.len(), 5);
        assert_eq!(hashes.best().unwrap().1, "a".repeat(64));
    }

    #[test]
    fn a_second_digest_of_an_algorithm_replaces_the_first() {
        let mut hashes = Hashes::new();
        hashes.insert(HashAlgorithm::Md5, &"0".repeat(32)).unwrap();
        hashes.insert(HashAlgorithm::Md5, MD5).unwrap();
        assert_eq!(hashes.len(), 1);
        assert_eq!(hashes.get(HashAlgorithm::Md5), Some(MD5));
    }

    #[test]
    fn fragments_keep_only_what_is_a_digest() {
        for (fragment, expected) in [
            (format!("sha256={HEX}"), Some(format!("sha256={HEX}"))),
            (format!("SHA256={HEX}"), Some(format!("sha256={HEX}"))),
            (format!("md5={MD5}"), Some(format!("md5={MD5}"))),
            (
                format!("egg=flask&md5={MD5}&subdirectory=x"),
                Some(format!("md5={MD5}")),
            ),
            (
                format!("md5={MD5}&sha256={HEX}"),
                Some(format!("sha256={HEX}")),
            ),
            ("sha256=short".into(), None),
            ("sha257=0000".into(), None),
            ("true".into(), None),
            (String::new(), None),
        ] {
            let hashes = Hashes::parse_fragment(&fragment);
            assert_eq!(hashes.to_fragment(), expected, "{fragment}");
            assert_eq!(hashes.is_empty(), expected.is_none());
        }
    }

    #[test]
    fn every_algorithm_is_found_by_its_name() {
        for algorithm in HashAlgorithm::ALL {
            assert_eq!(HashAlgorithm::find(algorithm.as_str()), Some(algorithm));
            let mut hashes = Hashes::new();
            let digest = "0".repeat(2 * algorithm.digest_length());
            hashes.insert(algorithm, &digest).unwrap();
            assert!(hashes.insert(algorithm, &digest[1..]).is_err());
            assert_eq!(hashes.get(algorithm), Some(digest.as_str()));
        }
        assert!(HashAlgorithm::ALL.is_sorted());
    }
}
