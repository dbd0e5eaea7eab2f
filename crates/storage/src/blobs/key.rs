//! Digest to place: `ab/abcd…`, the same below a directory and in a bucket, so that either can be
//! filled by copying the other.
//!
//! One level of 256 directories: a million blobs are 4,000 names in each, which file systems
//! look up in a tree. With a second level (65,536 directories) nearly every upload made its
//! directory first, and syncing that too made an upload a fifth dearer.

use std::path::{Path, PathBuf};

use cheeseshop_packaging::hash::Sha256;

/// Number of directories of blobs.
pub(super) const SHARDS: usize = 256;

/// The directory of a blob relative to the root, and its name.
pub(crate) fn parts(digest: &Sha256) -> (String, String) {
    let name = digest.to_string();
    (name[..2].to_owned(), name)
}

/// The directory that holds a blob.
pub(super) fn directory(root: &Path, digest: &Sha256) -> PathBuf {
    root.join(parts(digest).0)
}

/// The number of a blob's directory, below [`SHARDS`].
pub(super) fn shard(digest: &Sha256) -> usize {
    usize::from(digest.as_bytes()[0])
}

/// Whether a name is that of a directory of blobs.
pub(super) fn is_shard(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(is_digit)
}

/// The digest in a file name; None for a name that is none of ours.
pub(super) fn parse(name: &str) -> Option<Sha256> {
    let ours = name.len() == 64 && name.bytes().all(is_digit);
    if ours { name.parse().ok() } else { None }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_one_directory_deep_under_its_whole_digest() {
        let name = format!("abcd{}", "0".repeat(60));
        let digest: Sha256 = name.parse().unwrap();
        assert_eq!(directory(Path::new("/r"), &digest), Path::new("/r/ab"));
        assert_eq!(parts(&digest), ("ab".into(), name));
        assert_eq!(shard(&digest), 0xab);
    }

    #[test]
    fn a_directory_of_blobs_has_two_small_digits() {
        for (name, expected) in [("ab", true), ("09", true), ("AB", false), ("a", false)] {
            assert_eq!(is_shard(name), expected, "{name}");
        }
    }

    #[test]
    fn names_of_others_are_not_blobs() {
        for name in [
            "",
            "abcd",
            &"g".repeat(64),
            &"A".repeat(64),
            &"a".repeat(65),
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
        assert!(parse(&"a".repeat(64)).is_some());
    }
}
