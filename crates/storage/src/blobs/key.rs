//! Digest to place: `ab/cd/abcd…`, the same below a directory and in a bucket, so that either
//! can be filled by copying the other.

use std::path::{Path, PathBuf};

use cheeseshop_packaging::hash::Sha256;

/// The directory of a blob relative to the root, as `("ab", "cd")`, and its name.
pub(super) fn parts(digest: &Sha256) -> (String, String, String) {
    let name = digest.to_string();
    (name[..2].to_owned(), name[2..4].to_owned(), name)
}

/// The directory that holds a blob.
pub(super) fn directory(root: &Path, digest: &Sha256) -> PathBuf {
    let (first, second, _) = parts(digest);
    root.join(first).join(second)
}

/// The number of a blob's directory, below 65,536.
pub(super) fn shard(digest: &Sha256) -> usize {
    let bytes = digest.as_bytes();
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// The digest in a file name; None for a name that is none of ours.
pub(super) fn parse(name: &str) -> Option<Sha256> {
    let ours = name.len() == 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if ours { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_two_directories_deep_under_its_whole_digest() {
        let name = format!("abcd{}", "0".repeat(60));
        let digest: Sha256 = name.parse().unwrap();
        assert_eq!(directory(Path::new("/r"), &digest), Path::new("/r/ab/cd"),);
        assert_eq!(parts(&digest), ("ab".into(), "cd".into(), name));
        assert_eq!(shard(&digest), 0xabcd);
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
