//! Where the bytes of a path lie.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use cheeseshop_packaging::hash::Hashes;

/// Where devpi's own choice of names ends and ours begins: below the server directory.
pub(super) fn below(root: &Path, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let is_plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (is_plain && relative != Path::new("")).then(|| root.join(relative))
}

/// The file with the bytes of a path, or a sentence about why there is none.
///
/// Beside `+files` there is the layout with hard links named by digest
/// (`--storage sqlite:fsbackend=hash_hl`): a name of it that survived is as good.
pub(super) fn find(root: &Path, path: &str, hashes: &Hashes) -> Result<PathBuf, String> {
    let Some(usual) = below(&root.join("+files"), path) else {
        return Err("its path leads out of the directory".to_owned());
    };
    let by_digest = hashes
        .sha256()
        .map(|digest| digest.to_string())
        .map(|digest| root.join("+h").join(&digest[..3]).join(&digest[3..]));
    for candidate in [Some(&usual), by_digest.as_ref()].into_iter().flatten() {
        match is_file(candidate) {
            Ok(true) => return Ok(candidate.clone()),
            Ok(false) => return Err(format!("{} is no file", candidate.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!("{} cannot be read: {error}", candidate.display()));
            }
        }
    }
    Err(format!("{} does not exist", usual.display()))
}

/// A link is none, for it could lead anywhere.
pub(super) fn is_file(path: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(path)?.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "7f0c4e99b310b917aaaabbbbccccdddd7f0c4e99b310b917aaaabbbbccccdddd";

    #[test]
    fn bytes_are_found_under_their_path_or_their_digest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let hashes = Hashes::parse_fragment(&format!("sha256={DIGEST}"));
        let path = "bob/dev/+f/7f0/c4e99b310b917/x.whl";
        let usual = root.join("+files").join(path);
        assert!(
            find(root, path, &hashes)
                .unwrap_err()
                .contains("does not exist")
        );

        let digest = root.join("+h/7f0").join(&DIGEST[3..]);
        fs::create_dir_all(digest.parent().unwrap()).unwrap();
        fs::write(&digest, "x").unwrap();
        assert_eq!(find(root, path, &hashes).unwrap(), digest);
        assert!(find(root, path, &Hashes::new()).is_err());

        fs::create_dir_all(usual.parent().unwrap()).unwrap();
        fs::write(&usual, "x").unwrap();
        assert_eq!(find(root, path, &hashes).unwrap(), usual);
    }

    #[test]
    fn paths_stay_in_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        fs::create_dir(folder.path().join("+files")).unwrap();
        std::os::unix::fs::symlink("../secret", folder.path().join("+files/link")).unwrap();
        for path in [
            "../secret",
            "/etc/passwd",
            "a/../../secret",
            ".",
            "",
            "link",
        ] {
            assert!(find(folder.path(), path, &Hashes::new()).is_err(), "{path}");
        }
    }
}
