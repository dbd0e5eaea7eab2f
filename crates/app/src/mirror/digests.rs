//! Checks bytes, as they come, against every digest that was announced for them.

use std::fmt::Write as _;

use blake2::{Blake2b, Blake2b512, Blake2s256};
use cheeseshop_packaging::{HashAlgorithm, Hashes};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::consts::U32;
use sha2::digest::{Digest, DynDigest};
use sha2::{Sha224, Sha384, Sha512};

/// The digests that were announced for a file, being computed.
///
/// SHA-256 is missing here: the blob writer computes it anyway.
pub(crate) struct Digests {
    expected: Vec<(HashAlgorithm, String, Box<dyn DynDigest + Send>)>,
}

/// The first digest that differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) HashAlgorithm);

impl Digests {
    /// Takes what was announced. Algorithms that nobody lists in practice (SHA-3) are not
    /// computed.
    pub(crate) fn new(announced: &Hashes) -> Self {
        Self {
            expected: announced
                .iter()
                .filter_map(|(algorithm, digest)| {
                    Some((algorithm, digest.to_owned(), hasher(algorithm)?))
                })
                .collect(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, _, hasher) in &mut self.expected {
            hasher.update(bytes);
        }
    }

    /// Compares; all must fit.
    pub(crate) fn verify(self) -> Result<(), Mismatch> {
        for (algorithm, expected, hasher) in self.expected {
            let mut hex = String::with_capacity(expected.len());
            for byte in hasher.finalize() {
                // Writing to a text cannot fail.
                let _ = write!(hex, "{byte:02x}");
            }
            if hex != expected {
                return Err(Mismatch(algorithm));
            }
        }
        Ok(())
    }
}

fn hasher(algorithm: HashAlgorithm) -> Option<Box<dyn DynDigest + Send>> {
    Some(match algorithm {
        HashAlgorithm::Sha512 => Box::new(Sha512::new()),
        HashAlgorithm::Sha384 => Box::new(Sha384::new()),
        HashAlgorithm::Sha224 => Box::new(Sha224::new()),
        HashAlgorithm::Sha1 => Box::new(Sha1::new()),
        HashAlgorithm::Md5 => Box::new(Md5::new()),
        HashAlgorithm::Blake2b => Box::new(Blake2b512::new()),
        HashAlgorithm::Blake2b256 => Box::new(Blake2b::<U32>::new()),
        HashAlgorithm::Blake2s => Box::new(Blake2s256::new()),
        HashAlgorithm::Sha256
        | HashAlgorithm::Sha3_512
        | HashAlgorithm::Sha3_384
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_224 => return None,
    })
}

/// Whether bytes in memory have every announced digest.
pub(super) fn verify_all(announced: &Hashes, bytes: &[u8]) -> Result<(), Mismatch> {
    if let Some(expected) = announced.sha256()
        && sha2::Sha256::digest(bytes).as_slice() != expected.as_bytes()
    {
        return Err(Mismatch(HashAlgorithm::Sha256));
    }
    let mut digests = Digests::new(announced);
    digests.update(bytes);
    digests.verify()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests of `abc`, from the standards and from Python's `hashlib`.
    const ABC: [(HashAlgorithm, &str); 6] = [
        (HashAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (
            HashAlgorithm::Sha1,
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        ),
        (
            HashAlgorithm::Sha224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
        (
            HashAlgorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            HashAlgorithm::Blake2b256,
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
        ),
        (
            HashAlgorithm::Blake2s,
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
        ),
    ];

    #[test]
    fn every_announced_digest_counts() {
        for (algorithm, digest) in ABC {
            let mut hashes = Hashes::new();
            hashes.insert(algorithm, digest).unwrap();
            assert_eq!(verify_all(&hashes, b"abc"), Ok(()), "{algorithm}");
            assert_eq!(
                verify_all(&hashes, b"abd"),
                Err(Mismatch(algorithm)),
                "{algorithm}"
            );
        }
        let mut both = Hashes::new();
        both.insert(HashAlgorithm::Sha256, ABC[3].1).unwrap();
        both.insert(HashAlgorithm::Md5, &"0".repeat(32)).unwrap();
        assert_eq!(verify_all(&both, b"abc"), Err(Mismatch(HashAlgorithm::Md5)));
    }

    #[test]
    fn without_digests_everything_fits() {
        assert_eq!(verify_all(&Hashes::new(), b"anything"), Ok(()));
    }
}
